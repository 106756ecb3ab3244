// Random and mutated lines: the lexer, the parser and `reading(of:)` answer every one, and in time.

import FixtureKit
import Glibc
import Pipeline
import Testing

@testable import MDB

@Suite struct FuzzTests {
    /// $INQUEST_FUZZ_LINES, else enough for every run.
    static let count: Int = {
        // Safe: getenv's result is copied at once, and nothing here changes the environment.
        guard let text = unsafe getenv("INQUEST_FUZZ_LINES").map({ unsafe String(cString: $0) }), let count = Int(text)
        else { return 50_000 }
        return count
    }()

    /// Pieces that mean something to mdb, so that random lines come far.
    private static let pieces: [String] = [
        "::print", "::walk", " nodes", " struct node", "|", "/", "=", "\\", "?", "@", "J", "K", "n", "4", "$[", "]",
        "(", ")",
        "*/l/", "%/s/", "%", "%%", "#", "~", "-", "+", "^", "&", ".", ",", ";", "!", "\"", "'", "\n", " ", "\t", "0t10",
        "0x1f",
        "0i101", "0o7", "ffff888000100000", "words", "<x", ">x", ">/l/x", "<<", ">>", "==", "!=", "$c", "$<", "$<<",
        ":c",
        "::eval", "::echo", "//", "`", "\\n", "\u{0}", "é", "\u{7f}", "$", ":", "::", "99999999999999999999", "_",
        "0t1.5e9",
    ]

    private static func line(_ numbers: inout SeededNumbers, _ seeds: [String]) -> String {
        if numbers.next() & 1 == 0, let seed = seeds.randomElement(using: &numbers) {
            var bytes = Array(seed.utf8)
            for _ in 0...(numbers.next() % 4) {
                let index = bytes.isEmpty ? 0 : Int(numbers.next() % UInt64(bytes.count))
                switch numbers.next() % 3 {
                case 0: bytes.insert(UInt8(truncatingIfNeeded: numbers.next()), at: index)
                case 1: if !bytes.isEmpty { bytes.remove(at: index) }
                default: if !bytes.isEmpty { bytes[index] = UInt8(truncatingIfNeeded: numbers.next() % 128) }
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        return (0...(numbers.next() % 24)).map { _ in pieces.randomElement(using: &numbers) ?? "" }.joined()
    }

    @Test func everyLineIsParsedOrRefused() throws {
        var numbers = SeededNumbers(seed: 5)
        let seeds = ConformanceTests.all.flatMap(\.lines)
        let world = World(allowsShell: false)
        var (parsed, refused, read) = (0, 0, 0)
        for index in 0..<Self.count {
            let line = Self.line(&numbers, seeds)
            do {
                _ = try Parser.statements(line)
                parsed += 1
            } catch is UsageError {
                refused += 1
            }
            if index % 4 == 0, world.dialect.reading(of: line, world.context) != nil { read += 1 }
        }
        // Both happen often: else the lines would be of one kind.
        #expect(parsed > Self.count / 20 && refused > Self.count / 20 && read > 0)
    }

    @Test func linesThatRunNeitherTrapNorHang() {
        var numbers = SeededNumbers(seed: 6)
        let seeds = (numberRows + operatorRows + pipeRows + typeRows).flatMap(\.lines).filter { !$0.contains("!") }
        for _ in 0..<max(200, Self.count / 100) {
            let line = Self.line(&numbers, seeds)
            guard !line.contains("!"), !line.contains(","), !line.contains("$<"), !line.contains("::cat") else {
                continue
            }
            _ = World(allowsShell: false).run(line)
        }
    }

    @Test func nestingIsBounded() {
        for text in [
            String(repeating: "(", count: 100_000), String(repeating: "-", count: 100_000) + "1=D",
            String(repeating: "*", count: 100_000) + "1=D", String(repeating: "1+", count: 100_000) + "1=D",
            String(repeating: "::echo $[", count: 10_000), String(repeating: "1|", count: 50_000) + "1=D",
            String(repeating: "1+(", count: 10_000) + "1=D",
        ] {
            #expect(throws: UsageError.self) { try Parser.statements(text) }
        }
        #expect(throws: UsageError.self) { try Parser.statements(String(repeating: " ", count: (1 << 20) + 1)) }
        #expect(World().run("::eval '::eval \"::eval 1=D\"'") == ["                1"])
    }

    @Test func aLineThatRunsItselfStops() throws {
        // `::eval` can only hold its own text a bounded number of times; a file can name itself.
        let file = try TemporaryFile("one", [])
        let again = try TemporaryFile("other", Array("$<\(file.path)\n".utf8))
        try TemporaryFile.write(Array("$<\(again.path)\n".utf8), to: file.path)
        let shown = World().run("$<\(file.path)")
        #expect(shown == ["error: commands that run commands are nested more than 32 deep"])
    }
}

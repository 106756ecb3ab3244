import Foundation
import Pipeline
import Testing

@Suite struct WordsTests {
    private func words(_ line: String) throws -> [String] { try LineSplitter.words(line).map(\.text) }

    @Test func blanksSeparateWords() throws { #expect(try words("  a\tb  c ") == ["a", "b", "c"]) }

    @Test func quotesKeepBlanks() throws {
        #expect(try words(#"'a b' "c \" \\ \n d" e\ f x'y'z ''"#) == ["a b", #"c " \ \n d"#, "e f", "xyz", ""])
    }

    @Test func aQuoteWithoutItsEndIsRefusedWithItsColumn() {
        #expect(throws: UsageError("the quote in column 3 has no end", column: 3)) { try LineSplitter.words("a 'b") }
    }

    @Test func pipesSeparateCommandsButNotInsideExpressions() throws {
        func names(_ line: String) throws -> [String] {
            try LineSplitter.commands(line).map { "\($0.name):\($0.text)" }
        }
        #expect(try names("ps -m|first 2 | x") == ["ps:-m", "first:2", "x:"])
        #expect(try names("print (a | b) || c[d | e]") == ["print:(a | b) || c[d | e]"])
        #expect(try names("search '|' \"|\" \\|") == ["search:'|' \"|\" \\|"])
    }

    @Test(arguments: ["plain", "", "two words", "it's", "a|b", "#", "\"", "\\", "x(", "\u{e9}t\u{e9}"])
    func aQuotedWordSplitsIntoItself(word: String) throws {
        let commands = try LineSplitter.commands("say " + LineSplitter.quoted(word))
        #expect(commands == [CommandText(name: "say", words: [word], text: LineSplitter.quoted(word))])
    }

    @Test func noLineTraps() {
        var seed: UInt64 = 42
        let letters = Array("ab '\"\\|()[]#-\u{e9}\t.!>=&0,$")
        let starts = ["", "say 1 | filter ", "say 1 | map ", "define a(b) = ", "say 1 | join ", "say 1 | sort "]
        // A million lines: INQUEST_FUZZ_LINES=1000000.
        let lines = ProcessInfo.processInfo.environment["INQUEST_FUZZ_LINES"].flatMap { Int($0) } ?? 20_000
        for number in 0..<lines {
            var line = ""
            for _ in 0..<(seed >> 60) {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                line.append(letters[Int(seed >> 33) % letters.count])
            }
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            _ = run(starts[number % starts.count] + line)
            _ = run("expr " + line)
        }
    }
}

import Bytes
import FixtureKit
import Pipeline
import Synchronization
import Testing

@testable import DDB

/// What the dialect claims as its own, and that nothing a user types ends it.
@Suite struct ReadingTests {
    private let session = DDBSession(KnownMachine.kernel())

    @Test(
        arguments: [
            ("show all locks", "show all locks"), ("show proc", "show proc"), ("x/gx words", "x"),
            ("trace/u", "trace"), ("show lock words+8", "show lock"), ("show sle words", nil),
            ("set $radix = 0t10", "set"),
            ("search words 5", "search"), ("print/d $radix", "print"), ("show thread 5", "show thread"),
        ] as [(String, String?)])
    func whatIsCertainlyDDBsIsRead(line: String, command: String?) {
        let reading = session.dialect.reading(of: line, session.context)
        #expect(reading == command.map { "the command \($0) of ddb" })
    }

    @Test(arguments: [
        "", "   ", "x/gx nosuchsymbol", "print words->next", "print words.next == 5 junk", "x/x words junk",
        "struct list_head", "::walk task", "show", "show nosuch", "print $nosuch", "ps | grep", "rd -p 1000", "foo",
    ])
    func whatIsNotIsLeftToOthers(line: String) {
        #expect(line.hasPrefix("ps |") || session.dialect.reading(of: line, session.context) == nil)
    }

    @Test func readingChangesNothing() {
        _ = session.dialect.reading(of: "set $radix = 0t10", session.context)
        _ = session.dialect.reading(of: "x words", session.context)
        #expect(session.lines("print 10") == ["      10"])
        #expect(session.lines("print .") == ["      10"])
    }

    /// Lines made of ddb's own pieces and of noise, from a fixed seed.
    @Test func noLineEndsTheParser() {
        let count = Effort.count("INQUEST_FUZZ_LINES", usual: 50_000)
        var random = SeededNumbers(seed: 0x9e37_79b9)
        let pieces = [
            "show ", "all ", "x/", "print/", "search ", "set $", "trace ", "words", "$radix", "$", "(", ")", "*", "#",
            "..",
            "+", "-", "\"", "0x", "0t", "0o", "12345678901234567890", ",", "/", "&&", "||", "<<", ">>", "|", "!", "~",
            "\\",
            "locks", "thread ", "struct ", "pprint ", "=", " ", "\t", "\u{e9}", "\u{0}", "lx", "gx", "%", "5", "help",
            "((((((((((((((((", "----------------", ":", "::", ";", "?", "'", "@", "counter",
        ]
        var parsed = 0
        for _ in 0..<count {
            var line = ""
            for _ in 0..<(1 + random.next() % 12) {
                if random.next() % 5 == 0 {
                    line.unicodeScalars.append(Unicode.Scalar(UInt8(truncatingIfNeeded: random.next() % 127)))
                } else {
                    line += pieces[Int(random.next() % UInt64(pieces.count))]
                }
            }
            let radix = Int64(2 + random.next() % 15)
            if let line = try? LineParser.parse(line, radix: radix) {
                parsed += 1
                // Evaluated too: no operator may trap, whatever its operands.
                let evaluation = Evaluation(
                    target: session.context.target, variables: Variables(), registers: [:], cpu: 0)
                for expression in [line.address, line.value, line.mask, line.count].compactMap({ $0 }) {
                    _ = try? evaluation.value(expression)
                }
            }
        }
        #expect(parsed > count / 100, "only \(parsed) of \(count) lines were ddb's")
    }

    @Test func deepNestingAndLongLinesAreRefused() {
        for line in [
            "print " + String(repeating: "(", count: 500), "print " + String(repeating: "-", count: 900) + "1",
            "print " + String(repeating: "1+", count: 600) + "1",
        ] {
            #expect(throws: (any Error).self) { try LineParser.parse(line, radix: 16) }
        }
        let wide = "print/d " + String(repeating: "1+", count: 500) + "1"
        #expect(session.lines(wide) == ["        501"])
    }
}

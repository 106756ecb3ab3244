import DebugModel
import Pipeline
import Target
import Testing

@Suite struct FailureTests {
    private let target = EmptyKernel().target

    private func failure(_ expression: String, line: String) -> Failure {
        do {
            _ = try target.evaluate(expression)
            return Failure("answered")
        } catch { return Failure(error, line: line, target) }
    }

    @Test func theMarkStandsUnderTheColumnOfTheLine() {
        let line = "print -x 1 + nosuch"
        let failure = failure("1 + nosuch", line: line)
        #expect(failure.description == "column 5: no symbol, enumerator or type is named nosuch")
        #expect(failure.pointing(in: line) == [line, "             ^"])
    }

    @Test func anExpressionThatTheLineHasTwiceOrNotIsShownAlone() {
        #expect(failure("1 +", line: "print 1 + 1 +").pointing(in: "print 1 + 1 +") == ["1 +", "   ^"])
        #expect(failure("(nosuch", line: "search '(' nosuch").pointing(in: "other") == ["(nosuch", "       ^"])
    }

    @Test func theMarkCountsWhatIsShownAndNotBytes() {
        let line = "print \u{1b}é 1"
        let mark = Failure.Mark(text: line, column: Array("print \u{1b}é ".utf8).count + 1)
        #expect(Failure("", mark: mark).pointing(in: line) == ["print \\x1bé 1", "            ^"])
    }

    @Test func aQuoteWithoutItsEndIsPointedAt() {
        guard case .failed(let failure) = run("say \"a").outcome else {
            Issue.record("a quote without its end was answered")
            return
        }
        #expect(failure.pointing(in: "say \"a") == ["say \"a", "    ^"])
    }

    @Test func whatHasNoPlaceIsNotPointedAt() {
        #expect(Failure(CommandError("no"), line: "x", target).pointing(in: "x").isEmpty)
    }
}

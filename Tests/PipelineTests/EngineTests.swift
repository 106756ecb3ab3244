import Pipeline
import Target
import Testing

@Suite struct EngineTests {
    @Test func aLineRunsItsCommand() {
        let result = run("say 1 two")
        #expect(result.said == ["1", "two"])
        #expect(result.outcome == .answered)
    }

    @Test func anAliasIsAsGoodAsAName() { #expect(run("echo 1").said == ["1"]) }

    @Test(arguments: ["", "   ", "# it's a comment | with a pipe"])
    func aBlankLineAndACommentAreAnsweredWithNothing(line: String) {
        let result = run(line)
        #expect(result.said.isEmpty)
        #expect(result.outcome == .answered)
    }

    @Test func anUnknownCommandNamesItsNeighbours() {
        #expect(run("sya 1").outcome == .failed("there is no command sya; did you mean say?"))
        #expect(run("frobnicate").outcome == .failed("there is no command frobnicate; see: help"))
    }

    @Test func whatWasEmittedBeforeAFailureStays() {
        let result = run("say 1 fail 2")
        #expect(result.said == ["1"])
        #expect(result.outcome == .failed("say cannot say fail"))
    }

    @Test func gapsAreKeptForTheFootnotes() {
        #expect(run("say gap").gaps == [Gap("a word", why: "nobody knows it")])
    }

    @Test func aPipeHandsOnWhatIsEmitted() {
        let result = run("say 1 2 3 | first 2")
        #expect(result.said == ["1", "2", "end"])
        #expect(result.outcome == .answered)
    }

    @Test func enoughEndsTheCommandsBeforeWithoutFailure() {
        let result = run("say -n 1000000000 1 | first 2")
        #expect(result.said == ["1", "1", "end"])
        #expect(result.outcome == .answered)
    }

    @Test func everyStageIsCheckedBeforeAnyRuns() {
        let result = run("say 1 | first nonsense")
        #expect(result.said.isEmpty)
        #expect(result.outcome == .failed("first: COUNT?"))
    }

    @Test func aCommandThatTakesNoInputSaysSo() {
        #expect(
            run("say 1 | say 2").outcome == .failed("say takes no input from another command, so it only begins a line")
        )
    }

    @Test func aCommandEndsWhenTheUserInterruptsIt() {
        let result = run("say -n 1000000000 1", isInterrupted: { true })
        #expect(result.outcome == .failed("interrupted"))
    }

    @Test(arguments: ["| say", "say |", "say 1 | | first 1"])
    func aPipeNeedsACommandOnEachSide(line: String) {
        guard case .failed(let sentence) = run(line).outcome else {
            Issue.record("\(line) was answered")
            return
        }
        #expect(sentence.description.hasPrefix("a command is missing"))
    }
}

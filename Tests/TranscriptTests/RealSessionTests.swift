import FixtureKit
import Testing

/// Batches, conversations and streams on a real dump.
@Suite(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.comment)))
struct RealSessionTests {
    private let inquest = "inquest --no-cache \(RealDumps.folder)/abba.kdump"

    @Test func whatIsAnsweredIsExitCode0() {
        let result = Program.shell("\(inquest) -e 'ps 45' -- ps 47 2>&1")
        #expect(result.status == 0)
        #expect(result.output.contains("ruby\n") && result.output.contains("ruby-copy\n"))
    }

    @Test func aFailedCommandIsExitCode1AndTheOthersAreRun() {
        let result = Program.shell("\(inquest) -e nonsense -e 'ps 45' 2>/dev/null")
        #expect(result.status == 1)
        #expect(result.output.contains("ruby\n"))
    }

    @Test func commandsComeFromStandardInput() {
        let result = Program.shell(
            "printf '# a comment\\nps 45\\n\\nnonsense\\nquit\\nps 47\\n' | \(inquest) 2>/dev/null")
        #expect(result.status == 1)
        #expect(result.output.contains("ruby\n") && !result.output.contains("ruby-copy"))
    }

    @Test func commandsComeFromAFile() {
        let result = Program.shell("echo 'ps 45' | \(inquest) -f - -e 'ps 47' 2>&1")
        #expect(result.status == 0)
        #expect(result.output.contains("ruby\n") && result.output.contains("ruby-copy\n"))
    }

    @Test func aCommandsNameMayStandInFrontOfTheDump() {
        let result = Program.shell("inquest ps \(RealDumps.folder)/abba.kdump --no-cache 2>&1")
        #expect(result.status == 0)
        #expect(result.output.contains("COMM\n"))
    }

    @Test func everyLineOfJSONIsAnObjectWithItsKind() {
        let result = Program.shell("\(inquest) --json -e ps -e nonsense -e 'bt -a' -e help 2>/dev/null")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count > 40)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"kind\":\"") && $0.hasSuffix("}") })
        #expect(lines.contains { $0.hasPrefix("{\"kind\":\"error\",\"command\":\"nonsense\"") })
    }

    @Test func aReaderThatLeavesEndsItQuietly() {
        let result = Program.shell("{ \(inquest) -e ps -e ps -e ps; } 2>&1 | head -n 1")
        #expect(result.output.split(separator: "\n").count == 1)
    }

    @Test func theJournalGoesToStandardError() {
        let result = Program.shell("\(inquest) -v -e 'ps 45' 2>&1 >/dev/null")
        #expect(result.output.hasPrefix("inquest: kdump-compressed"))
    }
}

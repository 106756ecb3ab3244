import Testing

/// What holds without any dump: usage, help, exit codes, streams.
@Suite struct ProgramTests {
    @Test(arguments: ["", "--nonsense vmcore", "-e", "help nonsense", "-f /nonexistent vmcore"])
    func wrongUsageIsExitCode64(words: String) {
        let result = Program.shell("inquest \(words) </dev/null 2>/dev/null")
        #expect(result.status == 64)
        #expect(result.output.isEmpty, "the reason belongs to standard error")
    }

    @Test(arguments: ["/nonexistent", "Package.swift", "/dev/null", "Sources"])
    func whatIsNoDumpIsExitCode2AndOneSentence(path: String) {
        let result = Program.shell("inquest \(path) -- help 2>&1 >/dev/null </dev/null")
        #expect(result.status == 2)
        #expect(result.output.hasPrefix("inquest: ") && result.output.split(separator: "\n").count == 1)
    }

    @Test func inJSONAFailureIsAnObjectToo() {
        let result = Program.shell("inquest --json /nonexistent 2>/dev/null </dev/null")
        #expect(result.status == 2)
        #expect(result.output.hasPrefix(#"{"kind":"error","message":""#))
    }

    @Test func controlCharactersOfAFilesNameAreEscaped() {
        let result = Program.shell(#"inquest "$(printf 'a\033[2Jb')" 2>&1 </dev/null"#)
        #expect(result.output.contains("a\\x1b[2Jb"))
    }

    @Test(arguments: ["--version", "--help", "help", "--generate-completion-script bash"])
    func whatIsAskedOfTheProgramItselfIsAnswered(words: String) {
        let result = Program.shell("inquest \(words) 2>&1 </dev/null")
        #expect(result.status == 0)
        #expect(result.output.contains("inquest"))
    }

    @Test func aReaderThatLeavesEndsItQuietly() {
        let result = Program.shell("{ inquest help 2>&1; echo $? >&2; } 2>&1 >&- | head -n 3")
        #expect(!result.output.contains("roken pipe"))
    }
}

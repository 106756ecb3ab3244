import Pipeline
import Testing

/// Where a line's output goes.
@Suite struct LineTests {
    private func parse(_ line: String) throws -> ParsedLine {
        try LineSplitter.line(
            line,
            LineWords(isStage: { ["ps", "count", "filter", "."].contains($0) }, takesExpression: { $0 == "filter" }))
    }

    private func names(_ line: String) throws -> [String] { try parse(line).commands.map { "\($0.name):\($0.text)" } }

    @Test func aBarBeforeAStageIsAPipeAndBeforeAnythingElseTheShells() throws {
        #expect(try names("ps | count") == ["ps:", "count:"])
        let line = try parse("ps -m | grep 'U N' | wc -l")
        #expect(line.commands.map(\.name) == ["ps"])
        #expect(line.destination == .shell("grep 'U N' | wc -l"))
    }

    @Test func aLoneExclamationMarkIsTheShells() throws {
        #expect(try parse("ps ! sort -n").destination == .shell("sort -n"))
        #expect(try parse("! date").destination == .shell("date"))
        #expect(try parse("!date").destination == .shell("date"))
        #expect(try parse("ps | filter !.mm").destination == .screen)
        #expect(try parse("ps | filter .mm != 0").destination == .screen)
    }

    @Test func aGreaterThanSignWritesToAFileAndComparesInAnExpression() throws {
        #expect(try parse("ps > out").destination == .file("out", appending: false))
        #expect(try parse("ps >> 'o ut'").destination == .file("o ut", appending: true))
        #expect(try parse("ps >out").destination == .file("out", appending: false))
        #expect(try parse("ps | filter .pid > 5").destination == .screen)
        #expect(try names("ps | filter .pid > 5") == ["ps:", "filter:.pid > 5"])
        #expect(try parse("ps | filter .pid > 5 > /tmp/x").destination == .file("/tmp/x", appending: false))
        #expect(try names("ps | filter .pid > 5 > /tmp/x") == ["ps:", "filter:.pid > 5"])
        #expect(throws: UsageError("nothing may follow the file that output goes to")) { try parse("ps > a b") }
        #expect(throws: UsageError("the name of a file is missing after >")) { try parse("ps >") }
    }

    @Test func theLastStageMayBeJSON() throws {
        #expect(try parse("ps | json").form == .json)
        #expect(try parse("ps | json x").destination == .shell("json x"))
    }

    @Test func aLeadingDotOrStarIsACommandOfItsOwn() throws {
        #expect(try names("ps | .mm->owner") == ["ps:", ".:mm->owner"])
        #expect(try names("*list_head 0x10") == ["*:list_head 0x10"])
    }
}

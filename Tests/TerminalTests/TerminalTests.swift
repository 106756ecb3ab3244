import Bytes
import Capabilities
import FixtureKit
import Rendering
import Target
import Testing

@testable import inquest

@Suite struct HistoryTests {
    @Test func ofEqualLinesTheLastIsKept() {
        let history = History(text: "ps\nbt 1\nps\n\n secret\nsys\n")
        #expect(history.lines == ["bt 1", "ps", "sys"])
    }

    @Test func aTypedLineIsAppendedOrMovesToTheEnd() {
        var history = History(text: "ps\nbt\n")
        #expect(history.add("sys") == .appended)
        #expect(history.add("sys") == .nothing)
        #expect(history.add("ps") == .reordered)
        #expect(history.lines == ["bt", "sys", "ps"])
        #expect(history.add(" not this") == .nothing)
        #expect(history.add("") == .nothing)
        #expect(history.add("a\u{1b}[31m") == .nothing)
        #expect(history.add(String(repeating: "x", count: 5000)) == .nothing)
    }

    @Test func itIsBounded() {
        var history = History(text: (0..<6000).map { "line \($0)\n" }.joined())
        #expect(history.lines.count == History.limit && history.lines.first == "line 1000")
        #expect(history.add("one more") == .reordered)
        #expect(history.lines.count == History.limit && history.lines.last == "one more")
    }

    @Test func theFileIsMadeKeptAndCleaned() throws {
        let temporary = try TemporaryFile("history")
        let file = HistoryFile(path: temporary.path)
        #expect(file.load() == History())
        file.append("ps")
        file.append("sys")
        file.append("ps")
        #expect(file.load().lines == ["sys", "ps"])
        #expect(String(decoding: try ByteSource.read(file.path), as: UTF8.self) == "sys\nps\n")
    }

    @Test func aFileThatIsNoTextIsNoHistory() throws {
        let temporary = try TemporaryFile("history", [0xff, 0xfe, 0, 1, 2, 0x0a, 0x1b, 0x5b])
        #expect(HistoryFile(path: temporary.path).load().lines.isEmpty)
    }
}

@Suite struct NameListTests {
    @Test func namesAreFoundByTheirBeginning() {
        var list = NameList()
        for name in ["jiffies", "init_task", "jiffies_64", "", "jif"] { list.add(name) }
        #expect(list.names("jif") == ["jiffies", "jiffies_64", "jif"])
        #expect(list.names("x").isEmpty)
        #expect(list.names("").count == 5)
    }
}

@Suite struct ScreenTests {
    @Test func thePagerIsTheUsersOwn() {
        #expect(Pager.ofUser { ["PAGER": "more"][$0] } == "more")
        #expect(Pager.ofUser { ["PAGER": "more", "INQUEST_PAGER": "less -S"][$0] } == "less -S")
        #expect(Pager.ofUser { ["PAGER": "less", "INQUEST_PAGER": "cat"][$0] } == nil)
    }

    @Test func progressTellsWhatItKnows() {
        typealias State = Progress.State
        #expect(ProgressLine.text(nil, "ps", seconds: 2) == "ps (2 s)")
        #expect(ProgressLine.text(State(what: "reading"), "ps", seconds: 2) == "reading (2 s)")
        #expect(ProgressLine.text(State(what: "pages", done: 7), "ps", seconds: 2) == "pages: 7 (2 s)")
        #expect(ProgressLine.text(State(what: "reading", done: 1, total: 3), "", seconds: 9) == "reading: 33 % (9 s)")
        #expect(ProgressLine.text(State(what: "reading", done: 9, total: 3), "", seconds: 9) == "reading: 100 % (9 s)")
        #expect(ProgressLine.text(State(what: "a\u{1b}[m", done: 0, total: 0), "", seconds: 0) == "a\\x1b[m (0 s)")
    }

    @Test func whatALineBeginsWithFitsTheTerminalAndIsHarmless() {
        let facts = [
            SummaryLine("kernel", "Linux \u{1b}[31m6.1"), SummaryLine("when", String(repeating: "x", count: 99)),
        ]
        let lines = Greeting.lines(facts, columns: 40, .none)
        #expect(lines == ["kernel: Linux \\x1b[31m6.1", "  when: " + String(repeating: "x", count: 28) + "..."])
        let alarming = Greeting.lines([SummaryLine("panic", "Oops", isAlarming: true)], columns: 40, .standard)
        #expect(alarming == ["\u{1b}[1mpanic\u{1b}[0m: \u{1b}[31mOops\u{1b}[0m"])
    }

    @Test func thePromptIsThatOfTheDebuggerWhoseLanguageIsSpoken() {
        #expect(
            ["inquest", "mdb", "crash", "ddb"].map { Prompt.text(dialect: $0) } == [
                "inquest> ", "> ", "crash> ", "db> ",
            ])
    }
}

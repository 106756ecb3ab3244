import Pipeline
import Rendering
import Target
import Testing

/// Collects what a renderer prints.
final class Paper {
    var text = ""
}

func task(_ pid: Int64, _ comm: String, size: FieldValue = .unsigned(0)) -> Datum {
    .record(
        Record(
            "task",
            [
                Field("pid", "PID", .signed(pid)), Field("task", "TASK", .address(0xffff_8880_0018_5600)),
                Field("rss", "RSS", size), Field("flags", nil, .unsigned(1)), Field("comm", "COMM", .text(comm)),
            ]))
}

@Suite struct TextOutputTests {
    private func print(
        _ data: [Datum], gaps: [Gap] = [], count: Int? = nil, lookAhead: Int = 512,
        isLate: @escaping () -> Bool = { false }
    ) throws -> String {
        let paper = Paper()
        let output = TextOutput(lookAhead: lookAhead, isLate: isLate) { paper.text += $0 }
        for datum in data { try output.receive(datum) }
        try output.finish(gaps: gaps, count: count ?? gaps.count)
        return paper.text
    }

    @Test func rowsStandInColumnsNumbersToTheRight() throws {
        let text = try print([task(1, "init"), task(4711, "ruby", size: .unsigned(12))])
        #expect(
            text == """
                 PID              TASK  RSS  COMM
                   1  ffff888000185600    0  init
                4711  ffff888000185600   12  ruby

                """)
    }

    @Test func unreadableIsAQuestionMarkWithAFootnoteAndNeverZero() throws {
        let text = try print([
            task(1, "init", size: .gap("page filtered")), task(2, "x", size: .none),
            task(3, "y", size: .gap("page filtered")),
        ])
        #expect(text.contains("ffff888000185600  ?    init\n"))
        #expect(text.contains("ffff888000185600  -    x\n"))
        #expect(text.hasSuffix("? 2 unreadable: page filtered\n"))
    }

    @Test func gapsAreFootnotes() throws {
        let gaps = [Gap("stack of task 45 (ruby)", why: "left out"), Gap("log\u{1b}", why: "hole")]
        #expect(
            try print([.number(1)], gaps: gaps)
                == "1\n2 unreadable:\n  stack of task 45 (ruby): left out\n  log\\x1b: hole\n")
        #expect(try print([], gaps: gaps, count: 12).hasSuffix("  and 10 more\n"))
    }

    @Test func targetTextCannotMoveTheCursor() throws {
        let text = try print([
            task(1, "a\u{1b}[2J\nb"), .text("x\u{7}y\nz"),
            .record(Record("l", [], presentation: .block(["\u{9b}1\tm"]))),
        ])
        #expect(text.contains("a\\x1b[2J\\nb\n"))
        #expect(text.contains("x\\x07y\nz\n"))
        #expect(text.contains("\\x9b1\tm\n"))
    }

    @Test func anotherKindBeginsAnotherTable() throws {
        let symbol = Datum.record(Record("symbol", [Field("name", "NAME", .text("jiffies"))]))
        #expect(
            try print([symbol, task(1, "init"), symbol]).split(separator: "\n", omittingEmptySubsequences: false).count
                == 9)
    }

    @Test func rowsComeOutOnceTheLookAheadIsFull() throws {
        let paper = Paper()
        let output = TextOutput(lookAhead: 2) { paper.text += $0 }
        try output.receive(task(1, "a"))
        #expect(paper.text.isEmpty)
        try output.receive(task(2, "b"))
        #expect(paper.text.split(separator: "\n").count == 3)
        try output.receive(task(100, "c"))
        #expect(paper.text.hasSuffix("100  ffff888000185600    0  c\n"))
    }

    @Test func aReaderWhoWaitsGetsTheRowsThereAre() throws {
        let paper = Paper()
        let output = TextOutput(isLate: { true }) { paper.text += $0 }
        try output.receive(task(1, "a"))
        #expect(paper.text.split(separator: "\n").count == 2)
    }

    @Test func wideCharactersTakeTwoColumns() throws {
        let rows = ["\u{6f22}", "ab"].map {
            Datum.record(Record("x", [Field("a", "A", .text($0)), Field("b", "B", .text("z"))]))
        }
        #expect(try print(rows) == "A   B\n\u{6f22}  z\nab  z\n")
    }

    @Test func aRecordForProgramsIsNotPrinted() throws {
        #expect(try print([.record(Record("x", [Field("a", "A", .signed(1))], presentation: .none))]).isEmpty)
    }

    @Test(
        arguments: [
            (1.25, 1, "1.3"), (99.96, 1, "100.0"), (-0.04, 1, "0.0"), (0, 2, "0.00"), (1.005, 0, "1"), (-2.5, 0, "-3"),
            (.nan, 1, "-"), (.infinity, 1, "-"), (1e300, 1, "-"), (0.05, 2, "0.05"),
        ] as [(Double, Int, String)])
    func decimalsShowTheirDigits(value: Double, digits: Int, shown: String) throws {
        let record = Record("x", [Field("a", "A", .decimal(value, digits: digits))])
        let text = try print([.record(record)])
        #expect(text.split(separator: "\n").last.map { $0.drop { $0 == " " } } == shown[...])
    }
}

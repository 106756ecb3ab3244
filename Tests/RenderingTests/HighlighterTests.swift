import Pipeline
import Rendering
import Target
import Testing

@Suite struct HighlighterTests {
    /// Colours spelled out, so that they can be read.
    private func shown(_ line: String) -> String { spelled(Highlighter(.standard).line(line)) }

    private func spelled(_ text: String) -> String {
        var text = text
        for (code, name) in [("36", "A"), ("33", "S"), ("32", "T"), ("35", "G"), ("31", "W"), ("1", "H"), ("0", "")] {
            text = text.split(separator: "\u{1b}[\(code)m", omittingEmptySubsequences: false)
                .joined(separator: name.isEmpty ? "}" : "{\(name) ")
        }
        return text
    }

    @Test(
        arguments: [
            (
                " #1 [ffffc9000013bd50] schedule+0x3d at ffffffff8135f3dd",
                " #1 [{A ffffc9000013bd50}] {S schedule+0x3d} at {A ffffffff8135f3dd}"
            ),
            ("0xffff888000457ad0: 12", "{A 0xffff888000457ad0}: 12"),
            ("f.constprop.0+0x229 0x12 deadbeef", "{S f.constprop.0+0x229} 0x12 deadbeef"),
            ("(struct list_head *) x", "(struct {T list_head} *) x"),
            ("  <unreadable: why> 1", "  {G <unreadable: why>} 1"),
            ("? 3 unreadable: left out", "{G ? 3 unreadable: left out}"),
            ("MODULES (1)", "{H MODULES (1)}"), ("A word", "A word"), ("CPU 1", "CPU 1"), ("", ""), ("a+0x", "a+0x"),
        ])
    func whatAWordIsShowsInItsColour(line: String, expected: String) { #expect(shown(line) == expected) }

    @Test func withoutColoursNothingChanges() {
        #expect(Highlighter(.none).line("ffffc9000013bd50") == "ffffc9000013bd50")
        #expect(Palette.none.paint("x", .gap) == "x")
    }

    /// Everything that a terminal would obey is ours: what the dump says of it is spelled out.
    @Test func controlSequencesNeverComeFromTheDump() throws {
        let evil = "\u{1b}[31mffffc9000013bd50\u{1b}]0;title\u{7}\u{9b}1m"
        for palette in [Palette.none, .standard] {
            let paper = Paper()
            let output = TextOutput(palette: palette) { paper.text += $0 }
            try output.receive(.text(evil))
            try output.receive(.record(Record("x", [Field("name", "NAME", .text(evil)), Field("g", "G", .gap(evil))])))
            try output.receive(.record(Record("y", [], presentation: .block([evil, "<unreadable: \(evil)>"]))))
            try output.receive(.record(Record("z", [Field("level", nil, .unsigned(1))], presentation: .block([evil]))))
            try output.finish(gaps: [Gap(evil, why: evil)], count: 1)
            var rest = paper.text
            for code in ["0", "1", "31", "32", "33", "35", "36"] {
                rest = rest.split(separator: "\u{1b}[\(code)m").joined()
            }
            #expect(!rest.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x7f..<0xa0).contains($0.value) })
            #expect(rest.contains("\\x1b]0;title\\x07"))
        }
    }

    @Test func aTableKeepsItsColumnsUnderItsColours() throws {
        func lines(_ palette: Palette) throws -> String {
            let paper = Paper()
            let output = TextOutput(palette: palette) { paper.text += $0 }
            for datum in [task(1, "init"), task(4711, "ruby", size: .gap("left out"))] { try output.receive(datum) }
            try output.finish(gaps: [], count: 0)
            return paper.text
        }
        let coloured = try lines(.standard)
        #expect(coloured.contains("\u{1b}[36mffff888000185600\u{1b}[0m") && coloured.contains("\u{1b}[35m?\u{1b}[0m"))
        var plain = coloured
        for code in ["0", "1", "31", "32", "33", "35", "36"] {
            plain = plain.split(separator: "\u{1b}[\(code)m").joined()
        }
        #expect(plain == (try lines(.none)))
    }
}

import FixtureKit
import Testing

/// What the README shows is what the program says and draws, from the dump in the repository and nothing else.
@Suite struct ReadmeTests {
    private func section(after line: String) -> [Substring] {
        let readme = Program.shell("cat README.md").output.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = readme.firstIndex(where: { $0 == line }) else { return [] }
        return Array(readme[(start + 1)...].prefix { !$0.hasPrefix("$ ") && !$0.hasPrefix("```") })
    }

    /// Lines that are cut end with an ellipsis; a line in brackets stands for any number of others.
    private func stands(_ shown: [Substring], in said: [Substring]) -> Bool {
        var rest = said[...]
        var maySkip = false
        for line in shown {
            if line.hasPrefix("["), line.hasSuffix("]") {
                maySkip = true
                continue
            }
            func matches(_ one: Substring) -> Bool {
                line.hasSuffix("\u{2026}") ? one.hasPrefix(line.dropLast()) : one == line
            }
            if maySkip {
                guard let found = rest.firstIndex(where: matches) else { return false }
                rest = rest[(found + 1)...]
                maySkip = false
            } else {
                guard let first = rest.first, matches(first) else { return false }
                rest = rest.dropFirst()
            }
        }
        return !shown.isEmpty
    }

    @Test(
        "The README's transcripts are what is printed",
        arguments: [
            "inquest Fixtures/abba.kdump -e analyze", "inquest waits Fixtures/abba.kdump",
            "inquest deadlock Fixtures/abba.kdump",
        ])
    func transcripts(line: String) {
        let said = Program.shell("\(line) 2>&1").output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(stands(section(after: "$ \(line)"), in: said))
    }

    @Test("The README's picture is what is drawn")
    func picture() throws {
        let drawn = Program.shell(
            """
            f=$(mktemp -d) && inquest --allow-shell Fixtures/abba.kdump -e "analyze --graph $f/a.svg" >/dev/null && cat "$f/a.svg"
            rm -r "$f"
            """)
        #expect(drawn.status == 0)
        #expect(drawn.output == Program.shell("cat docs/abba.svg").output)
    }
}

// The form of the table: a line of mdb, the section of the facts it comes from, and what it shows.

import Testing

@testable import MDB

/// One row. `lines` are typed one after another into a new session.
struct Row: Sendable, CustomTestStringConvertible {
    let section: String
    let lines: [String]
    let shown: [String]
    /// Other lines may stand between and around those that are named.
    var isPart = false

    var testDescription: String { "\(section): \(lines.joined(separator: " ⏎ "))" }
}

/// A line and what it shows.
func row(_ section: String, _ line: String, _ shown: String...) -> Row {
    Row(section: section, lines: [line], shown: shown)
}

/// Several lines of one session.
func rows(_ section: String, _ lines: [String], _ shown: String...) -> Row {
    Row(section: section, lines: lines, shown: shown)
}

/// A line that shows these lines in this order, among others.
func part(_ section: String, _ line: String, _ shown: String...) -> Row {
    Row(section: section, lines: [line], shown: shown, isPart: true)
}

/// What `=` shows: 16 blanks and the value.
func value(_ section: String, _ line: String, _ value: String) -> Row {
    Row(section: section, lines: [line], shown: [String(repeating: " ", count: 16) + value])
}

/// What `/` shows: the label, blanks up to a multiple of 16, and the value.
func memory(_ section: String, _ line: String, _ value: String, label: String = "words:") -> Row {
    let width = (label.utf8.count / 16 + 1) * 16
    let pad = String(repeating: " ", count: width - label.utf8.count)
    return Row(section: section, lines: [line], shown: [label + pad + value])
}

/// Runs every row, and counts them.
@Suite struct ConformanceTests {
    static let all = numberRows + operatorRows + dotRows + formatRows + pipeRows + typeRows + symbolRows + systemRows

    @Test(arguments: all) func aLineMeansWhatTheTableSays(_ row: Row) {
        let shown = World().run(row.lines)
        guard row.isPart else {
            #expect(shown == row.shown)
            return
        }
        var rest = shown[...]
        for line in row.shown {
            guard let index = rest.firstIndex(of: line) else {
                Issue.record("no line \(line) in order in \(shown)")
                return
            }
            rest = rest[(index + 1)...]
        }
    }

    @Test func theTableIsLongAndEachRowNamesItsSection() {
        #expect(Self.all.count >= 250)
        for row in Self.all { #expect(row.section.first?.isNumber == true && !row.lines.isEmpty) }
    }

    @Test func everyLetterOfAFormatIsInTheTable() {
        let lines = formatRows.flatMap(\.lines).joined(separator: "\n")
        for letter in FormatLetter.all {
            #expect(
                lines.split(whereSeparator: { "/=\\?@".contains($0) || $0 == "\n" }).contains {
                    $0.contains(letter.letter)
                },
                "no row has \(letter.letter)")
        }
    }

    @Test func everyCommandIsInTheTable() {
        let lines = Self.all.flatMap(\.lines).joined(separator: "\n")
        for type in DCmds.all {
            #expect(type.page.names.contains { lines.contains($0) }, "no row has \(type.page.names)")
        }
    }
}

// What a person reads: tables, blocks of lines, and footnotes about what is missing.

package import Pipeline
package import Target
internal import Bytes
internal import DebugModel

/// Prints as it goes, except for the first rows of a table, which wait for each other to be aligned.
package final class TextOutput: Renderer {
    private let sink: Sink
    private let lookAhead: Int
    private let isLate: () -> Bool
    private let palette: Palette
    private let highlighter: Highlighter
    private var table: TextTable?
    private var hasPrinted = false
    /// How many cells could not be read, by reason; bounded, as reasons come from the dump.
    private var unreadable: [(reason: String, count: Int)] = []
    private static let reasons = 16
    /// Gaps told one by one; JSON has them all.
    private static let footnotes = 100

    /// `isLate` tells that the reader has waited long enough: rows are then printed with the widths known so far. Only
    /// sensible where a person waits, as it makes the layout depend on the time.
    package init(
        lookAhead: Int = 512, palette: Palette = .none, isLate: @escaping () -> Bool = { false }, sink: @escaping Sink
    ) {
        self.sink = sink
        self.lookAhead = lookAhead
        self.isLate = isLate
        self.palette = palette
        highlighter = Highlighter(palette)
    }

    package func receive(_ datum: Datum) throws {
        switch datum {
        case .record(let record): try receive(record)
        case .text(let text):
            try endTable()
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.count > 1, lines.last?.isEmpty == true { lines.removeLast() }
            for line in lines { try printLine(String(line)) }
        case .number(let number):
            try endTable()
            try printLine("\(number)")
        case .field(let value):
            try endTable()
            try printLine(text(value))
        case .gap(let gap):
            try endTable()
            try printLine("unreadable: \(gap.what): \(gap.why)")
        case .object(let value):
            try endTable()
            try printLine(object(value))
        }
    }

    package func finish(gaps: [Gap], count: Int) throws {
        try endTable()
        for (reason, count) in unreadable { try printLine("? \(count) unreadable: \(reason)") }
        unreadable = []
        guard count > 0 else { return }
        let listed = gaps.prefix(Self.footnotes)
        try printLine(listed.isEmpty ? "\(count) unreadable" : "\(count) unreadable:")
        for gap in listed { try printLine("  \(gap.what): \(gap.why)") }
        if listed.count < count, !listed.isEmpty { try printLine("  and \(count - listed.count) more") }
    }

    /// What came before the failure is printed; the sentence is for standard error.
    package func fail(_ sentence: String, line: String?) throws { try endTable() }

    private func receive(_ record: Record) throws {
        switch record.presentation {
        case .none: return
        case .block(let lines):
            try endTable()
            let meaning = record.blockMeaning
            let isProse = record.isProse
            for line in lines { try printLine(line, meaning, isProse: isProse) }
        case .row:
            let columns = record.fields.filter { $0.header != nil }
            guard !columns.isEmpty else { return }
            let headers = columns.compactMap(\.header)
            if table?.kind != record.kind || table?.headers != headers {
                try endTable()
                if hasPrinted { try sink("\n") }
                table = TextTable(kind: record.kind, headers: headers, lookAhead: lookAhead, palette: palette)
            }
            var lines = table?.add(columns.map { cell($0) }) ?? []
            if isLate() { lines += table?.flush() ?? [] }
            for line in lines { try printEscaped(line) }
        }
    }

    /// A number, a pointer or a string is its value; anything larger its type and where it is.
    private func object(_ value: Value) -> String {
        let place = (try? value.address).map { " at \($0)" } ?? ""
        let lines = ValueFormatter(FormatOptions()).lines(value)
        switch try? value.strippedType {
        case .aggregate, .incomplete, .void, .function, nil: return value.typeName + place
        case .array where lines.count > 1: return value.typeName + place
        case .pointer: return "(\(value.typeName)) \(lines.first ?? "")"
        default: return lines.first ?? value.typeName + place
        }
    }

    /// An address with the text or the symbol that it leads to.
    private func pointer(_ record: Record) -> String {
        let address = record["address"].map { text($0) } ?? "?"
        if case .text(let string)? = record["string"] { return "\(address) \"\(Escaping.text(string))\"" }
        if case .text(let symbol)? = record["symbol"] { return "\(address) <\(Escaping.text(symbol))>" }
        return address
    }

    private func endTable() throws {
        let lines = table?.flush() ?? []
        table = nil
        for line in lines { try printEscaped(line) }
    }

    /// The palette is asked after the text was made harmless.
    private func printLine(_ line: String, _ meaning: Meaning? = nil, isProse: Bool = false) throws {
        let escaped = Escaping.text(line, keepingTabs: true)
        let isSearched = meaning == nil && !isProse
        try printEscaped(isSearched ? highlighter.line(escaped) : palette.paint(escaped, meaning))
    }

    private func printEscaped(_ line: String) throws {
        hasPrinted = true
        try sink(line + "\n")
    }

    private func cell(_ field: Field) -> TextTable.Cell {
        let text = text(field.value)
        let meaning = field.meaning
        switch field.value {
        case .signed, .unsigned, .address, .decimal:
            return TextTable.Cell(text: text, isNumber: true, isBlank: false, meaning: meaning)
        case .gap, .none: return TextTable.Cell(text: text, isNumber: false, isBlank: true, meaning: meaning)
        case .text, .boolean, .mark, .list, .record:
            return TextTable.Cell(text: text, isNumber: false, isBlank: false, meaning: meaning)
        }
    }

    private func text(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): return Escaping.text(text)
        case .signed(let number): return "\(number)"
        case .unsigned(let number): return "\(number)"
        case .address(let address): return hex(address)
        case .boolean(let flag): return flag ? "yes" : "no"
        case .mark(let flag, let mark): return flag ? mark : ""
        case .decimal(let number, let digits): return Decimal.text(number, digits: digits) ?? "-"
        case .list(let values): return values.map(text).joined(separator: ",")
        case .record(let record) where record.kind == "pointer": return pointer(record)
        case .record(let record): return record.fields.map { "\($0.name)=\(text($0.value))" }.joined(separator: " ")
        case .gap(let reason):
            count(reason)
            return "?"
        case .none: return "-"
        }
    }

    private func count(_ reason: String) {
        if let index = unreadable.firstIndex(where: { $0.reason == reason }) {
            unreadable[index].count += 1
        } else if unreadable.count < Self.reasons {
            unreadable.append((reason, 1))
        } else {
            let others = "for other reasons"
            if unreadable.count > Self.reasons {
                unreadable[Self.reasons].count += 1
            } else {
                unreadable.append((others, 1))
            }
        }
    }
}

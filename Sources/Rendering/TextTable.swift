// Rows under headings, in columns as wide as what stands in them.

internal import Pipeline

/// One table: rows of the same kind with the same headings. Holds back at most `lookAhead` rows to learn the widths;
/// later rows widen a column when they must.
struct TextTable {
    /// What a row looks like before it is laid out.
    struct Cell {
        let text: String
        let isNumber: Bool
        /// Says nothing about its column: a gap, or nothing at all.
        let isBlank: Bool
        var meaning: Meaning?
    }

    let kind: String
    let headers: [String]
    private let lookAhead: Int
    private let palette: Palette
    private var held: [[Cell]] = []
    private var widths: [Int]
    private var isRight: [Bool] = []
    private var isLaidOut = false

    init(kind: String, headers: [String], lookAhead: Int, palette: Palette = .none) {
        self.palette = palette
        self.kind = kind
        self.headers = headers
        self.lookAhead = lookAhead
        widths = headers.map(Self.width)
    }

    /// Lines to print now: none while rows are held back.
    mutating func add(_ row: [Cell]) -> [String] {
        if isLaidOut { return [line(row)] }
        held.append(row)
        return held.count >= lookAhead ? flush() : []
    }

    /// The heading and the rows held back, if they were not printed yet.
    mutating func flush() -> [String] {
        guard !isLaidOut, !held.isEmpty else { return [] }
        isLaidOut = true
        isRight = headers.indices.map { column in
            let said = held.filter { !$0[column].isBlank }
            return !said.isEmpty && said.allSatisfy { $0[column].isNumber }
        }
        for row in held { widen(row) }
        let heading = headers.map { Cell(text: $0, isNumber: false, isBlank: false, meaning: .heading) }
        let lines = ([heading] + held).map { layOut($0) }
        held = []
        return lines
    }

    private mutating func line(_ row: [Cell]) -> String {
        widen(row)
        return layOut(row)
    }

    private mutating func widen(_ row: [Cell]) {
        // The last column may be long (a command line, a reason): nothing stands behind it.
        for column in row.indices.dropLast() { widths[column] = max(widths[column], Self.width(row[column].text)) }
        if let last = row.indices.last, isRight[last] { widths[last] = max(widths[last], Self.width(row[last].text)) }
    }

    private func layOut(_ row: [Cell]) -> String {
        var line = ""
        for column in row.indices {
            let text = row[column].text
            let padding = String(repeating: " ", count: max(widths[column] - Self.width(text), 0))
            if column > 0 { line += "  " }
            let painted = palette.paint(text, row[column].meaning)
            line += isRight[column] ? padding + painted : painted + padding
        }
        while line.utf8.last == 0x20 { line.removeLast() }
        return line
    }

    /// Columns on a terminal: one a character, two for the wide ones of East Asian scripts.
    private static func width(_ text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + ($1.unicodeScalars.first.map(isWide) == true ? 2 : 1) }
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
            0x1f300...0x1faff, 0x20000...0x3fffd:
            true
        default: false
        }
    }
}

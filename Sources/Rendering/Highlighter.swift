// Finds what is an address, a symbol or a type in a line that a command laid out itself.

/// Looks at the text alone, so that commands need not know of colours. A word that only looks like an address is coloured
/// as one: nothing but the colour depends on it.
package struct Highlighter {
    private let palette: Palette

    package init(_ palette: Palette) { self.palette = palette }

    /// `line` must have been escaped.
    package func line(_ line: String) -> String {
        guard !palette.isPlain else { return line }
        if Self.isHeading(line) { return palette.paint(line, .heading) }
        if line.hasPrefix("? ") || line.hasPrefix("unreadable: ") { return palette.paint(line, .gap) }
        let bytes = Array(line.utf8)
        var result = ""
        var position = 0
        var afterKeyword = false
        while position < bytes.count {
            let start = position
            guard Self.isWordByte(bytes[position]) else {
                if bytes[position...].starts(with: "<unreadable".utf8),
                    let end = bytes[position...].firstIndex(of: UInt8(ascii: ">"))
                {
                    position = end + 1
                    result += palette.paint(Self.text(bytes[start..<position]), .gap)
                    continue
                }
                while position < bytes.count, !Self.isWordByte(bytes[position]) {
                    if position > start, bytes[position] == UInt8(ascii: "<") { break }
                    position += 1
                }
                result += Self.text(bytes[start..<position])
                continue
            }
            while position < bytes.count, Self.isWordByte(bytes[position]) { position += 1 }
            let word = bytes[start..<position]
            if let end = Self.offsetEnd(bytes, position), Self.isName(word) {
                position = end
                result += palette.paint(Self.text(bytes[start..<position]), .symbol)
            } else {
                result += palette.paint(Self.text(word), afterKeyword && Self.isName(word) ? .type : Self.meaning(word))
            }
            afterKeyword = ["struct", "union", "enum"].contains { word.elementsEqual($0.utf8) }
        }
        return result
    }

    /// `PANIC`, `MODULES (1)`: capitals at the margin, and nothing behind them but a number.
    private static func isHeading(_ line: String) -> Bool {
        let bytes = Array(line.utf8)
        guard bytes.count > 2, let first = bytes.first, (0x41...0x5a).contains(first) else { return false }
        let words = bytes.prefix { $0 != UInt8(ascii: "(") }
        guard words.allSatisfy({ (0x41...0x5a).contains($0) || $0 == 0x20 || $0 == 0x2d }) else { return false }
        return words.count == bytes.count || bytes.last == UInt8(ascii: ")")
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || isDigit(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || byte >= 0x80
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isHex(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x66).contains(byte) }

    private static func isName(_ word: ArraySlice<UInt8>) -> Bool { word.first.map { !isDigit($0) } ?? false }

    /// Sixteen digits, or `0x` and more than eight.
    private static func meaning(_ word: ArraySlice<UInt8>) -> Meaning? {
        if word.count == 16, word.allSatisfy(isHex) { return .address }
        if word.count > 10, word.starts(with: "0x".utf8), word.dropFirst(2).allSatisfy(isHex) { return .address }
        return nil
    }

    /// Behind `+0x12`, with the dots and words that a compiler puts into a name's end.
    private static func offsetEnd(_ bytes: [UInt8], _ position: Int) -> Int? {
        var end = position
        while end + 1 < bytes.count, bytes[end] == UInt8(ascii: "."), isWordByte(bytes[end + 1]) {
            end += 1
            while end < bytes.count, isWordByte(bytes[end]) { end += 1 }
        }
        guard bytes[end...].starts(with: "+0x".utf8) else { return nil }
        end += 3
        let digits = end
        while end < bytes.count, isHex(bytes[end]) { end += 1 }
        return end > digits ? end : nil
    }
}

// A line taken apart into words, and into the commands between its pipes.

/// One word of a line: its meaning, and where it stood.
package struct Word: Sendable, Equatable {
    /// Without quotes and backslashes.
    package let text: String
    /// Where it stood in the line it was taken from, quotes included, counted in UTF-8.
    package let range: Range<Int>
}

/// One command of a line.
package struct CommandText: Sendable, Equatable {
    package let name: String
    /// What follows the name, taken apart.
    package let words: [String]
    /// What follows the name, as typed, without blanks around it.
    package let text: String

    package init(name: String, words: [String], text: String) {
        self.name = name
        self.words = words
        self.text = text
    }
}

/// Splits lines. A word ends at a blank; `'...'` keeps everything, `"..."` everything but `\"` and `\\`; a backslash
/// outside of quotes keeps the next character. A `|` outside of quotes and of parentheses ends a command, so that
/// `print (a | b)` is an expression; `||` never does.
package struct LineSplitter {
    private let bytes: [UInt8]
    private var position = 0

    private init(_ line: String) { bytes = Array(line.utf8) }

    /// The commands of a line, none for a blank one or a comment (`#` first). Throws `UsageError` for a quote without
    /// its end and for a pipe with nothing on one side.
    package static func commands(_ line: String) throws -> [CommandText] {
        var splitter = LineSplitter(line)
        var parts = try splitter.parts()
        if parts.count == 1, parts[0].words.isEmpty { return [] }
        if parts.first?.words.first?.text.hasPrefix("#") == true { return [] }
        guard parts.allSatisfy({ !$0.words.isEmpty }) else {
            throw UsageError("a command is missing beside the | of: \(line)")
        }
        return parts.indices.map { index in
            let name = parts[index].words.removeFirst()
            return CommandText(
                name: name.text, words: parts[index].words.map(\.text),
                text: splitter.trimmed(name.range.upperBound..<parts[index].end))
        }
    }

    /// The words of one command's text, a pipe being as good as any other character.
    package static func words(_ text: String) throws -> [Word] {
        var splitter = LineSplitter(text)
        var words: [Word] = []
        while let word = try splitter.word(untilPipe: false) { words.append(word) }
        return words
    }

    /// `text` as a word that splits into itself again.
    package static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            byte > 0x20 && byte != 0x7f && !Array("'\"\\|#()".utf8).contains(byte)
        }
        if plain, !text.isEmpty { return text }
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    private struct Part {
        var words: [Word]
        var end: Int
    }

    private mutating func parts() throws -> [Part] {
        var parts = [Part(words: [], end: bytes.count)]
        var depth = 0
        // The first word of a comment ends the line: an apostrophe in it is no quote.
        skipBlanks()
        if position < bytes.count, bytes[position] == UInt8(ascii: "#") { return parts }
        while let word = try word(untilPipe: true, depth: &depth) {
            parts[parts.count - 1].words.append(word)
            skipBlanks()
            if isPipe, depth == 0 { nextPart(&parts) }
        }
        return parts

        func nextPart(_ parts: inout [Part]) {
            parts[parts.count - 1].end = position
            position += 1
            parts.append(Part(words: [], end: bytes.count))
        }
    }

    /// Whether a single `|` stands at the present position.
    private var isPipe: Bool {
        func isBar(_ index: Int) -> Bool { bytes.indices.contains(index) && bytes[index] == UInt8(ascii: "|") }
        return isBar(position) && !isBar(position + 1) && !isBar(position - 1)
    }

    private mutating func word(untilPipe: Bool) throws -> Word? {
        var depth = 0
        return try word(untilPipe: untilPipe, depth: &depth)
    }

    private mutating func word(untilPipe: Bool, depth: inout Int) throws -> Word? {
        skipBlanks()
        let start = position
        var text: [UInt8] = []
        while position < bytes.count, !isBlank(bytes[position]) {
            if untilPipe, depth == 0, isPipe { break }
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\""): try quote(byte, from: position - 1, into: &text)
            case UInt8(ascii: "\\") where position < bytes.count:
                text.append(bytes[position])
                position += 1
            case UInt8(ascii: "("), UInt8(ascii: "["):
                depth += 1
                text.append(byte)
            case UInt8(ascii: ")"), UInt8(ascii: "]"):
                depth = max(depth - 1, 0)
                text.append(byte)
            default: text.append(byte)
            }
        }
        guard position > start || (untilPipe && position < bytes.count) else { return nil }
        guard position > start else {
            throw UsageError("a command is missing before the | of: \(String(decoding: bytes, as: UTF8.self))")
        }
        return Word(text: String(decoding: text, as: UTF8.self), range: start..<position)
    }

    private mutating func quote(_ mark: UInt8, from start: Int, into text: inout [UInt8]) throws {
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == mark { return }
            if mark == UInt8(ascii: "\""), byte == UInt8(ascii: "\\"), position < bytes.count,
                bytes[position] == mark || bytes[position] == byte
            {
                text.append(bytes[position])
                position += 1
            } else {
                text.append(byte)
            }
        }
        throw UsageError("the quote in column \(start + 1) has no end")
    }

    private mutating func skipBlanks() {
        while position < bytes.count, isBlank(bytes[position]) { position += 1 }
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }

    private func trimmed(_ range: Range<Int>) -> String {
        var slice = bytes[range]
        while let first = slice.first, isBlank(first) { slice.removeFirst() }
        while let last = slice.last, isBlank(last) { slice.removeLast() }
        return String(decoding: slice, as: UTF8.self)
    }
}

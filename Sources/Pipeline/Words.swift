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
    package var words: [String]
    /// What follows the name, as typed, without blanks around it.
    package let text: String
    /// Where the name begins in the line, counted in UTF-8 from 0.
    package let column: Int

    package init(name: String, words: [String], text: String, column: Int = 0) {
        self.name = name
        self.words = words
        self.text = text
        self.column = column
    }
}

/// A line of the default dialect, taken apart.
package struct ParsedLine: Sendable, Equatable {
    package var commands: [CommandText] = []
    package var destination = Destination.screen
    package var form = OutputForm.usual
}

/// What the splitter has to know of the commands, as a bar and a > mean different things after different ones.
package struct LineWords {
    /// Whether a stage has that name; what follows the bar is the shell's otherwise.
    package let isStage: (String) -> Bool
    /// Whether it is followed by an expression, in which > compares.
    package let takesExpression: (String) -> Bool
    /// Whether all that follows it is its own, bars too.
    package let takesLine: (String) -> Bool

    package init(
        isStage: @escaping (String) -> Bool, takesExpression: @escaping (String) -> Bool,
        takesLine: @escaping (String) -> Bool = { _ in false }
    ) {
        self.isStage = isStage
        self.takesExpression = takesExpression
        self.takesLine = takesLine
    }
}

/// Splits lines. A word ends at a blank; `'...'` keeps everything, `"..."` everything but `\"` and `\\`; a backslash
/// outside of quotes keeps the next character. A `|` outside of quotes and of parentheses ends a command, so that
/// `print (a | b)` is an expression; `||` never does.
package struct LineSplitter {
    private let bytes: [UInt8]
    private var position = 0

    private init(_ line: String) { bytes = Array(line.utf8) }

    /// The commands of a line, none for a blank one or a comment (`#` first), and where their output goes:
    ///
    /// `A | B` hands on what A says, where B is a stage; else B and what follows it is a line of the shell's, as is what
    /// stands behind a lone `!`. `> FILE` and `>> FILE` at the end write to a file; after a command that takes an
    /// expression only if FILE begins with `/`, `./`, `../` or `~/`, as > compares there. `| json` at the end writes JSON.
    ///
    /// Throws `UsageError` for a quote without its end and for a pipe with nothing on one side.
    package static func line(_ line: String, _ words: LineWords) throws -> ParsedLine {
        var splitter = LineSplitter(line)
        var parsed = ParsedLine()
        // The first word of a comment ends the line: an apostrophe in it is no quote.
        splitter.skipBlanks()
        if splitter.isAtEnd || splitter.bytes[splitter.position] == UInt8(ascii: "#") { return parsed }
        while try splitter.command(into: &parsed, words) {}
        return parsed
    }

    /// The commands alone, of a line in which every bar is a pipe.
    package static func commands(_ line: String) throws -> [CommandText] {
        try self.line(line, LineWords(isStage: { _ in true }, takesExpression: { _ in false })).commands
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

    /// Reads one command; true when a pipe and so another one follows.
    private mutating func command(into parsed: inout ParsedLine, _ words: LineWords) throws -> Bool {
        skipBlanks()
        let start = position
        var depth = 0
        guard let name = try commandName() else {
            throw UsageError("a command is missing beside the |", column: start + 1)
        }
        if name.text == "!" { return shell(from: name.range.upperBound, &parsed) }
        if !parsed.commands.isEmpty {
            if name.text == "json", isAtEndOfLine {
                parsed.form = .json
                return false
            }
            if !words.isStage(name.text) { return shell(from: start, &parsed) }
        }
        if parsed.commands.isEmpty, words.takesLine(name.text) {
            parsed.commands = [takeLine(after: name)]
            return false
        }
        var command = CommandText(name: name.text, words: [], text: "", column: name.range.lowerBound)
        var end = position
        let isExpression = words.takesExpression(name.text)
        func finish(_ splitter: LineSplitter) {
            parsed.commands.append(
                CommandText(
                    name: command.name, words: command.words,
                    text: splitter.trimmed(name.range.upperBound..<end), column: command.column))
        }
        while true {
            skipBlanks()
            if isPipe, depth == 0 {
                finish(self)
                position += 1
                return true
            }
            if depth == 0, let redirection = redirection(isExpression) {
                finish(self)
                try redirect(redirection, &parsed)
                return false
            }
            guard let word = try word(untilPipe: true, depth: &depth) else { break }
            if word.text == "!", word.range.count == 1, depth == 0 {
                finish(self)
                return shell(from: word.range.upperBound, &parsed)
            }
            command.words.append(word.text)
            end = position
        }
        finish(self)
        return false
    }

    /// The first word; of `*task_struct`, crash's way to say struct, and of `.comm`, the sign alone.
    private mutating func commandName() throws -> Word? {
        skipBlanks()
        guard !isAtEnd, !isPipe else { return nil }
        let start = position
        let sign = bytes[position]
        if sign == UInt8(ascii: "*") || sign == UInt8(ascii: ".") || sign == UInt8(ascii: "!") {
            position += 1
            return Word(text: String(decoding: [sign], as: UTF8.self), range: start..<position)
        }
        return try word(untilPipe: true)
    }

    /// The command with all that follows it as its text; its words are those between blanks, for its options.
    private mutating func takeLine(after name: Word) -> CommandText {
        let text = trimmed(name.range.upperBound..<bytes.count)
        position = bytes.count
        return CommandText(
            name: name.text, words: text.split(separator: " ").map(String.init), text: text,
            column: name.range.lowerBound)
    }

    private mutating func shell(from start: Int, _ parsed: inout ParsedLine) -> Bool {
        parsed.destination = .shell(trimmed(start..<bytes.count))
        position = bytes.count
        return false
    }

    /// Whether a redirection stands here, and whether it appends.
    private func redirection(_ isExpression: Bool) -> (length: Int, appending: Bool)? {
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else { return nil }
        let appending = position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: ">")
        let length = appending ? 2 : 1
        guard isExpression else { return (length, appending) }
        let rest = trimmed(position + length..<bytes.count)
        guard ["/", "./", "../", "~/"].contains(where: { rest.hasPrefix($0) }) else { return nil }
        return (length, appending)
    }

    private mutating func redirect(_ redirection: (length: Int, appending: Bool), _ parsed: inout ParsedLine) throws {
        let column = position + 1
        position += redirection.length
        var depth = 0
        guard let file = try word(untilPipe: false, depth: &depth) else {
            throw UsageError("the name of a file is missing after >", column: column)
        }
        guard isAtEndOfLine else {
            throw UsageError("nothing may follow the file that output goes to", column: position + 1)
        }
        parsed.destination = .file(file.text, appending: redirection.appending)
    }

    private var isAtEnd: Bool { position >= bytes.count }

    private var isAtEndOfLine: Bool { bytes[min(position, bytes.count)...].allSatisfy(isBlank) }

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
            throw UsageError("a command is missing before the |", column: start + 1)
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
        throw UsageError("the quote in column \(start + 1) has no end", column: start + 1)
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

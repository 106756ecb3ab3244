// What may stand where the cursor is: names of commands, options, symbols, types, members, walks and files.
//
// Problem: a line is completed while it is wrong. So nothing here parses it as the engine does; what stands before the
// cursor is looked at from its end: which command is it in, which word of it, and which name within the word. A guess
// that is wrong costs a candidate too many; nothing is run and no memory of the dump is read.

internal import DebugModel
internal import Pipeline

/// What completion asks. The session's in the program, a table in tests.
protocol NameSource {
    /// Names of commands, aliases and the user's own ones.
    var commands: [String] { get }
    /// What may stand behind `::`, whatever dialect the session speaks.
    var colonCommands: [String] { get }
    var walks: [String] { get }
    var dialects: [String] { get }
    func manual(_ command: String) -> Manual?
    /// Names that begin with `prefix`, in any order, repeated ones too.
    func symbols(_ prefix: String) -> [String]
    func types(_ kind: TypeKind, _ prefix: String) -> [String]
    /// Members of what an expression, or a type's name, stands for; in the order of their declaration.
    func members(of expression: String) -> [String]
    func files(in directory: String) -> [(name: String, isDirectory: Bool)]
}

/// What may replace a part of the line before the cursor.
struct Completion: Equatable {
    struct Candidate: Equatable {
        let text: String
        /// What follows when it is the only one: a blank, or a slash.
        var ending = " "
        /// Shown behind it, and in the column beside: an option's argument and its meaning.
        var argument = ""
        var note = ""
    }
    /// Bytes of UTF-8; ends at the cursor.
    var range: Range<Int>
    var candidates: [Candidate] = []
}

struct Completer {
    private let names: any NameSource
    private let text: [UInt8]
    private let cursor: Int

    /// The candidates for what stands before `cursor`, a place in the line's UTF-8.
    static func complete(_ line: String, cursor: Int, _ names: any NameSource) -> Completion {
        let bytes = Array(line.utf8)
        let cursor = min(max(cursor, 0), bytes.count)
        return Completer(names: names, text: Array(bytes[..<cursor]), cursor: cursor).complete()
    }

    private func complete() -> Completion {
        let words = lastCommand()
        guard let word = words.last else { return Completion(range: cursor..<cursor) }
        let earlier = words.dropLast().map { string($0) }
        if let file = fileStart(word, earlier) { return files(from: file) }
        // `addr::walk`, `::ps`: mdb's way to name a command.
        if let colons = lastColons(in: word) { return plain(names.colonCommands, from: colons) }
        guard let first = earlier.first else { return plain(names.commands, from: word.lowerBound) }
        let command = first.split(separator: ":").last.map(String.init) ?? first
        switch command {
        case "help", "man": return plain(names.commands, from: word.lowerBound)
        case "dialect" where earlier.count == 1: return plain(names.dialects, from: word.lowerBound)
        case "walk" where earlier.count == 1: return plain(names.walks, from: word.lowerBound)
        default: break
        }
        if let manual = names.manual(command) {
            let isOption = !word.isEmpty && text[word.lowerBound] == UInt8(ascii: "-")
            if isOption || (word.isEmpty && !manual.takesExpression) {
                let found = options(manual, from: word.lowerBound)
                if isOption && !manual.takesExpression || !found.candidates.isEmpty { return found }
            }
        }
        return expression(command, word, earlier)
    }

    private func string(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }

    // MARK: where the cursor is

    /// The words of the command that the cursor is in; the last one, which may be empty, ends at the cursor.
    private func lastCommand() -> [Range<Int>] {
        var words: [Range<Int>] = []
        var start: Int?
        var quote: UInt8 = 0
        var depth = 0
        var index = 0
        while index < text.count {
            let byte = text[index]
            if quote != 0 {
                if byte == quote { quote = 0 }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
                start = start ?? index
            } else if byte == 0x20 || byte == 9 {
                if let from = start { words.append(from..<index) }
                start = nil
            } else if depth == 0, byte == UInt8(ascii: "|") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "!") {
                let isTwice = index + 1 < text.count && text[index + 1] == byte
                let isNot = byte == UInt8(ascii: "!") && index + 1 < text.count && text[index + 1] == UInt8(ascii: "=")
                if isTwice || isNot {
                    index += 1
                    start = start ?? index - 1
                } else {
                    words = []
                    start = nil
                }
            } else {
                start = start ?? index
                if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { depth += 1 }
                if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { depth = max(depth - 1, 0) }
            }
            index += 1
        }
        // What is quoted is text, not a name.
        if quote != 0 { return [] }
        words.append((start ?? text.count)..<text.count)
        return words
    }

    /// Where the name of a file begins, if one is wanted: behind `>` and `>>`, for `source` and `-f`.
    private func fileStart(_ word: Range<Int>, _ earlier: [String]) -> Int? {
        if let before = earlier.last, before == ">" || before == ">>" { return word.lowerBound }
        if earlier.first == "source" || (earlier.last == "-f" && earlier.count == 1) { return word.lowerBound }
        guard text[word].first == UInt8(ascii: ">"), !earlier.isEmpty else { return nil }
        return text[word].firstIndex { $0 != UInt8(ascii: ">") } ?? word.upperBound
    }

    private func lastColons(in word: Range<Int>) -> Int? {
        let name = identifierStart(word)
        guard name - word.lowerBound >= 2, text[name - 1] == UInt8(ascii: ":"), text[name - 2] == UInt8(ascii: ":")
        else { return nil }
        return name
    }

    /// Where the name begins that ends at the cursor; the cursor, if there is none.
    private func identifierStart(_ word: Range<Int>) -> Int {
        var start = word.upperBound
        while start > word.lowerBound, Self.isNameByte(text[start - 1]) { start -= 1 }
        return start
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
            || (0x61...0x7a).contains(byte)
    }

    // MARK: candidates

    private func plain(_ all: [String], from start: Int, ending: String = " ") -> Completion {
        let prefix = string(start..<cursor)
        let found = Set(all.filter { $0.hasPrefix(prefix) && Self.isPlain($0) }).sorted()
        return Completion(range: start..<cursor, candidates: found.map { .init(text: $0, ending: ending) })
    }

    /// Names come from the dump too: nothing that a terminal would obey is ever offered.
    private static func isPlain(_ name: String) -> Bool { name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } }

    private func options(_ manual: Manual, from start: Int) -> Completion {
        let prefix = string(start..<cursor)
        let found = manual.options.filter { $0.flag.hasPrefix(prefix) }.map { option in
            Completion.Candidate(
                text: option.flag, argument: option.argument.map { " " + $0 } ?? "", note: option.meaning)
        }
        return Completion(range: start..<cursor, candidates: found)
    }

    private func files(from start: Int) -> Completion {
        let typed = string(start..<cursor)
        let slash = typed.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = slash.map { String(typed[...$0]) } ?? ""
        let prefix = slash.map { String(typed[typed.utf8.index(after: $0)...]) } ?? typed
        let found = names.files(in: directory.isEmpty ? "." : directory)
            .filter { $0.name.hasPrefix(prefix) && Self.isPlain($0.name) }
            .filter { !$0.name.hasPrefix(".") || prefix.hasPrefix(".") }
            .sorted { $0.name < $1.name }
            .map { Completion.Candidate(text: directory + $0.name, ending: $0.isDirectory ? "/" : " ") }
        return Completion(range: start..<cursor, candidates: found)
    }

    private func expression(_ command: String, _ word: Range<Int>, _ earlier: [String]) -> Completion {
        let start = identifierStart(word)
        if let base = memberBase(upTo: start, word) {
            let prefix = string(start..<cursor)
            let members = names.members(of: base).filter { $0.hasPrefix(prefix) && Self.isPlain($0) }
            return Completion(range: start..<cursor, candidates: members.map { .init(text: $0, ending: "") })
        }
        let before = word.lowerBound == start ? earlier.last.map { lastName($0) } : nil
        let kinds: [String: TypeKind] = ["struct": .structure, "union": .union, "enum": .enumeration]
        if let kind = before.flatMap({ kinds[$0] }) {
            return plain(names.types(kind, string(start..<cursor)), from: start, ending: "")
        }
        guard start < cursor else { return Completion(range: cursor..<cursor) }
        let prefix = string(start..<cursor)
        var all = names.symbols(prefix) + names.types(.ordinary, prefix)
        // Where a type may stand so may its keyword; crash's `struct` and `*` take a name without one.
        all += kinds.keys.filter { $0.hasPrefix(prefix) }
        if ["struct", "union", "*", "list", "tree", "whatis", "print", "array"].contains(command), earlier.count <= 2 {
            all += names.types(.structure, prefix) + names.types(.union, prefix)
        }
        return plain(all, from: start, ending: "")
    }

    /// `(struct` ends with the name `struct`.
    private func lastName(_ word: String) -> String {
        String(decoding: word.utf8.reversed().prefix(while: Self.isNameByte).reversed(), as: UTF8.self)
    }

    /// The expression before `.` or `->`, which stands before `end`; nil when neither does.
    private func memberBase(upTo end: Int, _ word: Range<Int>) -> String? {
        var position = end
        if position > word.lowerBound, text[position - 1] == UInt8(ascii: ".") {
            position -= 1
        } else if position - 1 > word.lowerBound, text[position - 1] == UInt8(ascii: ">"),
            text[position - 2] == UInt8(ascii: "-")
        {
            position -= 2
        } else {
            return nil
        }
        let start = postfixStart(before: position)
        return start < position ? string(start..<position) : ""
    }

    /// Where the postfix expression begins that ends at `end`: names, members, and brackets with what they hold. Blanks
    /// may stand within brackets only, so that this may look before the word.
    private func postfixStart(before end: Int) -> Int {
        var position = end
        while position > 0 {
            let byte = text[position - 1]
            if Self.isNameByte(byte) || byte == UInt8(ascii: ".") {
                position -= 1
            } else if byte == UInt8(ascii: ">"), position > 1, text[position - 2] == UInt8(ascii: "-") {
                position -= 2
            } else if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]"), let open = opening(of: position - 1) {
                position = open
            } else {
                break
            }
        }
        return position
    }

    private func opening(of close: Int) -> Int? {
        var depth = 0
        for index in stride(from: close, through: 0, by: -1) {
            switch text[index] {
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth += 1
            case UInt8(ascii: "("), UInt8(ascii: "["):
                depth -= 1
                if depth == 0 { return index }
            default: break
            }
        }
        return nil
    }
}

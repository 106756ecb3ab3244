// The words of a command line, taken apart by the options that the command's manual declares.

/// Options and operands of one command. Short switches may be joined (`-ox`); `--` ends the options; a word such as
/// `-1` or `-0x10` is an operand. Where the manual says that an expression follows, options stand in front of it only.
package struct Arguments: Sendable {
    /// What stood after the command's name, unparsed, as typed; for commands that take an expression, what stood after
    /// their options.
    package let text: String
    package let operands: [String]
    /// Whether another command stands before this one, whose data flow in.
    package let hasInput: Bool
    private let values: [String: [String]]

    /// Throws `UsageError` for an option that the manual does not declare or that lacks its argument.
    package init(_ words: [String], text: String, manual: Manual, hasInput: Bool = false) throws {
        self.hasInput = hasInput
        var reader = Reader(manual: manual, rest: words[...])
        try reader.read()
        operands = reader.operands
        values = reader.values
        self.text = manual.takesExpression ? try Self.dropping(words.count - reader.operands.count, from: text) : text
    }

    /// Whether a switch was given.
    package func has(_ flag: String) -> Bool { values[flag] != nil }

    /// The last value given for an option.
    package func value(_ flag: String) -> String? { values[flag]?.last }

    /// All values given for an option, in order.
    package func all(_ flag: String) -> [String] { values[flag] ?? [] }

    /// The text behind its first `count` words.
    private static func dropping(_ count: Int, from text: String) throws -> String {
        guard count > 0 else { return text }
        let words = try LineSplitter.words(text)
        guard count < words.count else { return "" }
        return String(decoding: Array(text.utf8)[words[count].range.lowerBound...], as: UTF8.self)
    }
}

/// Goes through the words once.
private struct Reader {
    let manual: Manual
    var rest: ArraySlice<String>
    var operands: [String] = []
    var values: [String: [String]] = [:]

    mutating func read() throws {
        while let word = rest.popFirst() {
            if word == "--" {
                operands += rest
                return
            }
            if isOption(word) {
                try option(word)
            } else if manual.takesExpression {
                operands = [word] + rest
                return
            } else {
                operands.append(word)
            }
        }
    }

    private func declared(_ flag: String) -> Manual.Option? { manual.options.first { $0.flag == flag } }

    private func isOption(_ word: String) -> Bool {
        let characters = Array(word.prefix(2))
        guard characters.count == 2, characters[0] == "-", !characters[1].isNumber else { return false }
        guard manual.takesExpression, declared(word) == nil else { return true }
        // `-x` of an expression is a minus sign, unless every letter up to an argument is a switch of ours.
        for letter in word.dropFirst() {
            guard let option = declared("-\(letter)") else { return false }
            if option.argument != nil { return true }
        }
        return true
    }

    private mutating func option(_ word: String) throws {
        if let option = declared(word) { return try take(option) }
        guard !word.hasPrefix("--") else { throw unknown(word) }
        let letters = Array(word.dropFirst())
        for (index, letter) in letters.enumerated() {
            guard let option = declared("-\(letter)") else { throw unknown("-\(letter)") }
            if option.argument != nil, index + 1 < letters.count {
                values[option.flag, default: []].append(String(letters[(index + 1)...]))
                return
            }
            try take(option)
        }
    }

    private mutating func take(_ option: Manual.Option) throws {
        guard let name = option.argument else {
            values[option.flag, default: []].append("")
            return
        }
        guard let value = rest.popFirst() else { throw UsageError("\(manual.name): \(option.flag) needs \(name)") }
        values[option.flag, default: []].append(value)
    }

    private func unknown(_ flag: String) -> UsageError {
        let flags = manual.options.map(\.flag)
        var hint = "see: help \(manual.name)"
        // One letter is like every other one: then the letters themselves say more.
        let near = flag.count > 2 ? NearNames.of(flag, among: flags.filter { $0.count > 2 }) : []
        if !near.isEmpty {
            hint = "did you mean \(near.joined(separator: ", "))?"
        } else if !flags.isEmpty {
            hint = "it has \(flags.joined(separator: " ")); " + hint
        }
        return UsageError("\(manual.name): no option \(Escaping.text(flag)); \(hint)")
    }
}

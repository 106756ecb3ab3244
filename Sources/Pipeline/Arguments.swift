// The words of a command line, taken apart by the options that the command's manual declares.

/// Options and operands of one command. Short switches may be joined (`-ox`); `--` ends the options; a word such as
/// `-1` or `-0x10` is an operand.
package struct Arguments: Sendable {
    /// What stood after the command's name, unparsed, as typed: for commands that take an expression.
    package let text: String
    package let operands: [String]
    private let values: [String: [String]]

    /// Throws `UsageError` for an option that the manual does not declare or that lacks its argument.
    package init(_ words: [String], text: String, manual: Manual) throws {
        var operands: [String] = []
        var values: [String: [String]] = [:]
        var rest = words[...]
        func declared(_ flag: String) throws -> Manual.Option {
            guard let option = manual.options.first(where: { $0.flag == flag }) else {
                throw UsageError("\(manual.name): no option \(flag); see: help \(manual.name)")
            }
            return option
        }
        func take(_ option: Manual.Option) throws {
            guard let name = option.argument else {
                values[option.flag, default: []].append("")
                return
            }
            guard let value = rest.popFirst() else { throw UsageError("\(manual.name): \(option.flag) needs \(name)") }
            values[option.flag, default: []].append(value)
        }
        while let word = rest.popFirst() {
            let characters = Array(word)
            if word == "--" {
                operands += rest
                break
            }
            guard characters.count > 1, characters[0] == "-", !characters[1].isNumber else {
                operands.append(word)
                continue
            }
            if word.hasPrefix("--") || manual.options.contains(where: { $0.flag == word }) {
                try take(try declared(word))
                continue
            }
            for (index, letter) in characters.dropFirst().enumerated() {
                let option = try declared("-\(letter)")
                if option.argument != nil, index + 2 < characters.count {
                    values[option.flag, default: []].append(String(characters[(index + 2)...]))
                    break
                }
                try take(option)
            }
        }
        self.text = text
        self.operands = operands
        self.values = values
    }

    /// Whether a switch was given.
    package func has(_ flag: String) -> Bool { values[flag] != nil }

    /// The last value given for an option.
    package func value(_ flag: String) -> String? { values[flag]?.last }

    /// All values given for an option, in order.
    package func all(_ flag: String) -> [String] { values[flag] ?? [] }
}

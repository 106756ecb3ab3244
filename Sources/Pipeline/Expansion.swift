// The user's own commands, put in place of their names.

enum Expansion {
    /// Definitions that use definitions are followed this deep; a definition that uses itself ends here.
    private static let maximumDepth = 16
    /// A line may not grow beyond this by expansion.
    private static let maximumCommands = 256

    /// Replaces every command that is a definition by the commands of its body.
    static func expand(_ line: inout ParsedLine, _ words: LineWords, _ definitions: [String: Definition]) throws {
        guard !definitions.isEmpty else { return }
        for _ in 0..<maximumDepth {
            guard line.commands.contains(where: { definitions[$0.name] != nil }) else { return }
            var commands: [CommandText] = []
            for (index, command) in line.commands.enumerated() {
                guard let definition = definitions[command.name] else {
                    commands.append(command)
                    continue
                }
                let body = try LineSplitter.line(try text(of: definition, command), words)
                if body.destination != .screen || body.form != .usual {
                    guard index == line.commands.count - 1, line.destination == .screen, line.form == .usual else {
                        throw UsageError("\(definition.name) says itself where its output goes")
                    }
                    line.destination = body.destination
                    line.form = body.form
                }
                commands += body.commands
            }
            guard commands.count <= maximumCommands else { throw UsageError("the definitions make too long a line") }
            line.commands = commands
        }
        throw UsageError("the definitions use each other without an end")
    }

    /// The body with `$NAME` replaced by the words behind the command's name; the last parameter takes what is left.
    private static func text(of definition: Definition, _ command: CommandText) throws -> String {
        let names = definition.parameters
        guard command.words.count >= names.count, !names.isEmpty || command.words.isEmpty else {
            throw UsageError(
                "\(definition.name) takes \(names.isEmpty ? "no arguments" : names.joined(separator: ", "))",
                column: command.column + 1)
        }
        var values: [String: String] = [:]
        for (index, name) in names.enumerated() {
            values[name] =
                index == names.count - 1
                ? command.words[index...].joined(separator: " ") : command.words[index]
        }
        return substitute(definition.body, values)
    }

    /// `$` and a name; a `$` in front of anything else stays.
    static func substitute(_ body: String, _ values: [String: String]) -> String {
        var result = ""
        var rest = Substring(body)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            let after = rest[rest.index(after: dollar)...]
            let name = after.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            if let value = values[String(name)], !name.isEmpty { result += value } else { result += "$" + name }
            rest = after[name.endIndex...]
        }
        return result + rest
    }
}

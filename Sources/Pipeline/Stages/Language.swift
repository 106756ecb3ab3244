// define, dialect, source: commands about the language itself.

internal import Bytes

package struct Define: Stage {
    package static let manual = Manual(
        name: "define", synopsis: "[NAME[(PARAMETER, ...)] [\"SUMMARY\"] = COMMANDS]",
        summary: "a command of one's own",
        text: """
            In the commands each parameter stands as $PARAMETER; the last one takes all the words that are left. The new \
            command stands wherever its commands could: at the beginning of a line or behind a bar. It lasts for the \
            session; kept in the rc file, for all. Without arguments: the commands defined so far. -d NAME forgets one.
            """,
        options: [.init("-d", "NAME", "forget this command")],
        examples: [
            .init("define waiting(name) \"the tasks of a program that wait\" = ps -y D | filter .comm =~ $name", "one"),
            .init("define", "all"),
        ], takesExpression: true, takesLine: true, section: .session)
    private let text: String
    private let removed: String?

    package init(_ arguments: Arguments) throws {
        removed = arguments.value("-d")
        text = removed == nil ? arguments.text : ""
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        if let removed {
            guard context.session.definitions.removeValue(forKey: removed) != nil else {
                throw CommandError("define: \(Escaping.text(removed)) is not defined")
            }
            return
        }
        guard text.isEmpty else { return try define(context) }
        for definition in context.session.definitions.values.sorted(by: { $0.name < $1.name }) {
            try emit(.record(Self.record(definition)))
        }
    }

    static func record(_ definition: Definition) -> Record {
        let parameters = definition.parameters.joined(separator: ", ")
        let line =
            "define \(definition.name)" + (parameters.isEmpty ? "" : "(\(parameters))")
            + (definition.summary.isEmpty ? "" : " \"\(definition.summary)\"") + " = \(definition.body)"
        return Record(
            "definition",
            [
                Field("name", nil, .text(definition.name)),
                Field("parameters", nil, .list(definition.parameters.map { .text($0) })),
                Field("summary", nil, .text(definition.summary)), Field("body", nil, .text(definition.body)),
            ], presentation: .block([line]))
    }

    private func define(_ context: Context) throws {
        let definition = try Self.parse(text)
        guard context.catalog[definition.name] == nil else {
            throw UsageError("define: \(definition.name) is a command already")
        }
        context.session.definitions[definition.name] = definition
    }

    /// `NAME(A, B) "SUMMARY" = COMMANDS`.
    static func parse(_ text: String) throws -> Definition {
        guard let equals = text.firstIndex(of: "=") else {
            throw UsageError("define: = and commands are missing; see: help define")
        }
        var head = text[..<equals]
        let body = trim(text[text.index(after: equals)...])
        var summary = ""
        if let open = head.firstIndex(of: "\""), let close = head.lastIndex(of: "\""), open < close {
            summary = String(head[head.index(after: open)..<close])
            head = head[..<open]
        }
        var parameters: [String] = []
        if let open = head.firstIndex(of: "("), let close = head.lastIndex(of: ")"), open < close {
            parameters = head[head.index(after: open)..<close].split(separator: ",").map { trim($0) }
            head = head[..<open]
        }
        let name = trim(head)
        guard isName(name), parameters.allSatisfy(isName), Set(parameters).count == parameters.count else {
            throw UsageError("define: names are letters, digits, - and _")
        }
        guard !body.isEmpty else { throw UsageError("define: what should \(name) do?") }
        return Definition(name: name, parameters: parameters, body: body, summary: summary)
    }

    private static func trim(_ text: Substring) -> String {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.first?.isNumber == false
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || (byte >= UInt8(ascii: "0") && byte <= 0x39)
                    || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
            }
    }
}

package struct DialectStage: Stage {
    package static let manual = Manual(
        name: "dialect", synopsis: "[NAME]", summary: "the language that lines are read in",
        text: """
            inquest is this tool's own: the general stages and crash's command names; crash is the same under its name; \
            mdb and ddb are the languages of those debuggers. A line that the session's dialect cannot read is taken as \
            another's if only one other can read it. Without NAME: the dialect in use.
            """,
        examples: [.init("dialect", "which one")], section: .session)
    private let name: String?

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.count <= 1 else { throw UsageError("dialect: one name is enough") }
        name = arguments.operands.first
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard let name else { return try emit(.text(context.session.dialect)) }
        let names = context.session.dialectNames
        guard names.contains(name) else {
            throw UsageError("dialect: \(Escaping.text(name)) is none of \(names.joined(separator: ", "))")
        }
        context.session.dialect = name
    }
}

package struct Source: LineStage {
    package static let manual = Manual(
        name: "source", synopsis: "FILE", summary: "run the lines of a file",
        text: """
            Each line as if it were typed, until one fails; its number is then told. A file may run others, 16 deep.
            """,
        examples: [.init("source /dev/null", "the lines of that file: none")], section: .session)
    /// Longer files are refused: nobody writes them.
    private static let maximum = 16 << 20
    private let path: String

    package init(_ arguments: Arguments) throws {
        guard let path = arguments.operands.first, arguments.operands.count == 1 else {
            throw UsageError("source: the name of one file is expected")
        }
        self.path = path
    }

    package func run(_ context: Context, _ outlet: any Outlet) throws {
        let bytes: [UInt8]
        do { bytes = Array(try ByteSource.read(path)) } catch { throw CommandError("source: \(error)") }
        guard bytes.count <= Self.maximum else { throw CommandError("source: \(path) has more than 16 MiB") }
        let lines = String(decoding: bytes, as: UTF8.self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            do {
                try Engine.runThrowing(String(line), context.nested(), outlet)
            } catch is Enough {
                continue
            } catch let error as Interrupted {
                throw error
            } catch {
                throw CommandError("\(path):\(index + 1): \(error)")
            }
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

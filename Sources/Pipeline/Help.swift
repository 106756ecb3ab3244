// help: the commands there are, and the manual of each. The engine's own command, as it asks the catalog alone.

package struct Help: Stage {
    package static let manual = Manual(
        name: "help", aliases: ["man"], synopsis: "[COMMAND]...",
        summary: "the commands, or the manual of some of them",
        text: """
            A line is a command with its arguments. Words are separated by blanks; quotes and backslashes work as in a \
            shell. A bar outside of quotes and parentheses hands what one command says to the next. A line that begins \
            with # is a comment.
            """,
        examples: [.init("help", "all commands"), .init("help ps", "the manual of ps")], section: .session)
    private let names: [String]

    package init(_ arguments: Arguments) throws { names = arguments.operands }

    package func finish(_ context: Context, _ emit: Emit) throws {
        if names.isEmpty { try list(context, emit) }
        for name in names {
            guard let stage = context.catalog[name] else {
                throw UsageError("help: " + NearNames.unknown(name, among: context.catalog.names))
            }
            try emit(.record(Self.record(stage.manual)))
        }
    }

    /// Section by section, the user's own commands last.
    private func list(_ context: Context, _ emit: Emit) throws {
        let manuals = context.catalog.stages.map { $0.manual }
        let own = context.session.definitions.values.sorted { $0.name < $1.name }
        let width = (manuals.map(\.name.count) + own.map(\.name.count)).max() ?? 0
        func line(_ name: String, _ summary: String) -> String {
            "  " + name + String(repeating: " ", count: width - name.count + 2) + summary
        }
        var isFirst = true
        func chapter(_ title: String, _ entries: [(name: String, summary: String)]) throws {
            for (index, entry) in entries.enumerated() {
                let heading = index > 0 ? [] : (isFirst ? [] : [""]) + [title]
                isFirst = false
                try emit(
                    .record(
                        Record(
                            "command",
                            [
                                Field("name", nil, .text(entry.name)), Field("summary", nil, .text(entry.summary)),
                                Field("section", nil, .text(title)),
                            ], presentation: .block(heading + [line(entry.name, entry.summary)]))))
            }
        }
        for section in Section.allCases {
            let here = manuals.filter { $0.section == section }.sorted { $0.name < $1.name }
            try chapter(section.title, here.map { ($0.name, $0.summary) })
        }
        try chapter("Your own", own.map { ($0.name, $0.summary) })
    }

    private static func record(_ manual: Manual) -> Record {
        let options = manual.options.map { option in
            FieldValue.record(
                Record(
                    "option",
                    [
                        Field("flag", nil, .text(option.flag)),
                        Field("argument", nil, option.argument.map { .text($0) } ?? .none),
                        Field("meaning", nil, .text(option.meaning)),
                    ]))
        }
        let examples = manual.examples.map { example in
            FieldValue.record(
                Record(
                    "example", [Field("line", nil, .text(example.line)), Field("meaning", nil, .text(example.meaning))])
            )
        }
        return Record(
            "manual",
            [
                Field("name", nil, .text(manual.name)), Field("aliases", nil, .list(manual.aliases.map { .text($0) })),
                Field("synopsis", nil, .text(manual.synopsis)), Field("summary", nil, .text(manual.summary)),
                Field("text", nil, .text(manual.text)), Field("options", nil, .list(options)),
                Field("examples", nil, .list(examples)),
            ], presentation: .block(manual.page))
    }
}

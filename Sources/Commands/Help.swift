// help: the commands, and the manual of one.

package import Pipeline

package struct Help: Stage {
    package static let manual = Manual(
        name: "help", aliases: ["?", "man"], synopsis: "[COMMAND]", summary: "the commands, or the manual of one",
        options: [], examples: [.init("help", "all commands"), .init("help struct", "one command's manual")])

    private let names: [String]

    package init(_ arguments: Arguments) throws { names = arguments.operands }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard names.isEmpty else { return try names.forEach { try page($0, context.catalog, emit) } }
        for stage in context.catalog.stages.sorted(by: { $0.manual.name < $1.manual.name }) {
            let manual = stage.manual
            try emit(
                .record(
                    Record(
                        "command",
                        [
                            Field("name", "COMMAND", .text(manual.name)),
                            Field("aliases", nil, .list(manual.aliases.map { .text($0) })),
                            Field("summary", "SUMMARY", .text(manual.summary)),
                        ])))
        }
    }

    private func page(_ name: String, _ catalog: Catalog, _ emit: Emit) throws {
        guard let manual = catalog[name]?.manual else {
            let near = NearNames.of(name, among: catalog.names)
            let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?"
            throw CommandError("there is no command \(Escaping.text(name))\(hint)")
        }
        let options = manual.options.map { option in
            FieldValue.record(
                Record(
                    "option",
                    [
                        Field("flag", nil, .text(option.flag)),
                        Field("argument", nil, option.argument.map { .text($0) } ?? .none),
                        Field("meaning", nil, .text(option.meaning)),
                    ], presentation: .none))
        }
        let examples = manual.examples.map { example in
            FieldValue.record(
                Record(
                    "example",
                    [Field("line", nil, .text(example.line)), Field("meaning", nil, .text(example.meaning))],
                    presentation: .none))
        }
        let fields = [
            Field("name", nil, .text(manual.name)), Field("synopsis", nil, .text(manual.synopsis)),
            Field("summary", nil, .text(manual.summary)), Field("text", nil, .text(manual.text)),
            Field("options", nil, .list(options)), Field("examples", nil, .list(examples)),
        ]
        try emit(.record(Record("manual", fields, presentation: .block(manual.page))))
    }
}

// docs/schema.json: made by running the examples of every manual, and a list of other lines, on dumps.

internal import Capabilities
internal import Pipeline
internal import Rendering
internal import Target

enum SchemaReference {
    /// Runs `lines` and every example on each dump without any symbol file, so that the outcome depends on the dumps alone.
    /// Lines that fail are data too. Throws when a dump cannot be opened.
    static func builder(dumps: [String], lines: [String]) throws -> SchemaBuilder {
        let builder = SchemaBuilder(notes: SchemaNotes.all)
        let catalog = Opening.catalog
        let examples = catalog.stages.flatMap { $0.manual.examples.map(\.line) }
        for dump in dumps {
            let journal = Journal()
            let kernel = try Opening.open([dump], options: OpeningOptions(types: .btf), journal: journal)
            let state = SessionState(dialects: Opening.dialects)
            for line in examples + lines {
                let context = Context(
                    kernel: kernel, catalog: catalog, gaps: Gaps(), journal: journal, session: state)
                try run(line, context, builder)
            }
        }
        return builder
    }

    /// The file, byte for byte.
    static func text(_ builder: SchemaBuilder) -> String {
        builder.text(
            commands: Opening.catalog.stages.map { $0.manual.name },
            dialects: Opening.dialects.map { type(of: $0).name })
    }

    private static func run(_ line: String, _ context: Context, _ builder: SchemaBuilder) throws {
        builder.source = emitter(of: line, context)
        let outcome = Engine.run(line: line, context: context) { try builder.receive($0) }
        try builder.finish(gaps: context.gaps.all, count: context.gaps.count)
        if case .failed(let failure) = outcome { try builder.fail(failure.description, line: line) }
    }

    /// Who emits what the line says: the dialect that it is of, else its last command, unless that one hands on what
    /// others emit.
    private static func emitter(of line: String, _ context: Context) -> SchemaBuilder.Source {
        switch try? Readings.reading(of: line, context) {
        case .dialect(let dialect)?: return .dialect(type(of: dialect).name)
        case .pipeline(let pipeline)?: return emitter(pipeline.stages).map { .command($0) } ?? .anyone
        case nil: return .anyone
        }
    }

    /// The name of the last one; nil when it hands on what others emit.
    static func emitter(_ stages: [any Stage]) -> String? {
        guard let last = stages.last else { return nil }
        let manual = type(of: last).manual
        return manual.emits.contains(.same) || manual.emits == .anything ? nil : manual.name
    }
}

// A line of the default dialect, checked and ready to run.

internal import Bytes
internal import Target

package struct Pipeline {
    /// One command of the line. `runOn` runs a command that takes its operand from the pipe, once for each item.
    private struct Link {
        let stage: any Stage
        let runOn: ((Datum, Context, Emit) throws -> Void)?
    }

    private let links: [Link]
    package var stages: [any Stage] { links.map(\.stage) }
    package let destination: Destination
    package let form: OutputForm

    /// Throws `UsageError` for what cannot be understood; reads no memory.
    package init(_ line: String, _ context: Context) throws {
        try self.init(line, catalog: context.catalog, definitions: context.session.definitions)
    }

    package init(_ line: String, catalog: Catalog, definitions: [String: Definition]) throws {
        let words = LineWords(
            isStage: { catalog[$0] != nil || definitions[$0] != nil },
            takesExpression: { catalog[$0]?.manual.takesExpression == true },
            takesLine: { catalog[$0]?.manual.takesLine == true })
        var parsed = try LineSplitter.line(line, words)
        try Expansion.expand(&parsed, words, definitions)
        destination = parsed.destination
        form = parsed.form
        links = try parsed.commands.enumerated().map { index, command in
            guard let type = catalog[command.name] else {
                throw UsageError(
                    NearNames.unknown(command.name, among: catalog.names + definitions.keys.sorted()),
                    column: command.column + 1)
            }
            if index > 0, type.manual.takesOperand { return try Self.link(type, command) }
            let arguments = try Arguments(
                command.words, text: command.text, manual: type.manual, hasInput: index > 0)
            let manual = type.manual
            if index == 0, manual.takesExpression, !manual.accepts.isEmpty, !manual.needsInput, command.words.isEmpty {
                throw UsageError("\(manual.name): an expression is missing; see: help \(manual.name)")
            }
            return Link(stage: try type.init(arguments), runOn: nil)
        }
        try Self.check(links.map(\.stage))
        if parsed.commands.isEmpty, destination != .screen, case .file = destination {
            throw UsageError("what is to be written to the file?")
        }
    }

    /// A command with the address of each item behind its own words. Made once with a number in its place, so that what
    /// is wrong with the words is said before anything runs.
    private static func link(_ type: any Stage.Type, _ command: CommandText) throws -> Link {
        func make(_ operand: String) throws -> any Stage {
            let text = command.text.isEmpty ? operand : command.text + " " + operand
            return try type.init(Arguments(command.words + [operand], text: text, manual: type.manual))
        }
        return Link(stage: try make("0x0")) { datum, context, emit in
            guard let address = try datum.address() else {
                throw UsageError("\(type.manual.name): what flows here has no address")
            }
            try make("0x" + hex(address.rawValue)).finish(context, emit)
        }
    }

    /// Each stage takes what the one before it hands on.
    private static func check(_ stages: [any Stage]) throws {
        var flow: Flow = []
        for (index, stage) in stages.enumerated() {
            let manual = type(of: stage).manual
            if index > 0 {
                let before = type(of: stages[index - 1]).manual.name
                guard !manual.accepts.isEmpty else {
                    throw UsageError("\(manual.name) takes no input from another command, so it only begins a line")
                }
                guard flow.fits(manual.accepts) else {
                    throw UsageError(
                        "\(before) hands on \(flow.phrase); \(manual.name) takes \(manual.accepts.phrase)")
                }
            } else if manual.needsInput {
                throw UsageError("\(manual.name) works on what another command says: COMMAND | \(manual.name)")
            }
            if stage is any LineStage, stages.count > 1 {
                throw UsageError("\(manual.name) stands alone on its line")
            }
            flow = manual.emits.contains(.same) ? flow.union(manual.emits.subtracting(.same)) : manual.emits
        }
    }

    /// Opens the destination and pushes. Rethrows what the stages throw.
    package func run(_ context: Context, _ outlet: any Outlet) throws {
        if let stage = links.first?.stage as? any LineStage { return try stage.run(context, outlet) }
        if links.isEmpty, destination == .screen { return }
        if case .shell(let command) = destination, !links.isEmpty, !context.session.allowsShell {
            let name = String(command.prefix { !$0.isWhitespace })
            // `! head` asked for the program.
            let isProgram = context.catalog[name] != nil
            let stage = isProgram ? "" : "no stage is called \(Escaping.text(name)), and "
            let hint = isProgram ? "" : NearNames.hint(name, among: context.catalog.names)
            throw UsageError(
                stage + "running programs is off here (--allow-shell turns it on)" + hint)
        }
        try outlet.deliver(to: destination, as: form) { try run(context, emit: $0) }
    }

    /// Each stage's `finish` runs when the input from the ones before it has ended.
    package func run(_ context: Context, emit: Emit) throws {
        try withoutActuallyEscaping(emit) { emit in
            let sinks = Self.sinks(links, context, emit)
            for index in links.indices where links[index].runOn == nil {
                let next = sinks[index + 1]
                do {
                    try links[index].stage.finish(context) { datum in
                        // Asked here alone: what ends the source ends what flows from it.
                        if context.isInterrupted() { throw Interrupted() }
                        try next(datum)
                    }
                } catch is Enough {
                    // Somebody further on has all it wants; its own `finish` is still to come.
                    continue
                }
            }
        }
    }

    /// What takes the data in front of each stage, and at the end `emit`. Made once for a line, as a datum passes them
    /// in nanoseconds.
    private static func sinks(_ links: [Link], _ context: Context, _ emit: @escaping Emit) -> [Emit] {
        var sinks: [Emit] = [emit]
        for link in links.reversed() {
            let next = sinks[0]
            let stage = link.stage
            let runOn = link.runOn
            sinks.insert(
                { datum in
                    switch datum {
                    // A warning beside the data is for the reader, not for the next stage; what is missing is told at
                    // the end.
                    case .record(let record) where record.isRemark: return try emit(datum)
                    case .gap(let gap): return context.gaps.note(gap)
                    default: break
                    }
                    if let runOn { return try runOn(datum, context, next) }
                    try stage.receive(datum, context, next)
                }, at: 0)
        }
        return sinks
    }
}

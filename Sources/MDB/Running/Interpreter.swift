// Runs the statements of a line: sets dot, makes the commands of a pipeline, and pushes values from one to the next.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// Thrown by `::quit`: a session's own `quit` ends it, a line's rest is not run.
struct Quit: Error {}

/// One line's run. Not for use by several threads; what lasts is in `State`.
final class Interpreter {
    let context: Context
    let state: State
    let outlet: any Outlet
    /// The kernel's memory, or that of the process that `::context` chose.
    var target: Target { state.read(\.process)?.target ?? context.target }
    var names: Names { Names(target: target, state: state) }
    /// `::eval` in `::eval`, files in files.
    private var nesting = 0
    private static let maximumNesting = 32
    private var knownRegisters: [String: UInt64]?

    init(_ context: Context, _ state: State, _ outlet: any Outlet) {
        self.context = context
        self.state = state
        self.outlet = outlet
    }

    /// The registers of the representative thread, by mdb's names.
    var registers: [String: UInt64] {
        if let known = knownRegisters { return known }
        let made = RegisterNames.all(context.kernel)
        knownRegisters = made
        return made
    }

    // MARK: lines

    /// Runs a line from the prompt. A failing command ends its statement; the statements after it still run, and the
    /// failures are thrown together.
    func run(line: String) throws {
        setUp()
        let statements = try Parser.statements(line, check: { try DCmds.check($0, self.context.catalog) })
        // An empty line may repeat the last one.
        try run(statements.isEmpty ? [Statement()] : statements, into: nil, isString: false)
    }

    /// Runs text as `::eval` does: what it says goes to `out`, and a naked expression sets dot.
    func run(text: String, into out: Printer, isString: Bool) throws {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.maximumNesting else {
            throw CommandError("commands that run commands are nested more than \(Self.maximumNesting) deep")
        }
        let statements = try Parser.statements(text, check: { try DCmds.check($0, self.context.catalog) })
        try run(statements, into: out, isString: isString)
    }

    private func run(_ statements: [Statement], into out: Printer?, isString: Bool) throws {
        var failures: [String] = []
        for statement in statements {
            if context.isInterrupted() { throw Interrupted() }
            do {
                try run(statement, into: out, isString: isString, isOnly: statements.count == 1)
            } catch let error where Self.endsStatement(error) {
                failures.append("\(error)")
            }
        }
        if !failures.isEmpty { throw CommandError(failures.prefix(20).joined(separator: "; ")) }
    }

    /// Whether an error ends no more than the command it came from.
    static func endsStatement(_ error: any Error) -> Bool {
        !(error is UsageError || error is Interrupted || error is Enough || error is Quit)
    }

    private func run(_ statement: Statement, into out: Printer?, isString: Bool, isOnly: Bool) throws {
        if statement.isEmpty {
            guard isOnly, out == nil, state.read(\.options).switches.contains("repeatlast") else { return }
            state.dot = state.dot &+ state.increment
            return try deliver(state.read(\.repeatable), statement, into: out)
        }
        if statement.commands.isEmpty, let shell = statement.shell {
            return try outlet.deliver(to: .shell(shell), as: .usual) { _ in }
        }
        if let address = statement.address { state.dot = try value(address) }
        if statement.commands.isEmpty {
            if isString {
                state.increment = 0
                if let out, out.isPipe, statement.address != nil { try out.value(Item(state.dot)) }
                return
            }
            return try deliver(state.read(\.repeatable), statement, into: out)
        }
        state.change { $0.repeatable = statement.commands }
        try deliver(statement.commands, statement, into: out)
    }

    private func deliver(_ commands: [Command], _ statement: Statement, into out: Printer?) throws {
        guard !commands.isEmpty else { return }
        let count = try statement.count.map { try value($0) }
        // Made before anything is opened: a mistake is told, and nothing run.
        let stages = try commands.map { try DCmds.make($0, context.catalog) }
        let hasAddress = statement.address != nil
        if let out, statement.shell == nil {
            return try PipelineRun(self, stages, out).run(hasAddress: hasAddress, count: count)
        }
        let destination = statement.shell.map { Destination.shell($0) } ?? .screen
        try outlet.deliver(to: destination, as: .usual) { emit in
            try withoutActuallyEscaping(emit) { emit in
                let out = Printer(.reader(emit))
                do {
                    try PipelineRun(self, stages, out).run(hasAddress: hasAddress, count: count)
                } catch {
                    // What was said before the failure stands.
                    try out.finish()
                    throw error
                }
                try out.finish()
            }
        }
    }

    // MARK: arguments

    /// An argument's number: that of `$[...]`, or the word read as an expression.
    func number(_ argument: Argument) throws -> UInt64 {
        switch argument {
        case .value(let expression): try value(expression)
        case .text(let text): try value(try Parser.expression(text))
        }
    }

    /// An argument's text; a number as `::echo` writes it.
    func text(_ argument: Argument) throws -> String {
        switch argument {
        case .text(let text): text
        case .value(let expression): "0x" + hex(try value(expression))
        }
    }

    /// What a command wrote into a pipe, as a number: digits first, so that `f` is fifteen.
    func piped(_ text: String) throws -> UInt64 {
        if let number = Lexer.number(text, radix: 16) { return number }
        return try value(try Parser.expression(text))
    }

    // MARK: variables

    /// Names of variables that always exist.
    static let persistent: Set<String> = ["0", "9", "b", "d", "e", "m", "t", "hits", "thread"]

    /// The variables that always exist, and those that the kernel tells.
    private func setUp() {
        guard !state.read(\.hasSetUp) else { return }
        func address(_ names: String...) -> UInt64 {
            names.lazy.compactMap { self.context.target.symbols.symbol(named: $0)?.address.rawValue }.first ?? 0
        }
        let data = address("_sdata", "_data")
        let text = address("_stext", "_text")
        let values: [(String, UInt64)] = [
            ("0", 0), ("9", 0), ("b", data), ("d", data == 0 ? 0 : max(address("_edata"), data) - data),
            ("e", address("startup_64", "_text", "stext")), ("m", 0x464c_457f),
            ("t", text == 0 ? 0 : max(address("_etext"), text) - text), ("hits", 0),
            ("thread", context.kernel.capability((any ThreadSource).self)?.representative?.rawValue ?? 0),
        ]
        state.change { contents in
            guard !contents.hasSetUp else { return }
            contents.hasSetUp = true
            for (name, value) in values {
                contents.variables[name] = Variable(
                    value: value, isPersistent: true, isReadOnly: !["0", "9", "hits"].contains(name))
            }
        }
    }
}

/// One run of a pipeline: stages, and what stands between them.
private final class PipelineRun {
    private let interpreter: Interpreter
    private let stages: [any DCmd]
    private var printers: [Printer] = []
    private var hasRun: [Bool]

    init(_ interpreter: Interpreter, _ stages: [any DCmd], _ out: Printer) {
        self.interpreter = interpreter
        self.stages = stages
        hasRun = stages.map { _ in false }
        // `self` outlives the closures: they are used within `run` alone.
        for next in stages.indices.dropFirst() {
            printers.append(
                Printer(
                    .pipe({ [unowned self] in try self.feed(next, $0) }, parse: { try interpreter.piped($0) })))
        }
        printers.append(out)
    }

    func run(hasAddress: Bool, count: UInt64?) throws {
        guard let first = stages.first else { return }
        try untilEnough {
            if type(of: first).takesCount {
                try call(0, address: interpreter.state.dot, hasAddress: hasAddress, object: nil, count: count)
            } else {
                try loop(first, hasAddress, count)
            }
        }
        for index in stages.indices {
            try untilEnough {
                try stages[index].finish(self.call(of: index, 0, false, nil, nil))
                if index + 1 < stages.count { try printers[index].finish() }
            }
        }
    }

    /// Runs the first stage as often as the count says. A format goes on by the increment, and what moves dot itself goes
    /// on from there; but what later stages make of dot does not move the first one.
    private func loop(_ first: any DCmd, _ hasAddress: Bool, _ count: UInt64?) throws {
        var left = count ?? 1
        var address = interpreter.state.dot
        while left > 0 {
            if interpreter.context.isInterrupted() { throw Interrupted() }
            interpreter.state.dot = address
            try call(0, address: address, hasAddress: hasAddress, object: nil, count: count)
            left -= 1
            if stages.count == 1 { address = interpreter.state.dot }
            if first is FormatCommand, left > 0 { address &+= interpreter.state.increment }
        }
    }

    /// A stage that has had enough ends those before it.
    private func untilEnough(_ body: () throws -> Void) throws {
        do { try body() } catch is Enough {}
    }

    private func call(of index: Int, _ address: UInt64, _ hasAddress: Bool, _ object: Value?, _ count: UInt64?) -> Call
    {
        Call(
            interpreter: interpreter, out: printers[index], address: address, hasAddress: hasAddress, object: object,
            isFromPipe: index > 0, isFirst: !hasRun[index], count: count)
    }

    private func call(_ index: Int, address: UInt64, hasAddress: Bool, object: Value?, count: UInt64?) throws {
        interpreter.state.change { $0.last = address }
        let call = call(of: index, address, hasAddress, object, count)
        hasRun[index] = true
        try stages[index].run(call)
    }

    /// A value arrives at a stage. One that the stage cannot use is told and passed over, as the rest may be well.
    private func feed(_ index: Int, _ item: Item) throws {
        if interpreter.context.isInterrupted() { throw Interrupted() }
        interpreter.state.dot = item.number
        do {
            try call(index, address: item.number, hasAddress: true, object: item.object, count: nil)
        } catch let error where Interpreter.endsStatement(error) {
            let name = type(of: stages[index]).page.names.first ?? ""
            interpreter.context.gaps.note("0x\(hex(item.number))\(name)", error)
        }
    }
}

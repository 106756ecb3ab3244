// Runs one line: evaluates its operands, moves the places, and calls what the command means.

internal import Bytes
internal import Capabilities
internal import Machine
internal import Pipeline
internal import Target

/// What a command is given once its operands are evaluated.
struct Request {
    let command: Command
    let line: Line
    /// Letters behind the slash.
    let modifier: String
    let address: Int64
    let hasAddress: Bool
    /// nil where none was given: once for what prints, all for stacks.
    let count: Int64?
}

struct Runner {
    var memo: Memo
    let context: Context
    let emit: Emit

    mutating func run(_ line: Line) throws {
        if let names = line.help { return try help(names) }
        if let command = line.command { return try run(command, line) }
        guard let last = memo.lastCommand else { throw UsageError("there is no command to repeat") }
        // A blank line repeats a command at the next place, once, with neither modifier nor address.
        var blank = Line()
        blank.command = last
        if last.syntax == .search { throw UsageError("search: an address is missing") }
        let request = Request(
            command: last, line: blank, modifier: "", address: memo.variables.next, hasAddress: false, count: 1)
        try perform(request)
    }

    private mutating func run(_ command: Command, _ line: Line) throws {
        let evaluation = try self.evaluation(line)
        var address = memo.variables.dot
        if let given = line.address, let value = try evaluation?.value(given) {
            address = value
            // trace and search parse their own operands, and leave the places alone.
            if command.syntax == .standard {
                memo.variables.dot = value
                memo.variables.ditto = value
            }
        }
        let count = try line.count.flatMap { try evaluation?.value($0) }
        memo.lastCommand = command
        try perform(
            Request(
                command: command, line: line, modifier: line.modifier, address: address,
                hasAddress: line.address != nil, count: count))
    }

    private mutating func perform(_ request: Request) throws {
        // Also after a failure: what was examined was examined.
        defer {
            if request.command.setsDot {
                memo.variables.dot = memo.variables.previous
            } else {
                memo.variables.next = memo.variables.dot
            }
        }
        switch request.command.meaning {
        case .verb(let verb): try perform(verb, request)
        case .session(let substitute, let missing): try session(substitute, missing, request)
        case .live:
            throw CommandError("\(request.command.path) needs a kernel that runs; a dump is only read")
        case .foreign(let what):
            throw CommandError("\(request.command.path) is about \(what), which this kernel does not have")
        case .hardware(let what):
            throw CommandError("\(request.command.path) reads \(what) of a running machine; a dump does not have them")
        case .table: throw UsageError("\(request.command.path) needs a subcommand")
        }
    }

    private mutating func perform(_ verb: Verb, _ request: Request) throws {
        switch verb {
        case .examine, .examineForward, .examineBackward: try examine(verb, request)
        case .print: try printValue(request)
        case .search: try search(request)
        case .set: try set(request)
        case .noBreakpoints: try say("breakpoints", "No breakpoints set")
        case .noWatchpoints: try say("watchpoints", "No watchpoints set")
        case .structure: try structure(request)
        case .trace: try trace(request)
        case .traceAll: try traceAll(activeOnly: false)
        case .traceActive: try traceAll(activeOnly: true)
        case .thread: try thread(request)
        case .processes: try processes(request)
        case .process: try process(request)
        case .threads: try threads()
        case .showThread: try showThread(request)
        case .findStack: try findStack(request)
        case .registers: try registers(request)
        case .processor: try processor(request)
        case .processors: try processors()
        case .panic: try panic()
        }
    }

    /// What gives expressions their values; nil for a line without any, for registers cost an unwinding.
    func evaluation(_ line: Line) throws -> Evaluation? {
        let expressions = [line.address, line.value, line.mask, line.count].compactMap { $0 }
        guard !expressions.isEmpty else { return nil }
        var registers: [String: UInt64] = [:]
        let own = Set(Variables.names)
        if expressions.contains(where: { !$0.variables.allSatisfy { own.contains($0) } }) {
            registers = (try? chosenRegisters()) ?? [:]
        }
        return Evaluation(
            target: context.target, variables: memo.variables, registers: registers, cpu: chosenProcessor)
    }

    // MARK: what the session's own commands do

    private func session(_ substitute: Substitute, _ missing: String, _ request: Request) throws {
        let path = request.command.path
        let lines = request.hasAddress && !substitute.withAddress.isEmpty ? substitute.withAddress : substitute.plain
        guard !lines.isEmpty else { throw UsageError("\(path): an address is missing") }
        for line in lines {
            var words = line.split(separator: " ").map(String.init)
            guard let stage = context.catalog[words.removeFirst()] else { continue }
            let operands = words.map { word in
                switch word {
                case "@": "0x" + hex(UInt64(bitPattern: request.address))
                case "#": "\(DecimalReading.of(request.address) ?? request.address)"
                default: word
                }
            }
            return try run(stage, operands)
        }
        throw CommandError("\(path): no command of this session tells \(missing)")
    }

    /// Runs one command of the session on words that need no quotes.
    func run(_ stage: any Stage.Type, _ words: [String]) throws {
        let arguments = try Arguments(words, text: words.joined(separator: " "), manual: stage.manual)
        do { try stage.init(arguments).finish(context, emit) } catch is Enough { return }
    }

    /// `show struct ADDRESS TYPE`, `pprint TYPE [ADDRESS]`.
    private func structure(_ request: Request) throws {
        guard let stage = context.catalog["struct"] else {
            throw CommandError("\(request.command.path): no command of this session shows structures")
        }
        let place = request.hasAddress ? ["0x" + hex(UInt64(bitPattern: request.address))] : []
        try run(stage, [request.line.name] + place)
    }

    private mutating func set(_ request: Request) throws {
        guard let given = request.line.value, let evaluation = try evaluation(request.line) else { return }
        let value = try evaluation.value(given)
        if context.target.machine.layout.names.values.contains(request.line.name) {
            throw CommandError("set $\(request.line.name) would change a register; a dump is only read")
        }
        try memo.variables.set(request.line.name, value)
    }

    func say(_ kind: String, _ lines: String...) throws {
        try emit(
            .record(
                Record(kind, [Field("text", nil, .text(lines.joined(separator: "\n")))], presentation: .block(lines))))
    }

    private func help(_ names: [String]) throws {
        var lines: [String] = []
        var line = ""
        for name in names {
            if line.utf8.count + 16 > 79 {
                lines.append(line)
                line = ""
            }
            line += name + String(repeating: " ", count: max(16 - name.utf8.count, 1))
        }
        if !line.isEmpty { lines.append(line) }
        let fields = [Field("names", nil, .list(names.map { .text($0) }))]
        try emit(.record(Record("commands", fields, presentation: .block(lines))))
    }
}

/// Numbers that were typed as pids and read in hexadecimal.
enum DecimalReading {
    /// The number whose decimal digits are the value's hexadecimal ones, as ddb looks pids up: `0x45` is 45. Nil when a
    /// digit is none of ten.
    static func of(_ value: Int64) -> Int64? {
        var rest = UInt64(bitPattern: value)
        var result: Int64 = 0
        var unit: Int64 = 1
        while rest != 0 {
            guard rest & 15 <= 9 else { return nil }
            let (part, tooLarge) = Int64(rest & 15).multipliedReportingOverflow(by: unit)
            let (sum, overflow) = result.addingReportingOverflow(part)
            guard !tooLarge, !overflow else { return nil }
            result = sum
            rest >>= 4
            unit = unit.multipliedReportingOverflow(by: 10).partialValue
        }
        return result
    }
}

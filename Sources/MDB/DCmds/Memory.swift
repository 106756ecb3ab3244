// Format verbs, matching, writing, assignment: what stands behind a punctuation mark.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// `/` `\` `?` `=` `@`.
struct FormatCommand: DCmd {
    static let page = Page("/", synopsis: "format", summary: "show memory under a format; see ::formats")
    private let verb: FormatVerb
    private let items: [FormatItem]

    init(_ arguments: [Argument]) throws { throw UsageError("a format verb has no arguments") }

    init(_ verb: FormatVerb, _ items: [FormatItem]) throws {
        try FormatRun.check(items)
        self.verb = verb
        self.items = items
    }

    func run(_ call: Call) throws {
        var items = items
        if items.isEmpty {
            items = call.state.read(\.format)
        } else {
            let present = items
            call.state.change { $0.format = present }
        }
        let count = try FormatRun.run(
            items, verb: verb, at: call.address, isFirst: call.isFirst || call.isFromPipe, call.interpreter, call.out)
        call.state.increment = count
        if !call.isPipe, call.isFromPipe { try call.out.finish() }
    }

    func finish(_ call: Call) throws { if !call.isPipe { try call.out.finish() } }
}

/// `/l`, `/L`, `/M`: searches forward for a value under a mask.
struct MatchCommand: DCmd {
    static let page = Page("/L", synopsis: "value [mask]", summary: "search memory for a value under a mask")
    private let size: Int
    private let verb: FormatVerb
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { throw UsageError("a match verb follows /") }

    init(_ verb: FormatVerb, size: Int, _ words: [Argument]) throws {
        guard (1...2).contains(words.count) else { throw UsageError("usage: address/L value [mask]") }
        self.verb = verb
        self.size = size
        self.words = words
    }

    func run(_ call: Call) throws {
        let value = Spelling.masked(try call.number(words[0]), size: size)
        let mask = Spelling.masked(words.count > 1 ? try call.number(words[1]) : .max, size: size)
        var address = call.address
        while true {
            if call.context.isInterrupted() { throw Interrupted() }
            // A page at a time, so that the first unmapped byte ends the search where it is.
            let room = max(4096 - Int(address & 4095), size)
            let bytes: [UInt8]
            do { bytes = try call.interpreter.read(address, count: room, isPhysical: verb == .physical) } catch {
                call.state.dot = address
                throw error
            }
            var index = 0
            while index + size <= bytes.count {
                var number: UInt64 = 0
                for byte in 0..<size { number |= UInt64(bytes[index + byte]) << UInt64(8 * byte) }
                if number & mask == value {
                    let found = address &+ UInt64(index)
                    call.state.dot = found
                    return try ValueOutput.emit(found, nil, call)
                }
                index += size
            }
            address &+= UInt64(index)
        }
    }
}

/// `/v` `/w` `/W` `/Z` `/z`, and `::write`: refused, as nothing here is open for writing.
struct WriteCommand: DCmd {
    static let page = Page(
        "::write", synopsis: "[-op] [-l len] value", summary: "write memory (a dump is never written to)",
        options: ["-o  to the object file", "-p  to a physical address", "-l len  so many bytes"])
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        words = try Switches(arguments, of: "::write", flags: "op", valued: "l").rest
        guard words.count == 1 else { throw UsageError("usage: address::write \(Self.page.synopsis)") }
    }

    init(values: [Argument]) throws {
        guard !values.isEmpty else { throw UsageError("usage: address/W value ...") }
        words = values
    }

    func run(_ call: Call) throws {
        guard let first = words.first else { return }
        let value = try call.number(first)
        throw CommandError(
            "failed to write \(hex(value)) at address 0x\(hex(call.address)): target is not open for writing")
    }
}

/// `>x`, `>/l/x`.
struct AssignCommand: DCmd {
    static let page = Page(">", synopsis: "[/csil/]name", summary: "assign dot to a variable")
    private let name: String
    private let size: Int?

    init(_ arguments: [Argument]) throws { throw UsageError("a variable's name follows >") }

    init(_ name: String, size: Int?) throws {
        self.name = name
        self.size = size
    }

    /// Variables that a session may have; scripts make some.
    static let maximum = 10_000

    func run(_ call: Call) throws {
        let value = size.map { Spelling.masked(call.address, size: $0) } ?? call.address
        try Self.assign(name, value, call)
    }

    static func assign(_ name: String, _ value: UInt64, _ call: Call) throws {
        if call.interpreter.registers[name] != nil {
            throw CommandError("variable <\(name) is read-only: it is a register")
        }
        let variables = call.state.read(\.variables)
        if variables[name]?.isReadOnly == true { throw CommandError("variable <\(name) is read-only") }
        guard variables.count < maximum || variables[name] != nil else { throw CommandError("too many variables") }
        call.state.set(name, value)
    }
}

// The system as a whole: ::status, ::objects, ::mappings, ::vtop, ::context, ::msgbuf, ::version.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

struct StatusDCmd: DCmd {
    static let page = Page("::status", summary: "which system this is, and what it died of")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: ::status") }
    }

    func run(_ call: Call) throws {
        guard let source = call.context.kernel.capability((any SystemSource).self) else {
            throw CommandError("this kernel does not say what it is")
        }
        let summary = source.summary()
        let unknown = "(unknown)"
        var lines = [
            "debugging \(summary.dumpFormat) (64-bit) from \(summary.nodename ?? unknown)",
            "operating system: \(summary.system) \(summary.release ?? unknown) \(summary.version ?? "") (\(summary.machine ?? unknown))",
        ]
        lines.append("panic message: \(summary.panicMessage ?? "(none: the kernel did not panic)")")
        lines.append("dump content: \(summary.content)")
        func text(_ value: String?) -> FieldValue { value.map { .text($0) } ?? .none }
        try call.out.record(
            Record(
                "status",
                [
                    Field("nodename", nil, text(summary.nodename)), Field("system", nil, .text(summary.system)),
                    Field("release", nil, text(summary.release)), Field("version", nil, text(summary.version)),
                    Field("machine", nil, text(summary.machine)), Field("panic", nil, text(summary.panicMessage)),
                    Field("content", nil, .text(summary.content)), Field("format", nil, .text(summary.dumpFormat)),
                ], presentation: .block(lines)))
    }
}

/// `BASE LIMIT SIZE NAME`.
enum RegionLines {
    static func emit(_ regions: [NamedRegion], _ call: Call) throws {
        func column(_ text: String) -> String { String(repeating: " ", count: max(0, 16 - text.utf8.count)) + text }
        if !call.isPipe {
            try call.out.write(line: ["BASE", "LIMIT", "SIZE"].map(column).joined(separator: " ") + " NAME")
        }
        for region in regions {
            let limit = region.start.advanced(by: region.size)
            let line = [region.start.rawValue, limit.rawValue, region.size].map { column(hex($0)) }.joined(
                separator: " ")
            try call.out.record(
                Record(
                    "region",
                    [
                        Field("base", nil, .address(region.start.rawValue)),
                        Field("limit", nil, .address(limit.rawValue)), Field("size", nil, .unsigned(region.size)),
                        Field("name", nil, .text(region.name)),
                    ], presentation: .block([line + " " + region.name])))
        }
    }

    static func source(_ call: Call) throws -> any SystemSource {
        guard let source = call.context.kernel.capability((any SystemSource).self) else {
            throw CommandError("this kernel does not list what is loaded")
        }
        return source
    }
}

struct ObjectsDCmd: DCmd {
    static let page = Page("::objects", synopsis: "[-v]", summary: "the kernel and its modules with their addresses")

    init(_ arguments: [Argument]) throws { _ = try Switches(arguments, of: "::objects", flags: "v") }

    func run(_ call: Call) throws { try RegionLines.emit(try RegionLines.source(call).objects(), call) }
}

struct MappingsDCmd: DCmd {
    static let page = Page("::mappings", "$m", synopsis: "[name]", summary: "what the kernel's addresses are for")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard arguments.count <= 1 else { throw UsageError("usage: [address]::mappings [name]") }
        words = arguments
    }

    func run(_ call: Call) throws {
        let source = try RegionLines.source(call)
        var all = source.regions() + source.objects()
        if let name = try words.first.map({ try call.text($0) }) { all = all.filter { $0.name == name } }
        if call.hasAddress {
            all = all.filter { VirtualAddress(call.address).distance(from: $0.start) < $0.size }
            guard !all.isEmpty else { throw CommandError("0x\(hex(call.address)) is not in a mapping") }
        }
        try RegionLines.emit(all.sorted { ($0.start, $0.size) < ($1.start, $1.size) }, call)
    }
}

struct VtopDCmd: DCmd {
    static let page = Page(
        "::vtop", synopsis: "[-a as]", summary: "the physical address of a virtual one",
        options: ["-a as  in the memory of the process whose structure is there"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::vtop", valued: "a")
        try switches.expect(0...0, Self.page)
    }

    func run(_ call: Call) throws {
        let address = try call.required("::vtop")
        let target = try switches.value("a").map { try Process.target(try call.number($0), call) } ?? call.target
        let physical: PhysicalAddress
        do throws(MemoryFault) { physical = try target.space.translate(VirtualAddress(address)) } catch {
            throw CommandError("failed to get physical mapping: \(error)")
        }
        if call.isPipe { return try call.out.value(Item(physical.rawValue)) }
        try call.out.record(
            Record(
                "translation",
                [Field("virtual", nil, .address(address)), Field("physical", nil, .address(physical.rawValue))],
                presentation: .block(["virtual \(hex(address)) mapped to physical \(hex(physical.rawValue))"])))
    }
}

/// The memory of a process.
enum Process {
    static func target(_ task: UInt64, _ call: Call) throws -> Target {
        guard let source = call.context.kernel.capability((any UserMemorySource).self) else {
            throw CommandError("this kernel offers no memory of processes")
        }
        let pid: Int64
        do {
            pid = try call.context.target.object(.structure, "task_struct", at: VirtualAddress(task))["pid"].signed()
        } catch {
            throw CommandError("0x\(hex(task)) is no process: \(error)")
        }
        return call.context.target.over(try source.userSpace(pid: Int(clamping: pid)))
    }
}

struct ContextDCmd: DCmd {
    static let page = Page("::context", "$p", summary: "read the memory of a process (0: the kernel's)")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: process::context") }
    }

    func run(_ call: Call) throws {
        let address = try call.required("::context")
        guard address != 0 else {
            call.state.change { $0.process = nil }
            return try call.out.write(line: "debugger context set to kernel")
        }
        let target = try Process.target(address, call)
        call.state.change { $0.process = (VirtualAddress(address), target) }
        try call.out.write(line: "debugger context set to proc \(hex(address))")
    }
}

struct MsgbufDCmd: DCmd {
    static let page = Page(
        "::msgbuf", synopsis: "[-tTv]", summary: "the kernel's messages",
        options: ["-t  with the time since boot", "-T  with the date", "-v  with level and facility"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::msgbuf", flags: "tTv")
        try switches.expect(0...0, Self.page)
    }

    func run(_ call: Call) throws {
        guard let log = call.context.catalog["log"] else { throw CommandError("this kernel has no log") }
        if !call.isPipe { try call.out.write(line: "MESSAGE") }
        var words: [String] = []
        let offered = log.manual.options.map(\.flag)
        if switches.has("T"), offered.contains("-T") { words.append("-T") }
        let stage = try log.init(Arguments(words, text: words.joined(separator: " "), manual: log.manual))
        try stage.finish(call.context) { datum in
            guard case .record(let record) = datum, !switches.has("t"), !switches.has("T"), !switches.has("v"),
                case .text(let text)? = record["text"]
            else { return try call.out.datum(datum) }
            let plain = Record(
                record.kind, record.fields,
                presentation: .block(text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)))
            try call.out.record(plain)
        }
    }
}

struct PanicinfoDCmd: DCmd {
    static let page = Page(
        "::panicinfo", summary: "the CPU, the thread and the registers of the panic, and its message")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: ::panicinfo") }
    }

    func run(_ call: Call) throws {
        let cpu = try CPUChoice.cpu(try Switches([], of: "::panicinfo"), call)
        let message = try RegionLines.source(call).summary().panicMessage
        func line(_ name: String, _ value: String) -> String {
            String(repeating: " ", count: max(0, 16 - name.utf8.count)) + name + " "
                + String(repeating: " ", count: max(0, 16 - value.utf8.count)) + value
        }
        var lines = [line("cpu", "\(cpu.number)"), line("thread", hex(cpu.thread.rawValue))]
        lines.append(line("message", message ?? "(none: the kernel did not panic)"))
        lines += cpu.registers.map { line($0.name, hex($0.value)) }
        try call.out.record(
            Record(
                "panic",
                [
                    Field("cpu", nil, .signed(Int64(cpu.number))), Field("thread", nil, .address(cpu.thread.rawValue)),
                    Field("message", nil, message.map { .text($0) } ?? .none),
                ] + cpu.registers.map { Field($0.name, nil, .address($0.value)) }, presentation: .block(lines)))
    }
}

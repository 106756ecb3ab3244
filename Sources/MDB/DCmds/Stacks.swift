// Stacks and registers: ::stack $c $C ::stackregs ::findstack ::regs $r ::cpuregs ::cpustack.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target
internal import Unwind

/// Frames as mdb lists them.
enum StackLines {
    static func source(_ call: Call) throws -> any ThreadSource {
        guard let source = call.context.kernel.capability((any ThreadSource).self) else {
            throw CommandError("this kernel offers no threads")
        }
        return source
    }

    /// The thread whose stack is asked for: the one at the address, else the representative one.
    static func thread(_ call: Call) throws -> VirtualAddress {
        if call.hasAddress { return VirtualAddress(call.address) }
        guard let thread = try source(call).representative else { throw CommandError("no thread was running") }
        return thread
    }

    enum Style { case plain, verbose, registers, indented(Bool) }

    static func emit(_ thread: VirtualAddress, _ style: Style, _ call: Call) throws {
        let stack: Stack
        do { stack = try source(call).stack(of: thread) } catch {
            throw CommandError("the stack of 0x\(hex(thread.rawValue)) cannot be followed: \(error)")
        }
        if call.isPipe {
            for frame in stack.frames { try call.out.value(Item(frame.programCounter.rawValue)) }
            return
        }
        let layout = call.target.machine.layout
        var lines: [String] = []
        var records: [FieldValue] = []
        if case .indented = style {
            let pointer = stack.frames.first.flatMap { $0.registers[layout.stackPointer] }
            lines.append("stack pointer for thread \(hex(thread.rawValue)): \(pointer.map { hex($0) } ?? "unknown")")
        }
        for frame in stack.frames {
            let place = name(frame, call)
            let pointer = framePointer(frame, layout)
            records.append(
                .record(
                    Record(
                        "frame",
                        [
                            Field("pc", nil, .address(frame.programCounter.rawValue)),
                            Field("place", nil, .text(place)),
                            Field("frame", nil, pointer.map { .address($0) } ?? .none),
                        ])))
            let shown = pointer.map { hex($0, width: 16) } ?? String(repeating: "?", count: 16)
            switch style {
            case .plain: lines.append("\(place)()")
            case .verbose: lines.append("\(shown) \(place)()")
            case .indented(let verbose): lines.append(verbose ? "  \(shown) \(place)()" : "  \(place)()")
            case .registers:
                lines.append("\(place)()")
                let known = frame.registers.known.compactMap { number -> String? in
                    guard let name = layout.names[number], let value = frame.registers[number] else { return nil }
                    return "%\(name) = 0x\(hex(value, width: 16))"
                }
                for start in stride(from: 0, to: known.count, by: 2) {
                    let left = known[start] + String(repeating: " ", count: max(1, 28 - known[start].utf8.count))
                    lines.append("    " + (start + 1 < known.count ? left + known[start + 1] : known[start]))
                }
            }
        }
        if let why = stack.end.whyStopped {
            call.context.gaps.note(Gap("the rest of the stack of 0x\(hex(thread.rawValue))", why: why))
        }
        try call.out.record(
            Record(
                "stack", [Field("thread", nil, .address(thread.rawValue)), Field("frames", nil, .list(records))],
                presentation: .block(lines)))
    }

    /// The symbol by the call that a return address belongs to, the offset by the address itself.
    static func name(_ frame: Frame, _ call: Call) -> String {
        guard let (symbol, _) = call.names.nearest(frame.lookupAddress.rawValue) else {
            return "0x" + hex(frame.programCounter.rawValue)
        }
        return Names.join(symbol.name, frame.programCounter.distance(from: symbol.address))
    }

    /// Where a frame pointer would point: two words below the canonical frame address on x86-64 and ARM64.
    private static func framePointer(_ frame: Frame, _ layout: RegisterLayout) -> UInt64? {
        frame.frameAddress.map { $0.rawValue &- 16 } ?? frame.registers[layout.stackPointer]
    }
}

struct StackDCmd: DCmd {
    static let page = Page(
        "::stack", "$c", synopsis: "[count]", summary: "the stack of the thread that died, or of another")

    init(_ arguments: [Argument]) throws {
        _ = try Switches(arguments, of: "::stack", flags: "")
        guard arguments.count <= 1 else { throw UsageError("usage: [thread]::stack [count]") }
    }

    func run(_ call: Call) throws { try StackLines.emit(try StackLines.thread(call), .plain, call) }
}

struct VerboseStackDCmd: DCmd {
    static let page = Page("$C", synopsis: "[count]", summary: "the stack with frame pointers")

    init(_ arguments: [Argument]) throws {
        guard arguments.count <= 1 else { throw UsageError("usage: [thread]$C [count]") }
    }

    func run(_ call: Call) throws { try StackLines.emit(try StackLines.thread(call), .verbose, call) }
}

struct StackregsDCmd: DCmd {
    static let page = Page("::stackregs", summary: "the stack with the registers that are known in each frame")

    init(_ arguments: [Argument]) throws {
        guard arguments.count <= 1 else { throw UsageError("usage: [thread]::stackregs [count]") }
    }

    func run(_ call: Call) throws { try StackLines.emit(try StackLines.thread(call), .registers, call) }
}

struct FindstackDCmd: DCmd {
    static let page = Page(
        "::findstack", synopsis: "[-v]", summary: "the stack of a thread", options: ["-v  with frame pointers"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::findstack", flags: "v") }

    func run(_ call: Call) throws {
        _ = try call.required("::findstack")
        try StackLines.emit(VirtualAddress(call.address), .indented(switches.has("v")), call)
    }
}

struct CpustackDCmd: DCmd {
    static let page = Page(
        "::cpustack", synopsis: "[-v] [-c cpu]", summary: "the stack of the thread on a CPU",
        options: ["-c cpu  that CPU, by its number", "-v  with frame pointers"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws {
        switches = try Switches(arguments, of: "::cpustack", flags: "v", valued: "c")
    }

    func run(_ call: Call) throws {
        let cpu = try CPUChoice.cpu(switches, call)
        try StackLines.emit(cpu.thread, switches.has("v") ? .verbose : .plain, call)
    }
}

/// `-c cpu`, an address that is a CPU's number, or the CPU of the representative thread.
enum CPUChoice {
    static func cpu(_ switches: Switches, _ call: Call) throws -> CPUSnapshot {
        let source = try StackLines.source(call)
        let all = source.cpus()
        if let number = try switches.value("c").map(call.number) ?? (call.hasAddress ? call.address : nil) {
            guard let match = all.first(where: { UInt64($0.number) == number }) else {
                throw CommandError("there is no CPU \(number)")
            }
            return match
        }
        guard let cpu = all.first(where: { $0.thread == source.representative }) ?? all.first else {
            throw CommandError("the dump has no CPUs")
        }
        return cpu
    }
}

struct RegsDCmd: DCmd {
    static let page = Page("::regs", "$r", summary: "the registers of the thread that died")

    init(_ arguments: [Argument]) throws {
        guard arguments.isEmpty else { throw UsageError("usage: ::regs") }
    }

    func run(_ call: Call) throws {
        try RegisterLines.emit(try CPUChoice.cpu(try Switches([], of: "::regs"), call), call)
    }
}

struct CpuregsDCmd: DCmd {
    static let page = Page(
        "::cpuregs", synopsis: "[-c cpu]", summary: "the registers of a CPU", options: ["-c cpu  that CPU"])
    private let switches: Switches

    init(_ arguments: [Argument]) throws { switches = try Switches(arguments, of: "::cpuregs", valued: "c") }

    func run(_ call: Call) throws { try RegisterLines.emit(try CPUChoice.cpu(switches, call), call) }
}

/// mdb's page of registers.
enum RegisterLines {
    private static let left = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8"]
    private static let right = ["r9", "r10", "r11", "r12", "r13", "r14", "r15"]

    static func emit(_ cpu: CPUSnapshot, _ call: Call) throws {
        guard !cpu.registers.isEmpty else { throw CommandError("the dump has no registers of CPU \(cpu.number)") }
        let values = Dictionary(cpu.registers.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        func whole(_ name: String) -> String {
            let label = "%\(name)" + String(repeating: " ", count: max(0, 4 - name.utf8.count - 1))
            return "\(label) = " + (values[name].map { "0x\(hex($0, width: 16))" } ?? "?")
        }
        var lines: [String] = []
        if values["rax"] != nil {
            for (one, other) in zip(left, right) {
                let first = whole(one)
                lines.append(first + String(repeating: " ", count: max(1, 42 - first.utf8.count)) + whole(other))
            }
            lines.append("")
            lines.append(whole("rip") + (values["rip"].flatMap { call.names.name($0) }.map { " \($0)" } ?? ""))
            lines += [whole("rbp"), whole("rsp")]
            if let flags = values["rflags"] { lines += flagLines(flags) }
            lines.append("")
            let segments = ["cs", "ds", "es", "fs", "gs", "ss"].compactMap { name in
                values[name].map { "%\(name) = 0x\(hex($0, width: 4))" }
            }
            if !segments.isEmpty { lines.append(segments.joined(separator: "  ")) }
            for (name, shown) in [
                ("cr0", "cr0"), ("cr2", "cr2"), ("cr3", "cr3"), ("cr4", "cr4"), ("fs_base", "fsbase"),
                ("gs_base", "gsbase"), ("kernel_gs_base", "kgsbase"),
            ] {
                if let value = values[name] { lines.append("%\(shown) = 0x\(hex(value, width: 16))") }
            }
        } else {
            lines = cpu.registers.map { "%\($0.name) = 0x\(hex($0.value, width: 16))" }
        }
        let fields = [
            Field("cpu", nil, .signed(Int64(cpu.number))), Field("thread", nil, .address(cpu.thread.rawValue)),
        ]
        try call.out.record(
            Record(
                "registers", fields + cpu.registers.map { Field($0.name, nil, .address($0.value)) },
                presentation: .block(lines)))
    }

    /// The bits of RFLAGS; those of the status in capitals when they are set.
    private static func flagLines(_ flags: UInt64) -> [String] {
        func bit(_ number: UInt64) -> UInt64 { flags >> number & 1 }
        let status: [(String, UInt64)] = [
            ("of", 11), ("df", 10), ("if", 9), ("tf", 8), ("sf", 7), ("zf", 6), ("af", 4), ("pf", 2), ("cf", 0),
        ]
        let names = status.map { bit($0.1) == 1 ? $0.0.uppercased() : $0.0 }.joined(separator: ",")
        return [
            "%rflags = 0x\(hex(flags, width: 8))",
            "  id=\(bit(21)) vip=\(bit(20)) vif=\(bit(19)) ac=\(bit(18)) vm=\(bit(17)) rf=\(bit(16)) nt=\(bit(14)) "
                + "iopl=\(Spelling.prefixed(flags >> 12 & 3))",
            "  status=<\(names)>",
        ]
    }
}

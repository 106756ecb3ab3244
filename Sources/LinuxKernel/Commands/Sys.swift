// sys: which kernel and machine this is.

internal import Bytes
internal import Memory
package import Pipeline
internal import Target

package struct Sys: Stage {
    package static let manual = Manual(
        name: "sys", synopsis: "[-t]", summary: "the system: release, machine, CPUs, memory, times, dump, panic",
        options: [.init("-t", "What taints the kernel: the mask, its letters, their meanings")],
        examples: [.init("sys", "the system"), .init("sys -t", "what taints the kernel")])
    private let showsTaint: Bool

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.isEmpty else { throw UsageError("sys takes no operand; see: help sys") }
        showsTaint = arguments.has("-t")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        if showsTaint { return try taint(try linux(context), emit) }
        try emit(.record(Self.record(try linux(context), context.gaps)))
    }

    private func taint(_ kernel: LinuxKernel, _ emit: Emit) throws {
        guard let mask = kernel.taint else { throw CommandError("sys: tainted_mask cannot be read") }
        let meanings = Taint.meanings(mask)
        let lines = ["TAINTED_MASK: \(hex(mask))  \(Taint.letters(mask))"] + meanings.map { "  \($0)" }
        let fields = [
            Field("mask", nil, .address(mask)), Field("letters", nil, .text(Taint.letters(mask))),
            Field("meanings", nil, .list(meanings.map { .text($0) })),
        ]
        try emit(.record(Record("taint", fields, presentation: .block(lines))))
    }

    /// The system as one record, whose block has a line a fact.
    static func record(_ kernel: LinuxKernel, _ gaps: Gaps) -> Record {
        let identity = Identity(kernel)
        var lines: [(String, String)] = []
        var fields: [Field] = []
        func add(_ name: String, _ label: String, _ text: String?, _ value: FieldValue) {
            fields.append(Field(name, nil, value))
            if let text { lines.append((label, text)) }
        }
        func text(_ name: String, _ label: String, _ result: Result<String, any Error>) {
            switch result {
            case .success(let text): add(name, label, text, .text(text))
            case .failure(let error):
                gaps.note("the \(label.lowercased())", error)
                add(name, label, "unreadable: \(error)", .gap("\(error)"))
            }
        }
        text("release", "RELEASE", identity.release)
        text("version", "VERSION", identity.version)
        text("machine", "MACHINE", identity.machine)
        text("nodename", "NODENAME", identity.nodename)
        let cpus = identity.cpus
        add(
            "cpus", "CPUS",
            cpus.online == cpus.possible ? "\(cpus.online)" : "\(cpus.online) online, \(cpus.possible) possible",
            .signed(Int64(cpus.online)))
        add("cpus_possible", "CPUS", nil, .signed(Int64(cpus.possible)))
        add(
            "memory_bytes", "MEMORY", identity.memory.map(byteSize) ?? "unreadable",
            identity.memory.map { .unsigned($0) } ?? .gap("unreadable"))
        add(
            "time", "TIME", identity.time.map { "\(utcTime($0.seconds)) (\($0.source))" } ?? "unknown",
            identity.time.map { .unsigned($0.seconds) } ?? .none)
        add("time_source", "TIME", nil, identity.time.map { .text($0.source) } ?? .none)
        add(
            "uptime_ns", "UPTIME", identity.uptime.map(elapsed) ?? "unreadable",
            identity.uptime.map { .unsigned($0) } ?? .gap("unreadable"))
        if let load = identity.loadAverage {
            let words = load.map { "\($0 / 100).\($0 % 100 < 10 ? "0" : "")\($0 % 100)" }
            add("load_average", "LOAD AVERAGE", words.joined(separator: ", "), .list(words.map { .text($0) }))
        }
        if let table = try? kernel.tasks() {
            add("tasks", "TASKS", "\(table.tasks.count)", .signed(Int64(table.tasks.count)))
        }
        let facts = kernel.facts
        var format = facts.format
        // "none" alone goes without saying, and reads as if there were no pages.
        if facts.compression.contains(where: { $0 != "none" }) {
            format += ", pages: " + facts.compression.joined(separator: " ")
        }
        add("dump_format", "DUMP", format, .text(format))
        add("dump_files", "FILES", facts.files.joined(separator: " "), .list(facts.files.map { .text($0) }))
        if let level = facts.dumpLevel {
            let kinds = filteredKinds(level)
            add(
                "dump_level", "LEFT OUT",
                kinds.isEmpty ? "nothing" : kinds.joined(separator: ", ") + " pages (level \(level))",
                .unsigned(UInt64(level)))
        }
        if let bits = kernel.taint {
            let meanings = Taint.meanings(bits)
            add(
                "taint", "TAINT", bits == 0 ? "none" : "\(Taint.letters(bits)) (\(meanings.joined(separator: ", ")))",
                .text(Taint.letters(bits)))
        }
        if let cpu = kernel.panicCPU, let task = try? cpu.current {
            add(
                "panic_cpu", "PANIC ON", "CPU \(cpu.number), task \(StackOutput.name(task))", .signed(Int64(cpu.number))
            )
            add("panic_pid", "PANIC ON", nil, (try? task.pid).map { .signed(Int64($0)) } ?? .gap("unreadable"))
        }
        let width = lines.map(\.0.count).max() ?? 0
        let block = lines.map { String(repeating: " ", count: width - $0.0.count) + $0.0 + ": " + $0.1 }
        return Record("system", fields, presentation: .block(block))
    }
}

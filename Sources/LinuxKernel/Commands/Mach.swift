// mach: the machine as its kernel sees it.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Mach: Stage {
    package static let manual = Manual(
        name: "mach", synopsis: "[-c] [-m] [-x | -d]", summary: "the machine: memory, CPUs, addresses, stacks",
        options: [
            .init("-c", "Each CPU's cpu_info"), .init("-m", "The firmware's map of physical memory"),
            .init("-x", "With -c: numbers in hexadecimal"), .init("-d", "With -c: numbers in decimal"),
        ],
        examples: [.init("mach", "the machine"), .init("mach -m", "what the firmware said of its memory")])
    private let showsCPUs: Bool
    private let showsMap: Bool
    private let isHexadecimal: Bool

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.isEmpty else { throw UsageError("mach takes no operand; see: help mach") }
        showsCPUs = arguments.has("-c")
        showsMap = arguments.has("-m")
        isHexadecimal = arguments.has("-x") && !arguments.has("-d")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        if showsCPUs { try cpus(kernel, context, emit) }
        if showsMap { try map(kernel, emit) }
        if !showsCPUs, !showsMap { try machine(kernel, emit) }
    }

    private func machine(_ kernel: LinuxKernel, _ emit: Emit) throws {
        let identity = Identity(kernel)
        var lines: [(String, String)] = []
        var fields: [Field] = []
        func add(_ name: String, _ label: String, _ text: String?, _ value: FieldValue) {
            if let text { lines.append((label, text)) }
            fields.append(Field(name, nil, value))
        }
        let name = try? identity.machine.get()
        add("machine", "MACHINE TYPE", name, name.map { .text($0) } ?? .gap("unreadable"))
        add(
            "memory_bytes", "MEMORY SIZE", identity.memory.map(byteSize), identity.memory.map { .unsigned($0) } ?? .none
        )
        let count = kernel.cpus.cpus.count
        add("cpus", "CPUS", "\(count)", .signed(Int64(count)))
        // The kernel's own measurement, in kHz.
        let speed = try? Globals.word(kernel.model, "cpu_khz", size: 4)
        add(
            "cpu_khz", "PROCESSOR SPEED", speed.map { "\($0 / 1000) Mhz" },
            speed.map { .unsigned($0) } ?? .gap("unreadable"))
        add("page_size", "PAGE SIZE", "4096", .unsigned(4096))
        for (region, label) in [
            ("direct map", "KERNEL VIRTUAL BASE"), ("vmalloc", "KERNEL VMALLOC BASE"),
            ("vmemmap", "KERNEL VMEMMAP BASE"), ("kernel image", "KERNEL START MAP"),
            ("modules", "KERNEL MODULES BASE"),
        ] {
            let start = kernel.regions.first { $0.name == region }?.range.lowerBound.rawValue
            let field = region.split(separator: " ").joined(separator: "_") + "_base"
            add(field, label, start.map { hex($0) }, start.map { .address($0) } ?? .none)
        }
        let size = kernel.stackSize
        add("stack_size", "KERNEL STACK SIZE", "\(size)", .unsigned(size))
        var stacks: [FieldValue] = []
        for stack in kernel.architecture.cpuStacks(kernel.model) {
            lines.append(
                ("\(stack.name) STACK OF CPU \(stack.cpu)", "\(hex(stack.start.rawValue))  (\(stack.size) bytes)"))
            stacks.append(
                .record(
                    Record(
                        "stack",
                        [
                            Field("cpu", nil, .signed(Int64(stack.cpu))), Field("name", nil, .text(stack.name)),
                            Field("address", nil, .address(stack.start.rawValue)),
                            Field("size", nil, .unsigned(stack.size)),
                        ], presentation: .none)))
        }
        fields.append(Field("stacks", nil, .list(stacks)))
        let width = lines.map(\.0.count).max() ?? 0
        let block = lines.map { String(repeating: " ", count: width - $0.0.count) + $0.0 + ": " + $0.1 }
        try emit(.record(Record("machine", fields, presentation: .block(block))))
    }

    private func cpus(_ kernel: LinuxKernel, _ context: Context, _ emit: Emit) throws {
        var options = FormatOptions()
        options.hexadecimal = isHexadecimal
        let formatter = ValueFormatter(options)
        for cpu in kernel.cpus.cpus {
            guard let symbol = kernel.model.symbols.symbol(named: "cpu_info"),
                let type = try context.target.types.lookup(.structure, "cpuinfo_x86"),
                cpu.number < kernel.model.perCPU.offsets.count, let offset = kernel.model.perCPU.offsets[cpu.number]
            else { throw CommandError("mach: this kernel has no cpu_info") }
            let value = Value(
                target: context.target, type: type, place: .memory(symbol.address.advanced(by: offset)))
            let tree = formatter.tree(value)
            ValueFields.note(tree, "cpu_info of CPU \(cpu.number)", context.gaps)
            let lines = ["CPU \(cpu.number):", "struct cpuinfo_x86 " + formatter.lines(tree).joined(separator: "\n")]
            let fields = [
                Field("cpu", nil, .signed(Int64(cpu.number))), Field("value", nil, ValueFields.field(tree)),
            ]
            try emit(.record(Record("cpu", fields, presentation: .block(lines + [""]), subject: value)))
        }
    }

    /// `e820_table` (arch/x86/include/asm/e820/types.h).
    private func map(_ kernel: LinuxKernel, _ emit: Emit) throws {
        let names: [UInt64: String] = [
            1: "RAM", 2: "RESERVED", 3: "ACPI", 4: "NVS", 5: "UNUSABLE", 7: "PMEM", 12: "PRAM",
            0xefff_ffff: "SOFT_RESERVED", 128: "RESERVED_KERN",
        ]
        guard kernel.model.symbols.symbol(named: "e820_table") != nil else {
            throw CommandError("mach: this kernel has no map of the firmware's")
        }
        let table = try Globals.pointee(kernel.model, "e820_table", "e820_table")
        let count = min(try table["nr_entries"].unsigned(), 4096)
        for index in 0..<Int64(count) {
            let entry = try table["entries"].element(index)
            let start = try entry["addr"].unsigned()
            let end = start &+ (try entry["size"].unsigned())
            let kind = try entry["type"].unsigned()
            try emit(
                .record(
                    Record(
                        "range",
                        [
                            Field("start", "START", .address(start)), Field("end", "END", .address(end)),
                            Field("type", "TYPE", .text("E820_" + (names[kind] ?? "\(kind)"))),
                        ])))
        }
    }
}

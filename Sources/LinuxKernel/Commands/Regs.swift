// regs: the registers of the panic, of a frame, of each CPU.

internal import Bytes
internal import DebugModel
internal import Machine
package import Pipeline
internal import Target
internal import Unwind

package struct Regs: Stage {
    package static let manual = Manual(
        name: "regs", synopsis: "[-a | -c CPU | -p]",
        summary: "registers of the current frame, of the CPUs, of the panic",
        text: """
            Without a word: the registers of the current frame (see `set` and `frame`) as far as unwinding knows them. A \
            register that a called function may have changed is unknown there, which is shown as a dash. Of a CPU: what the \
            dump's notes have, control and segment registers too. Of the panic: what the innermost exception of the \
            panicked task saved.
            """,
        options: [
            .init("-a", "each CPU's"), .init("-c", "CPU", "this CPU's; repeatable"), .init("-p", "the panic's"),
        ],
        examples: [
            .init("regs", "the current frame's"), .init("regs -a", "each CPU's"), .init("regs -c 0", "the first CPU's"),
        ], section: .tasks)
    private let arguments: Arguments
    private let wanted: [Int]

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.isEmpty else { throw UsageError("regs: takes options alone; see: help regs") }
        self.arguments = arguments
        wanted = try arguments.all("-c").map { word in
            guard let number = Int(word) else { throw UsageError("regs: \(word) is no CPU number") }
            return number
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        if arguments.has("-a") || !wanted.isEmpty {
            for number in wanted where !kernel.cpus.cpus.contains(where: { $0.number == number }) {
                throw CommandError("there is no CPU \(number)")
            }
            for cpu in kernel.cpus.cpus where arguments.has("-a") || wanted.contains(cpu.number) {
                try show(cpu, kernel, context, emit)
            }
            return
        }
        if arguments.has("-p") { return try panic(kernel, emit) }
        let focus = context.session.focus
        let task = try Focused.task(focus.task, kernel)
        let listing = StackListing(try StackReader(kernel).stack(of: task), kernel.model)
        let frames = listing.stack.stack.frames
        guard listing.frames.indices.contains(focus.frame), frames.indices.contains(listing.frames[focus.frame].index)
        else {
            if case .userMode(let registers) = listing.stack.stack.end {
                return try RegisterPage("task \(StackOutput.name(task)), in user mode", registers, [], kernel).emit(
                    emit)
            }
            throw CommandError("task \(StackOutput.name(task)) has no frame \(focus.frame)")
        }
        let frame = frames[listing.frames[focus.frame].index]
        let title = "task \(StackOutput.name(task)), frame #\(focus.frame)"
        try RegisterPage(title, frame.registers, [], kernel).emit(emit)
    }

    private func show(_ cpu: CPU, _ kernel: LinuxKernel, _ context: Context, _ emit: Emit) throws {
        guard let state = kernel.state(of: cpu) else {
            let why = "the dump has no registers of CPU \(cpu.number)"
            context.gaps.note(Gap("the registers of CPU \(cpu.number)", why: why))
            let fields = [Field("what", nil, .text("CPU \(cpu.number)")), Field("error", nil, .gap(why))]
            return try emit(
                .record(Record("registers", fields, presentation: .block(["CPU \(cpu.number): \(why)", ""]))))
        }
        let task = (try? cpu.current).map { ", task \(StackOutput.name($0))" } ?? ""
        let mode = state.isUserMode.map { $0 ? ", in user mode" : "" } ?? ""
        try RegisterPage("CPU \(cpu.number)\(task)\(mode), from \(state.source)", state.registers, state.others, kernel)
            .emit(emit)
    }

    /// What the exception saved that the panicked task ran into; without one, where the CPU was when it was stopped.
    private func panic(_ kernel: LinuxKernel, _ emit: Emit) throws {
        guard let cpu = kernel.panicCPU else { throw CommandError("the kernel did not panic") }
        let stack = try StackReader(kernel).stack(of: cpu)
        let name = StackOutput.name(stack.task)
        let frames = stack.stack.frames
        if let index = frames.indices.dropFirst().first(where: { frames[$0].wasInterrupted }) {
            let title = "the exception in task \(name)"
            return try RegisterPage(title, frames[index].registers, [], kernel).emit(emit)
        }
        guard let state = kernel.state(of: cpu) else {
            throw CommandError("the dump has no registers of CPU \(cpu.number)")
        }
        let title = "CPU \(cpu.number) when it was stopped: panic was called, no exception led there"
        try RegisterPage(title, state.registers, state.others, kernel).emit(emit)
    }
}

/// A set of registers as crash shows them, three in a line.
private struct RegisterPage {
    private let title: String
    private let registers: Registers
    private let others: [(name: String, value: UInt64)]
    private let kernel: LinuxKernel

    init(_ title: String, _ registers: Registers, _ others: [(name: String, value: UInt64)], _ kernel: LinuxKernel) {
        self.title = title
        self.registers = registers
        self.others = others
        self.kernel = kernel
    }

    func emit(_ emit: Emit) throws {
        let layout = kernel.model.machine.layout
        let numbers = layout.names.keys.sorted { $0.rawValue < $1.rawValue }.filter { $0 != layout.programCounter }
        var lines = [title]
        if let counter = registers[layout.programCounter] {
            let symbol = kernel.model.symbols.describe(VirtualAddress(counter)).map { "  <\($0)>" } ?? ""
            lines.append("  \(name(layout.programCounter)): \(hex(counter, width: 16))\(symbol)")
        } else {
            lines.append("  \(name(layout.programCounter)): -")
        }
        var cells = numbers.map { "\(name($0)): " + (registers[$0].map { hex($0, width: 16) } ?? "-               ") }
        let known = Set(numbers.compactMap { layout.names[$0] })
        cells += others.filter { !known.contains($0.name) }.map {
            "\(padded($0.name.uppercased())): \(hex($0.value, width: 16))"
        }
        for start in stride(from: 0, to: cells.count, by: 3) {
            lines.append("  " + cells[start..<min(start + 3, cells.count)].joined(separator: "  "))
        }
        let values = ([layout.programCounter] + numbers).map { number in
            Field(layout.names[number] ?? "?", nil, registers[number].map { .address($0) } ?? .none)
        }
        let fields = [
            Field("what", nil, .text(title)), Field("registers", nil, .record(Record("values", values))),
            Field(
                "others", nil, .record(Record("values", others.map { Field($0.name, nil, .address($0.value)) }))),
        ]
        try emit(.record(Record("registers", fields, presentation: .block(lines.map { Escaping.text($0) } + [""]))))
    }

    private func name(_ number: RegisterNumber) -> String {
        padded((kernel.model.machine.layout.names[number] ?? "?").uppercased())
    }

    private func padded(_ name: String) -> String { String(repeating: " ", count: max(0, 6 - name.utf8.count)) + name }
}

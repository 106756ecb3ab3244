// The stack of a task: of one that waits, from where it was switched out; of one on a CPU, from the CPU's registers.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
package import Unwind

/// Where a stack's first registers came from.
package enum StackOrigin: Sendable, Equatable {
    /// `thread.sp` of a task that was switched out.
    case switchedOut
    /// The dump's note for a CPU: its number, and which kind of note.
    case cpu(Int, note: String)
}

/// A task's stack, or why there is none.
package struct TaskStack: Sendable {
    package let task: Task
    package let origin: StackOrigin
    package let stack: Stack
    /// Other things to know of this stack: its end marker was overwritten, it is empty.
    package let remarks: [String]
}

/// Makes stacks for one kernel.
package struct StackReader: Sendable {
    private let kernel: LinuxKernel
    private let unwinder: Unwinder

    /// `STACK_END_MAGIC` (include/uapi/linux/magic.h), in the lowest word of every kernel stack.
    private static let endMagic: UInt64 = 0x57ac_6e9d

    package init(_ kernel: LinuxKernel) {
        self.kernel = kernel
        let target = kernel.model
        let text = TextRanges(target, kernel.modules)
        unwinder = Unwinder(
            machine: target.machine, space: target.space, sources: target.debug.flatMap(\.sources.unwind),
            isText: { [generated = kernel.generated] in text.contains($0) || generated.contains($0) })
    }

    /// The stack of a task. Throws when its start cannot be read; everything later is in the stack's end.
    package func stack(of task: Task) throws -> TaskStack {
        if let cpu = try runningOn(task) {
            guard let state = kernel.state(of: cpu) else {
                throw ValueError.absent("it runs on CPU \(cpu.number), of which the dump has no registers")
            }
            return try stack(of: task, on: cpu, state)
        }
        let stack = try task.stack
        guard !stack.isNull else {
            return TaskStack(task: task, origin: .switchedOut, stack: Stack(frames: [], end: .exited), remarks: [])
        }
        let start = try kernel.architecture.switchedOut(task)
        let unwound = unwinder.unwind(from: start.registers, isReturnAddress: start.hasRun)
        let end = start.hasRun ? unwound.end : .neverRan
        return TaskStack(
            task: task, origin: .switchedOut, stack: Stack(frames: unwound.frames, end: end),
            remarks: try endMarker(stack))
    }

    /// The stack of whatever runs on a CPU.
    package func stack(of cpu: CPU) throws -> TaskStack {
        guard let state = kernel.state(of: cpu) else {
            throw ValueError.absent("the dump has no registers of CPU \(cpu.number)")
        }
        return try stack(of: try cpu.current, on: cpu, state)
    }

    private func stack(of task: Task, on cpu: CPU, _ state: CPUState) throws -> TaskStack {
        let origin = StackOrigin.cpu(cpu.number, note: state.source)
        let stack: Stack
        if state.isUserMode == true {
            stack = Stack(frames: [], end: .userMode(state.registers))
        } else {
            stack = unwinder.unwind(from: state.registers, isReturnAddress: false)
        }
        let remarks = (try? endMarker(try task.stack)) ?? []
        return TaskStack(task: task, origin: origin, stack: stack, remarks: remarks)
    }

    /// The CPU on which the task is current, if any.
    private func runningOn(_ task: Task) throws -> CPU? {
        kernel.cpus.cpus.first { (try? $0.current.address) == task.address }
    }

    private func endMarker(_ stack: VirtualAddress) throws -> [String] {
        guard !stack.isNull, let word = try? kernel.model.space.word(stack), word != Self.endMagic else { return [] }
        return ["the end marker of the stack at \(stack) is 0x\(hex(word)): the stack has overflowed"]
    }
}

/// Where kernel code is: the image's text, entry and init text, and each module's.
struct TextRanges: Sendable {
    private let image: ClosedRange<VirtualAddress>?
    private let modules: [ModuleRegion]

    init(_ target: Target, _ modules: ModuleTable) {
        func address(_ name: String) -> VirtualAddress? { target.symbols.symbol(named: name)?.address }
        if let start = address("_stext") ?? address("_text"), let end = address("_etext"), start < end {
            // Init text, past _etext, is code only until the kernel has booted.
            image = start...max(end, address("_einittext") ?? end)
        } else {
            image = nil
        }
        self.modules = modules.modules.flatMap(\.regions).filter {
            $0.kind.contains("text") || $0.kind == "core" || $0.kind == "init"
        }
    }

    func contains(_ address: VirtualAddress) -> Bool {
        image?.contains(address) == true || modules.contains { $0.contains(address) }
    }
}

extension LinuxKernel {
    /// The registers of a CPU. A note says to which CPU it belongs by its per-CPU base; notes without one are
    /// matched by the stack that their stack pointer lies in, and only then by their position.
    func state(of cpu: CPU) -> CPUState? {
        if cpu.number < target.perCPU.offsets.count, let base = target.perCPU.offsets[cpu.number],
            let match = states.first(where: { $0.perCPUBase == base })
        {
            return match
        }
        let layout = target.machine.layout
        if let current = try? cpu.current, let stack = try? current.stack {
            let match = states.first { state in
                guard state.perCPUBase == nil, let pointer = state.registers[layout.stackPointer] else { return false }
                return VirtualAddress(pointer).distance(from: stack) < 0x4000
            }
            if let match { return match }
        }
        guard let position = cpus.cpus.firstIndex(where: { $0.number == cpu.number }), position < states.count,
            states.count == cpus.cpus.count, states[position].perCPUBase == nil
        else { return nil }
        return states[position]
    }
}

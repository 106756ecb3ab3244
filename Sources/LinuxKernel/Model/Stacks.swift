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
    /// The machine frames whose address is said to be a return address and follows no call.
    package let suspects: Set<Int>
}

/// Makes stacks for one kernel.
package struct StackReader: Sendable {
    private let kernel: LinuxKernel
    private let unwinder: Unwinder
    private let returnAddresses: ReturnAddresses
    private let stackSize: UInt64

    /// `STACK_END_MAGIC` (include/uapi/linux/magic.h), in the lowest word of every kernel stack.
    private static let endMagic: UInt64 = 0x57ac_6e9d

    package init(_ kernel: LinuxKernel) {
        self.kernel = kernel
        let target = kernel.model
        let text = TextRanges(target, kernel.modules)
        returnAddresses = ReturnAddresses(target)
        stackSize = target.stackSize
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
            return TaskStack(
                task: task, origin: .switchedOut, stack: Stack(frames: [], end: .exited), remarks: [],
                suspects: [])
        }
        let start = try kernel.architecture.switchedOut(task)
        let unwound = unwinder.unwind(from: start.registers, isReturnAddress: start.hasRun)
        let end = start.hasRun ? unwound.end : .neverRan
        return TaskStack(
            task: task, origin: .switchedOut, stack: Stack(frames: unwound.frames, end: end),
            remarks: try endMarker(stack) + place(start.registers, stack),
            suspects: returnAddresses.suspects(unwound.frames))
    }

    /// The stack of whatever runs on a CPU.
    package func stack(of cpu: CPU) throws -> TaskStack {
        guard let state = kernel.state(of: cpu) else {
            throw ValueError.absent("the dump has no registers of CPU \(cpu.number)")
        }
        return try stack(of: try cpu.current, on: cpu, state)
    }

    /// The stack of the CPU whose registers these are, of a kernel without types: of which task it is nobody can tell, and the
    /// stack's task is none.
    func stack(of state: CPUState, number: Int) -> TaskStack {
        let stack = unwound(state)
        let nobody = Task(Value(target: kernel.model, type: .void, place: .memory(VirtualAddress(0))))
        return TaskStack(
            task: nobody, origin: .cpu(number, note: state.source), stack: stack, remarks: [],
            suspects: returnAddresses.suspects(stack.frames))
    }

    private func unwound(_ state: CPUState) -> Stack {
        state.isUserMode == true
            ? Stack(frames: [], end: .userMode(state.registers))
            : unwinder.unwind(from: state.registers, isReturnAddress: false)
    }

    private func stack(of task: Task, on cpu: CPU, _ state: CPUState) throws -> TaskStack {
        let origin = StackOrigin.cpu(cpu.number, note: state.source)
        let stack = unwound(state)
        let remarks = (try? endMarker(try task.stack)) ?? []
        return TaskStack(
            task: task, origin: origin, stack: stack, remarks: remarks,
            suspects: returnAddresses.suspects(stack.frames))
    }

    /// The CPU on which the task is current, if any.
    private func runningOn(_ task: Task) throws -> CPU? {
        kernel.cpus.cpus.first { (try? $0.current.address) == task.address }
    }

    /// A task that was switched out left its stack pointer on its own stack.
    private func place(_ registers: Registers, _ stack: VirtualAddress) -> [String] {
        guard let pointer = registers[kernel.model.machine.layout.stackPointer],
            VirtualAddress(pointer).distance(from: stack) >= stackSize
        else { return [] }
        return ["the stack pointer 0x\(hex(pointer)) is not on the stack at \(stack), which has \(stackSize) bytes"]
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

    /// Each range of code, from its first address to behind its last.
    var ranges: [Range<UInt64>] {
        let own = image.map { [$0.lowerBound.rawValue..<$0.upperBound.rawValue] } ?? []
        return own
            + modules.compactMap { region in
                let (end, overflow) = region.start.rawValue.addingReportingOverflow(region.size)
                return overflow || region.size == 0 ? nil : region.start.rawValue..<end
            }
    }

    func contains(_ address: VirtualAddress) -> Bool {
        image?.contains(address) == true || modules.contains { $0.contains(address) }
    }
}

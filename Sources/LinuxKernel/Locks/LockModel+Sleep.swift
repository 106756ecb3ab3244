// How long a task has slept, and whether it will wake by itself.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
internal import Unwind

extension LockModel {
    /// Nanoseconds since the task last ran; nil when unknown.
    func sinceLastRun(_ task: Task) -> UInt64? { clock.sinceLastRun(task) }

    /// A timer may wake the task: the live part of its stack has the functions that timers of sleepers call (kernel/time/timer.c,
    /// hrtimer.c). Words that are left over from earlier calls say so too: no is sure, yes is not.
    func hasTimer(_ task: Task) -> Bool {
        let model = kernel.model
        guard let stack = try? stacks.stack(of: task).stack,
            let start = stack.frames.first?.registers[model.machine.layout.stackPointer], let base = try? task.stack
        else { return true }
        let functions = Set(
            ["process_timeout", "hrtimer_wakeup"].compactMap { model.symbols.symbol(named: $0)?.address.rawValue })
        let size = base.advanced(by: model.stackSize).distance(from: VirtualAddress(start))
        guard size <= model.stackSize,
            let bytes = try? model.space.read(VirtualAddress(start), count: Int(clamping: size & ~7))
        else { return true }
        return bytes.withBytes { span in
            (0..<bytes.count / 8).contains { functions.contains(span.little($0 &* 8, as: UInt64.self) ?? 0) }
        }
    }
}

extension LockModel {
    /// The task is the one that runs on some CPU.
    func isOnCPU(_ task: Task) -> Bool { cpu(of: task.address) != nil }

    /// The CPU that the task runs on; nil when it is switched out.
    func cpu(of task: VirtualAddress) -> CPU? {
        kernel.cpus.cpus.first { (try? $0.current.address) == task }
    }
}

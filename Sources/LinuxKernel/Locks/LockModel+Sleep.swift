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

    /// A timer will wake the task: on the live part of its stack lies one that is pending, and calls what the timers of
    /// sleepers call (kernel/time/timer.c, hrtimer.c). Also when that cannot be read.
    func hasTimer(_ task: Task) -> Bool {
        let model = kernel.model
        guard let stack = try? stacks.stack(of: task).stack,
            let start = stack.frames.first?.registers[model.machine.layout.stackPointer], let base = try? task.stack
        else { return true }
        let size = base.advanced(by: model.stackSize).distance(from: VirtualAddress(start))
        guard size <= model.stackSize,
            let bytes = try? model.space.read(VirtualAddress(start), count: Int(clamping: size & ~7))
        else { return true }
        func isAny(_ function: String, _ isPending: (VirtualAddress) -> Bool) -> Bool {
            guard let entry = model.symbols.symbol(named: function)?.address else { return false }
            return StackWaiters.places(of: entry.rawValue, in: bytes).contains {
                isPending(VirtualAddress(start).advanced(by: UInt64(clamping: $0) &* 8))
            }
        }
        return isAny("process_timeout", isPendingTimer) || isAny("hrtimer_wakeup", isPendingHRTimer)
    }

    /// Whether the timer whose function stands there is on a list: what was on one before has no `pprev` any more.
    private func isPendingTimer(_ function: VirtualAddress) -> Bool {
        let model = kernel.model
        guard let own = model.offset(of: "function", in: "timer_list"),
            let back = model.offset(of: "entry.pprev", in: "timer_list")
        else { return true }
        let timer = function.advanced(by: 0 &- own)
        guard let place = try? model.space.word(timer.advanced(by: back)) else { return true }
        return place != 0 && (try? model.space.word(VirtualAddress(place))) == timer.rawValue
    }

    /// HRTIMER_STATE_ENQUEUED is 1.
    private func isPendingHRTimer(_ function: VirtualAddress) -> Bool {
        let model = kernel.model
        guard let own = model.offset(of: "function", in: "hrtimer"),
            let state = model.offset(of: "state", in: "hrtimer"),
            let value = try? model.space.unsigned(function.advanced(by: state &- own), size: 1)
        else { return true }
        return value & 1 != 0
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

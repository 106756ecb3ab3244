// Locks that a task still has although it has gone back to user mode since it took them.
//
// The lock's own word names the task, and no function on its stack took it. A stack begins where the task last entered the
// kernel: what it took before that, it took before it went back to user mode. It remains to be excluded that it took the
// lock since, in functions that have returned: their code is followed.

internal import Bytes
internal import DebugModel
internal import Recovery
internal import Target
internal import Unwind

/// What became of the owner of a lock of whom no function is seen to have taken it.
enum UserReturn {
    /// It went back to user mode with it: nothing else can have happened.
    /// `function`: the outermost one on its stack, but for the entry.
    case returned(because: String, function: String)
    /// That may be, or it took the lock where it is now.
    case conceivable(doubt: String)
    /// The task began after others had begun to wait: the owner has exited, and its structure is another task's now.
    case reused
}

struct UserReturnSearch {
    private let model: LockModel
    private let kernel: LinuxKernel

    /// Those that only their owner gives back.
    private static let owned: Set<LockClass> = [.mutex, .wwMutex, .rtMutex, .rtSpinlock]
    /// The ends of stacks of tasks that lost the CPU on their way to user mode (kernel/entry/common.c; before 5.8
    /// arch/x86/entry/common.c): nothing there takes a lock and keeps it.
    private static let ways: Set<String> = [
        "__schedule", "schedule", "preempt_schedule_irq", "exit_to_user_mode_loop", "exit_to_user_mode_prepare",
        "irqentry_exit_to_user_mode", "irqentry_exit", "syscall_exit_to_user_mode", "syscall_exit_to_user_mode_prepare",
        "prepare_exit_to_usermode", "exit_to_usermode_loop", "syscall_return_slowpath", "do_syscall_64",
        "do_fast_syscall_32", "__do_fast_syscall_32", "do_int80_syscall_32", "do_SYSENTER_32", "retint_user",
        "swapgs_restore_regs_and_return_to_usermode", "ret_from_fork", "ret_from_fork_asm",
    ]

    init(_ model: LockModel) {
        self.model = model
        kernel = model.kernel
    }

    /// Nil when the task is none of user space, is running, or may have taken the lock where it stands.
    func judge(_ owner: VirtualAddress, _ steps: [WaitStep]) -> UserReturn? {
        guard let task = model.task(owner), (try? task.memory).flatMap({ $0 }) != nil, !steps.isEmpty,
            steps.allSatisfy({
                Self.owned.contains($0.wait.lockClass) && $0.holder.grade == .exact && $0.holder.acquisition == nil
            }), let stack = try? model.stacks.stack(of: task), stack.origin == .switchedOut
        else { return nil }
        // Who is about to take it has it already when the one before has handed it over (MUTEX_FLAG_PICKUP is 4).
        if steps.contains(where: { $0.wait.lockClass != .rtMutex && (word($0.wait) ?? 4) & 4 != 0 }) { return nil }
        if isYounger(task, steps) { return .reused }
        guard case .userMode = stack.stack.end else { return nil }
        let names = stack.stack.frames.map { kernel.model.symbols.symbol(covering: $0.lookupAddress)?.name ?? "?" }
        let outermost = names.last { !Self.isEntry($0) && !Self.ways.contains($0) }
        if names.allSatisfy({ Self.ways.contains($0) || Self.isEntry($0) }) {
            return .returned(because: "it lost the CPU on its way to user mode", function: "schedule")
        }
        let search = steps.contains { $0.wait.lockClass == .rtSpinlock } ? model.takenSpinSearch : model.takenSearch
        if let doubt = doubts(stack, names, task, search).first { return .conceivable(doubt: doubt) }
        let function = outermost ?? "schedule"
        return .returned(
            because: "it is in \(function) now, where no function took a lock of this kind and kept it",
            function: function)
    }

    private func word(_ wait: Wait) -> UInt64? { model.lock(wait.lockClass, wait.lock).word?.value }

    /// Code that is entered from user mode.
    private static func isEntry(_ name: String) -> Bool {
        name.hasPrefix("entry_") || name.hasPrefix("asm_") || name.hasPrefix("sysvec_")
    }

    /// `start_time` is of CLOCK_MONOTONIC.
    private func isYounger(_ task: Task, _ steps: [WaitStep]) -> Bool {
        guard let now = KernelTime.monotonic(kernel), let born = try? task.value["start_time"].unsigned(),
            let longest = steps.compactMap({ $0.wait.since }).max(), now > longest
        else { return false }
        return born > now - longest
    }

    /// Why it cannot be excluded that the lock was taken by what the stack shows the end of.
    private func doubts(_ stack: TaskStack, _ names: [String], _ task: Task, _ search: TakenSearch) -> [String] {
        var words: [UInt64: UInt64] = [:]
        for offset in kernel.currentTaskOffsets { words[offset] = stack.task.address.rawValue }
        let recovered = kernel.recovery.stack(stack.stack, perCPU: words)
        // What a call is known to have taken is known to be another lock: this one would have been found.
        let explained = Set(model.held(by: task).map(\.call))
        var doubts: [String] = []
        let waiting = [LockClass.mutex, .rtMutex, .rtSpinlock].flatMap(\.machinery)
        if let name = names.first(where: { name in waiting.contains { name.hasPrefix($0) } }) {
            return ["it stands in \(name)"]
        }
        for (index, name) in names.enumerated() where !Self.isEntry(name) && !Self.isScheduler(name) {
            guard let open = search.openCalls(recovered, inFrame: index) else {
                doubts.append("how \(name) came to where it stands cannot be followed")
                continue
            }
            for call in open where !explained.contains(call.call) {
                let callee = call.callee.flatMap { kernel.model.symbols.symbol(covering: $0)?.name }
                doubts.append("\(name) called \(callee ?? "a function through a pointer"), which may have taken one")
            }
        }
        if search.isExhausted { doubts.append("it calls too many functions to look at all") }
        return doubts
    }

    /// The scheduler takes no sleeping lock of the task's.
    private static func isScheduler(_ name: String) -> Bool { name == "__schedule" || name == "schedule" }
}

extension TakenSearch {
    /// For locks of some kinds, by the kernel's functions.
    convenience init(_ kernel: LinuxKernel, _ classes: [LockClass]) {
        var effects: [VirtualAddress: Taking] = [:]
        for calls in classes.map(\.calls) {
            for (names, effect) in [(calls.takes + calls.tries, Taking.takes), (calls.releases, .releases)] {
                for symbol in names.flatMap({ kernel.model.symbols.symbols(named: $0) }) where symbol.module == nil {
                    effects[symbol.address] = effect
                }
            }
        }
        self.init(kernel.recovery) { effects[$0] }
    }
}

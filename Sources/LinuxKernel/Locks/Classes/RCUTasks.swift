// RCU for tasks (kernel/rcu/tasks.h): a grace period ends when every task has been switched out, which is how the memory of
// probes and trampolines is known to be left.

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    /// Its address is that of `rcu_tasks`, `rcu_tasks_rude` or `rcu_tasks_trace`.
    package static let rcuTasks = LockClass(
        "rcu tasks", type: "rcu_tasks", .event,
        machinery: ["synchronize_rcu_tasks", "__wait_rcu_gp", "wait_rcu_gp", "rcu_barrier_tasks"],
        read: { fields in
            guard let state = fields.word("gp_state") else { return LockState() }
            return LockState(word: ("gp_state", state), text: "its thread is in state \(state)")
        },
        recognise: { $0.tasksGracePeriod.map { WaitedFor($0, .wait) } },
        obliged: { kernel, flavour in RCUTasksBlockers.find(kernel, flavour) })
}

extension WaiterSite {
    /// The flavour's structure, when the function that waits is one of these.
    fileprivate var tasksGracePeriod: VirtualAddress? {
        let wanted = ["synchronize_rcu_tasks", "rcu_barrier_tasks"]
        guard completion != nil,
            let caller = callers.prefix(4).last(where: { name in wanted.contains { name.hasPrefix($0) } })
        else { return nil }
        let model = scene.kernel.model
        // Those that jump on to the common function leave no frame: it is given the flavour.
        let common: Set<String> = ["synchronize_rcu_tasks_generic", "rcu_barrier_tasks_generic"]
        let symbols = ["rcu_tasks", "rcu_tasks_rude", "rcu_tasks_trace"].compactMap { model.symbols.symbol(named: $0) }
        if let given = argument(0, of: common), symbols.contains(where: { $0.address == given }) { return given }
        let flavour = ["_rude", "_trace"].first { caller.contains($0) } ?? ""
        return symbols.first { $0.name == "rcu_tasks\(flavour)" }?.address
    }
}

/// Who has to be switched out, or to drive the grace period.
private enum RCUTasksBlockers {
    static func find(_ kernel: LinuxKernel, _ flavour: VirtualAddress) -> [Holder] {
        let model = kernel.model
        let members = [("rcu_tasks", "rcu_tasks_holdout"), ("rcu_tasks_trace", "trc_reader_nesting")]
        for (symbol, member) in members where model.symbols.symbol(named: symbol)?.address == flavour {
            let tasks = ((try? kernel.tasks().tasks) ?? []).filter { task in
                task.value.has(member) && ((try? task.value[member].unsigned()) ?? 0) & 0xff != 0
            }
            if !tasks.isEmpty {
                return tasks.map {
                    Holder(
                        task: $0.address, isShared: true, grade: symbol == "rcu_tasks" ? .exact : .possible,
                        because: symbol == "rcu_tasks"
                            ? "has not been switched out since" : "is in a section that it traces")
                }
            }
        }
        // Before it looks at tasks its thread waits for RCU itself.
        guard let value = try? model.object(.structure, "rcu_tasks", at: flavour),
            let thread = try? value["kthread_ptr"].pointer(), !thread.isNull
        else { return [] }
        return [Holder(task: thread, relation: .obliged, grade: .derived, because: "drives these grace periods")]
    }
}

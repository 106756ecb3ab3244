// RCU's grace periods (kernel/rcu/tree.c): who waits for one, and who holds it up.

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    /// Its address is that of `rcu_state`.
    package static let rcu = LockClass(
        "rcu", type: "rcu_state", .event,
        machinery: ["synchronize_rcu", "__wait_rcu_gp", "wait_rcu_gp", "exp_funnel_lock", "rcu_exp"],
        recognise: { site in
            let isExpedited = site.function.map { $0.hasPrefix("synchronize_rcu_expedited") } ?? false
            let isNormal =
                site.completion != nil
                && site.callers.prefix(3).contains { ["synchronize_rcu", "synchronize_rcu_normal"].contains($0) }
            guard isExpedited || isNormal,
                let state = site.scene.kernel.model.symbols.symbol(named: "rcu_state")?.address
            else { return nil }
            return WaitedFor(state, .wait)
        },
        obliged: { kernel, _ in RCUBlockers.find(kernel) })
}

/// Those for whom a grace period waits, as the leaves of RCU's tree have them.
private enum RCUBlockers {
    private static let mostNodes: UInt64 = 10_000
    private static let mostTasks = 4096

    static func find(_ kernel: LinuxKernel) -> [Holder] {
        let model = kernel.model
        guard let nodes = try? model.variable("rcu_state")["node"], case .array(let array)? = try? nodes.strippedType,
            let count = array.count
        else { return [] }
        var found: [Holder] = []
        for index in 0..<Int64(min(count, mostNodes)) {
            guard let node = try? nodes.element(index) else { break }
            // What is not a leaf has children's bits there; tasks are on leaves alone.
            for first in ["gp_tasks", "exp_tasks"] { found += tasks(node, first, model) }
            guard let levels = try? model.variable("rcu_num_lvls").unsigned(),
                (try? node["level"].unsigned()).map({ $0 &+ 1 }) == levels
            else { continue }
            for mask in ["qsmask", "expmask"] { found += cpus(node, mask, kernel) }
        }
        var seen: Set<VirtualAddress> = []
        return found.filter { seen.insert($0.task).inserted }
    }

    /// Tasks that were preempted in a read-side section: those of the node's list from one of them on
    /// (kernel/rcu/tree_plugin.h).
    private static func tasks(_ node: Value, _ member: String, _ model: Target) -> [Holder] {
        guard node.has(member), let first = try? node[member].pointer(), !first.isNull,
            let head = try? node["blkd_tasks"].address
        else { return [] }
        var found: [Holder] = []
        var link = first
        var seen: Set<VirtualAddress> = []
        while link != head, seen.insert(link).inserted, seen.count <= mostTasks {
            guard let place = try? model.object(.structure, "list_head", at: link),
                let task = try? place.container("task_struct", "rcu_node_entry").address,
                let next = try? place["next"].pointer()
            else { break }
            found.append(
                Holder(
                    task: task, relation: .obliged, grade: .exact, because: "was preempted in a read-side section"))
            link = next
        }
        return found
    }

    /// The tasks on CPUs that have not passed a quiescent state. An idle one will be seen to be.
    private static func cpus(_ node: Value, _ member: String, _ kernel: LinuxKernel) -> [Holder] {
        guard let mask = try? node[member].unsigned(), let low = try? node["grplo"].signed() else { return [] }
        return kernel.cpus.cpus.compactMap { cpu in
            let bit = Int64(cpu.number) &- low
            guard bit >= 0, bit < 64, mask >> UInt64(bit) & 1 == 1, let task = try? cpu.current,
                (try? cpu.idle.address) != task.address
            else { return nil }
            let nesting = (try? task.value["rcu_read_lock_nesting"].signed()) ?? 0
            return Holder(
                task: task.address, relation: .obliged, grade: nesting > 0 ? .derived : .possible,
                because: "runs on CPU \(cpu.number), which has not said that it left its read-side sections")
        }
    }
}

// RCU's grace periods (kernel/rcu/tree.c): who waits for one, and who holds it up.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

extension LockClass {
    /// Its address is that of `rcu_state`. Readers are no lock's holders, but as good as: the kernel lists them, and no grace
    /// period ends before they have left.
    package static let rcu = LockClass(
        "rcu", type: "rcu_state", .event,
        calls: LockCalls(
            // Functions where readers can be preempted (kernel/rcu/tree_plugin.h); elsewhere nothing remains of them.
            takesShared: ["__rcu_read_lock"], releases: ["__rcu_read_unlock"], object: "rcu_state"),
        machinery: [
            "synchronize_rcu", "__wait_rcu_gp", "wait_rcu_gp", "exp_funnel_lock", "rcu_exp", "sync_rcu_exp",
            "rcu_barrier",
        ],
        read: { fields in
            guard let sequence = fields.word("gp_seq") else { return LockState() }
            // RCU_SEQ_STATE_MASK: 0 between two grace periods (kernel/rcu/rcu.h).
            return LockState(
                word: ("gp_seq", sequence),
                text: sequence & 3 == 0 ? "between grace periods" : "in a grace period")
        },
        recognise: { $0.gracePeriod.map { WaitedFor($0, .wait) } },
        obliged: { kernel, _ in
            RCUBlockers.find(kernel.model, kernel.cpus.cpus, isOld: RCUBlockers.isOld(kernel))
        })
}

extension WaiterSite {
    /// `rcu_state`, when it is a grace period that is waited for.
    fileprivate var gracePeriod: VirtualAddress? {
        let model = scene.kernel.model
        guard let state = model.symbols.symbol(named: "rcu_state")?.address else { return nil }
        // What is within: the completion of rcu_barrier(), the queues of grace periods in a hurry. On `gp_wq` sleeps the
        // thread that drives all of them.
        if head.distance(from: state) < Self.size(model) {
            guard let own = model.offset(of: "gp_wq", in: "rcu_state") else { return nil }
            // The queue's lock, and more of it where locks are checked, stand before its list.
            let next = model.offset(of: "gp_flags", in: "rcu_state").flatMap { $0 > own ? $0 : nil } ?? own &+ 64
            let place = head.distance(from: state)
            return place >= own && place < next ? nil : state
        }
        // In a hurry, with a worker that does it.
        if function?.hasPrefix("synchronize_rcu_expedited") == true { return state }
        guard let completion else { return nil }
        let isNormal = callers.prefix(3).contains { ["synchronize_rcu", "synchronize_rcu_normal"].contains($0) }
        return isNormal || isWoken(by: "wakeme_after_rcu", completion) ? state : nil
    }

    private static func size(_ model: Target) -> UInt64 {
        ((try? model.types.lookup(.structure, "rcu_state")) ?? nil).flatMap { (try? model.types.size($0)) ?? nil } ?? 0
    }

    /// Whether the completion is that of a `struct rcu_synchronize` whose callback was given to RCU proper: other flavours
    /// have functions of their own that wait.
    private func isWoken(by callback: String, _ completion: VirtualAddress) -> Bool {
        let model = scene.kernel.model
        guard let entry = model.symbols.symbol(named: callback)?.address,
            let offset = model.offset(of: "completion", in: "rcu_synchronize"),
            let function = model.offset(of: "head.func", in: "rcu_synchronize"),
            (try? model.space.word(completion.advanced(by: function &- offset))) == entry.rawValue
        else { return false }
        return !callers.contains { $0.contains("_tasks") || $0.contains("srcu") }
    }
}

/// Those for whom a grace period waits, as the leaves of RCU's tree have them.
enum RCUBlockers {
    private static let mostNodes: UInt64 = 10_000
    private static let mostTasks = 4096

    /// Whether the grace period has lasted for a second: in that time RCU has looked itself, many times over, which CPUs
    /// are idle, in user mode or have switched tasks. What is left then holds it up.
    static func isOld(_ kernel: LinuxKernel) -> Bool {
        let clocks = KernelTime(kernel)
        // After a panic time went on and nobody looked.
        guard !clocks.hasPanicked, let ticks = clocks.ticks,
            let jiffies = try? kernel.model.variable("jiffies").unsigned(),
            let begun = try? kernel.model.variable("rcu_state")["gp_start"].unsigned()
        else { return false }
        let age = Int64(bitPattern: jiffies &- begun)
        return age > 0 && UInt64(age) > ticks
    }

    /// `isOld`: of the CPUs that have not passed a quiescent state it is known that they will not soon.
    static func find(_ model: Target, _ cpus: [CPU], isOld: Bool) -> [Holder] {
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
            found += running(node, "qsmask", cpus, isOld: isOld) + running(node, "expmask", cpus, isOld: false)
        }
        var seen: Set<VirtualAddress> = []
        return found.filter { seen.insert($0.task).inserted }
    }

    /// Tasks that were switched out in a read-side section: those of the node's list from one of them on
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
                    task: task, isShared: true, grade: .exact, because: "was switched out in a read-side section"))
            link = next
        }
        return found
    }

    /// The tasks on CPUs that have not passed a quiescent state. An idle one will be seen to be.
    private static func running(_ node: Value, _ member: String, _ cpus: [CPU], isOld: Bool) -> [Holder] {
        guard let mask = try? node[member].unsigned(), let low = try? node["grplo"].signed() else { return [] }
        return cpus.compactMap { cpu in
            let bit = Int64(cpu.number) &- low
            guard bit >= 0, bit < 64, mask >> UInt64(bit) & 1 == 1, let task = try? cpu.current,
                (try? cpu.idle.address) != task.address
            else { return nil }
            let nesting = (try? task.value["rcu_read_lock_nesting"].signed()) ?? 0
            return Holder(
                task: task.address, relation: nesting > 0 ? .holds : .obliged, isShared: true,
                grade: nesting > 0 || isOld ? .derived : .possible,
                because: "runs on CPU \(cpu.number), which has not said that it left its read-side sections")
        }
    }
}

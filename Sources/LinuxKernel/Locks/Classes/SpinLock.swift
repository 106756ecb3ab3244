// raw_spinlock_t, which spinlock_t is made of (include/linux/spinlock_types_raw.h), on a queued spinlock
// (include/asm-generic/qspinlock_types.h).

internal import Bytes
internal import Memory
internal import Recovery
internal import Target

extension LockClass {
    package static let spinlock = LockClass(
        "spinlock", type: "raw_spinlock", .lock, holdersRun: true,
        calls: LockCalls(
            takes: [
                "_raw_spin_lock", "_raw_spin_lock_irqsave", "_raw_spin_lock_irq", "_raw_spin_lock_bh",
                "_raw_spin_lock_nested", "_raw_spin_lock_irqsave_nested", "_raw_spin_lock_nest_lock",
                // With interrupts off as long as any such lock is held (7.x, spin_lock_irq_disable).
                "_raw_spin_lock_irq_disable",
                // The run queue's lock is its first member.
                "raw_spin_rq_lock_nested", "_raw_spin_rq_lock_irqsave",
            ],
            tries: ["_raw_spin_trylock", "_raw_spin_trylock_bh", "raw_spin_rq_trylock"],
            releases: [
                "_raw_spin_unlock", "_raw_spin_unlock_irqrestore", "_raw_spin_unlock_irq", "_raw_spin_unlock_bh",
                "_raw_spin_unlock_irq_enable",
                "raw_spin_rq_unlock",
            ],
            // queued_spin_unlock()
            inline: [LockInline(effect: .storesZero, action: .releases)]),
        machinery: [
            "_raw_spin_", "do_raw_spin_", "queued_spin_", "native_queued_spin_", "__pv_queued_spin_",
            "raw_spin_rq_lock_nested",
        ],
        read: { fields in
            guard let value = fields.word("raw_lock", "val", "counter").map({ $0 & 0xffff_ffff }) else {
                return LockState()
            }
            // _Q_LOCKED_MASK: the lowest byte is 1, of a paravirtualised lock with a sleeper 3.
            var state = LockState(
                owner: value & 0xff == 0 ? .free : .somebody, word: ("raw_lock.val.counter", value),
                text: value == 0 ? "free" : value & 0xff == 0 ? "about to be taken by the next in its queue" : "held")
            let queue = fields.kernel.map { SpinQueue.cpus(value, $0) } ?? []
            if value & 0x100 != 0 { state.text += "; one CPU is next" }
            if !queue.isEmpty {
                state.text += "; in its queue, the next first: " + queue.map { "CPU \($0)" }.joined(separator: ", ")
            }
            // CONFIG_DEBUG_SPINLOCK; nobody is -1 (SPINLOCK_OWNER_INIT).
            if value & 0xff != 0, let owner = fields.word("owner"), owner != 0, owner != .max {
                state.owner = fields.owner(owner)
                state.word = ("owner", owner)
            }
            return state
        })
}

/// The queue of a spinlock: each CPU in it waits for its own node, which the CPU before it will mark.
///
/// The lock's word names the last one: bits 16 and 17 the node, bits 18 to 31 the CPU + 1; with 16384 CPUs and more bits 9 and
/// 10, 11 to 31 (include/asm-generic/qspinlock_types.h).
enum SpinQueue {
    /// Nodes of one CPU: task, soft interrupt, interrupt, NMI.
    private static let nodes = 4

    /// The CPUs in the queue, the next first; empty when there is none. What cannot be read ends it.
    static func cpus(_ word: UInt64, _ kernel: LinuxKernel) -> [Int] {
        let isWide = kernel.cpus.possible.count >= 1 << 14
        let tail = isWide ? word >> 11 : word >> 18
        guard tail != 0, let last = Int(exactly: tail).map({ $0 - 1 }) else { return [] }
        let index = Int(isWide ? word >> 9 & 3 : word >> 16 & 3)
        guard let end = node(last, index, kernel) else { return [last] }
        // Nodes know the next one: from all of them back to the first.
        var before: [VirtualAddress: (node: VirtualAddress, cpu: Int)] = [:]
        for cpu in kernel.cpus.cpus {
            for index in 0..<nodes {
                guard let node = node(cpu.number, index, kernel), let next = next(node, kernel), !next.isNull else {
                    continue
                }
                before[next] = (node, cpu.number)
            }
        }
        var queue = [last]
        var here = end
        while let previous = before[here], queue.count <= kernel.cpus.cpus.count {
            queue.append(previous.cpu)
            here = previous.node
        }
        return queue.reversed()
    }

    /// `qnodes`, of `struct qnode` (kernel/locking/qspinlock.c).
    private static func node(_ cpu: Int, _ index: Int, _ kernel: LinuxKernel) -> VirtualAddress? {
        guard let nodes = try? kernel.model.perCPUVariable("qnodes", cpu: cpu) else { return nil }
        return try? nodes.element(Int64(index)).address
    }

    private static func next(_ node: VirtualAddress, _ kernel: LinuxKernel) -> VirtualAddress? {
        // qnode.mcs.next, the first member of both.
        (try? kernel.model.space.word(node)).map { VirtualAddress($0) }
    }
}

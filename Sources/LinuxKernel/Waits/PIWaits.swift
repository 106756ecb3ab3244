// Waits for rt_mutexes: `task.pi_blocked_on` leads to the waiter, which names its lock. With PREEMPT_RT that is the inside
// of nearly every lock: the functions of the waiters' stacks tell of which.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

final class PIWaits: WaitSource {
    private struct Blocked {
        let waiter: VirtualAddress
        let lock: VirtualAddress
        /// For what spins without PREEMPT_RT.
        let isSpinning: Bool
    }

    private let scene: WaitScene
    private let kinds: RTLockKinds
    private let tree: RTWaiterTree?
    /// By the rt_mutex: all that wait for one wait for the same lock.
    private var known: [VirtualAddress: RTLockKind] = [:]
    private lazy var tasks = Dictionary(grouping: scene.tasks) { (try? blocked($0)?.lock) ?? VirtualAddress(0) }

    /// Of waiters of one lock, so many are asked for its kind.
    private static let mostAsked = 8

    init(_ scene: WaitScene) {
        self.scene = scene
        kinds = RTLockKinds(scene.kernel.model)
        tree = RTWaiterTree(scene.kernel.model)
    }

    func wait(of task: Task) throws -> Wait? {
        guard let found = try? blocked(task) else { return nil }
        let proof = WaitProof.waiter(found.waiter, type: "rt_mutex_waiter", member: "task")
        let since = scene.clock.sinceLastRun(task)
        if let state = boosted(found.lock) {
            return Wait(
                task: task, lockClass: .rcu, lock: state, mode: .wait, proof: proof, since: since,
                holder: owner(found.lock, .obliged, "was preempted in a read-side section"))
        }
        let own = named(task, found)
        let kind = kind(found, own?.kind)
        // Its owner had it on his behalf by whoever waited first, and is where he likes: the waiter tells of him.
        let holder = kind.lockClass == .futex ? owner(found.lock, .holds, "owner of the futex's rt_mutex") : nil
        return Wait(
            task: task, lockClass: kind.lockClass, lock: found.lock.advanced(by: 0 &- kind.offset),
            mode: own?.mode ?? .write, proof: proof, since: since, holder: holder)
    }

    /// RCU's state, when the rt_mutex is one of its own: by `rcu_node.boost_mtx` a reader that was preempted inherits the
    /// priority of the thread that waits for it. He did not take it (kernel/rcu/tree_plugin.h).
    private func boosted(_ lock: VirtualAddress) -> VirtualAddress? {
        guard let symbol = scene.kernel.model.symbols.symbol(covering: lock), symbol.name == "rcu_state" else {
            return nil
        }
        return symbol.address
    }

    private func owner(_ lock: VirtualAddress, _ relation: Holder.Relation, _ because: String) -> Holder? {
        let fields = LockFields(
            kernel: scene.kernel, typeName: LockClass.rtMutex.typeName(in: scene.kernel), address: lock
        ) { [scene] in scene.stackBases[$0] != nil }
        guard case .task(let task) = fields.rtMutex()?.owner else { return nil }
        return Holder(task: task, relation: relation, grade: .exact, because: because)
    }

    private func blocked(_ task: Task) throws -> Blocked? {
        let waiter = try task.value["pi_blocked_on"]
        let address = try waiter.pointer()
        guard !address.isNull else { return nil }
        let lock = try waiter["lock"].pointer()
        guard !lock.isNull, try waiter["task"].pointer() == task.address,
            tree?.contains(address, lock, scene.kernel.model) != false
        else { return nil }
        // TASK_RTLOCK_WAIT; the task's own state is another when it has been woken.
        let state = try waiter.has("wake_state") ? waiter["wake_state"].unsigned() : task.state.run
        return Blocked(waiter: address, lock: lock, isSpinning: state & 0x1000 != 0)
    }

    /// The kind of lock is that of the first waiter whose functions tell.
    private func kind(_ found: Blocked, _ own: RTLockKind?) -> RTLockKind {
        if let kind = known[found.lock] { return kind }
        let others = tasks[found.lock] ?? []
        let told =
            others.count == 1
            ? own
            : others.prefix(Self.mostAsked).lazy.compactMap { task in
                (try? self.blocked(task)).flatMap { self.named(task, $0)?.kind }
            }.first
        let kind = told ?? own ?? kinds.unnamed(isSpinning: found.isSpinning)
        known[found.lock] = kind
        return kind
    }

    /// What the functions of a stack wait for, from the innermost one on.
    private func named(_ task: Task, _ found: Blocked) -> (kind: RTLockKind, mode: WaitMode)? {
        guard let stack = try? scene.stacks.stack(of: task) else { return nil }
        let kernel = scene.kernel
        func name(_ code: VirtualAddress) -> String? {
            kernel.model.symbols.symbol(covering: code).map { String($0.name.prefix { $0 != "." }) }
        }
        for (index, frame) in stack.stack.frames.enumerated() {
            guard let function = name(frame.lookupAddress) else { return nil }
            if let kind = kinds.kind(function, isSpinning: found.isSpinning) { return kind }
            guard RTLockKinds.isWithin(function) else { return nil }
            // Who waits at his very end has jumped there, and left no frame.
            guard stack.stack.frames.indices.contains(index + 1),
                name(stack.stack.frames[index + 1].lookupAddress).map({
                    !RTLockKinds.isWithin($0) && kinds.kind($0, isSpinning: found.isSpinning) == nil
                }) ?? true
            else { continue }
            return kernel.recover(stack).jumps(index).lazy.compactMap { name($0) }.compactMap {
                self.kinds.kind($0, isSpinning: found.isSpinning)
            }.first
        }
        return nil
    }
}

/// The tree of an rt_mutex's waiters.
struct RTWaiterTree {
    private let node: UInt64
    private let root: UInt64

    // A balanced tree of all the tasks that there can be is not as high.
    private static let mostSteps = 64

    /// Nil when this kernel's types are others.
    init?(_ model: Target) {
        // `tree_entry` until 6.5 (f7853c34241807); `waiters` of rt_mutex until 5.14.
        let entry =
            model.offset(of: "tree.entry", in: "rt_mutex_waiter")
            ?? model.offset(of: "tree_entry", in: "rt_mutex_waiter")
        let waiters =
            model.offset(of: "waiters.rb_root.rb_node", in: "rt_mutex_base")
            ?? model.offset(of: "waiters.rb_root.rb_node", in: "rt_mutex")
        guard let entry, let waiters else { return nil }
        node = entry
        root = waiters
    }

    /// Whether a waiter is in the tree of its lock; nil when that cannot be read.
    func contains(_ waiter: VirtualAddress, _ lock: VirtualAddress, _ model: Target) -> Bool? {
        guard let top = try? model.space.word(lock.advanced(by: root)) else { return nil }
        var here = waiter.advanced(by: node)
        for _ in 0..<Self.mostSteps {
            // rb_node.__rb_parent_color, its first member: two bits are the colour's.
            guard let word = try? model.space.word(here) else { return nil }
            if word & ~3 == 0 { return here.rawValue == top }
            here = VirtualAddress(word & ~3)
        }
        return false
    }
}

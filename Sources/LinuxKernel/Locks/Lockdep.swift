// What the kernel itself wrote down of the locks that each task holds, when it was built to (CONFIG_LOCKDEP).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Reads `task_struct.held_locks` (include/linux/lockdep_types.h). It is what happened, not what follows from code.
struct Lockdep {
    /// One entry: taken, or about to be taken. A task that waits has entered the lock that it waits for, last.
    struct Entry: Sendable {
        /// The lock, when it is of a class that is known; of others only the `lockdep_map` is.
        let lock: (lockClass: LockClass, address: VirtualAddress)?
        /// `held_lock.instance`.
        let map: VirtualAddress
        let isShared: Bool
        /// Where the call that takes it returns to.
        let returnAddress: VirtualAddress
        /// What the class of locks is called in the source: `&inode->i_rwsem`.
        let name: String
    }

    private let kernel: LinuxKernel
    /// Lockdep has seen a mistake and stopped: what it had written down is old.
    let hasStopped: Bool

    /// MAX_LOCK_DEPTH.
    private static let most = 48
    /// SPINLOCK_MAGIC and RWLOCK_MAGIC (include/linux/spinlock_types_raw.h, rwlock_types.h).
    private static let numbers: [(lockClass: String, type: String, magic: UInt64)] = [
        ("spinlock", "raw_spinlock", 0xdead_4ead), ("rwlock", "rwlock_t", 0xdeaf_1eed),
    ]

    /// Nil when the kernel was built without it.
    init?(_ kernel: LinuxKernel) {
        let types = kernel.model.types
        guard let task = (try? types.lookup(.structure, "task_struct")).flatMap({ $0 }),
            (try? types.offset(ofPath: "held_locks", in: task)).flatMap({ $0 }) != nil,
            (try? types.offset(ofPath: "lockdep_depth", in: task)).flatMap({ $0 }) != nil
        else { return nil }
        self.kernel = kernel
        let place = kernel.model.symbols.symbol(named: "debug_locks")?.address
        let word = place.flatMap { try? kernel.model.space.read($0, count: 4).array }
        hasStopped = word.map { $0.allSatisfy { $0 == 0 } } ?? false
    }

    /// The entries of a task, the first taken first. Throws when they cannot be read.
    func entries(of task: Task) throws -> [Entry] {
        let depth = try task.value["lockdep_depth"].unsigned()
        guard depth > 0 else { return [] }
        let list = try task.value["held_locks"]
        return try (0..<Int64(min(depth, UInt64(Self.most)))).map { index in
            let entry = try list.element(index)
            let instance = try entry["instance"]
            let map = try instance.pointer()
            let name = try? instance["name"].pointer()
            return Entry(
                lock: lock(map, task), map: map, isShared: try entry["read"].unsigned() != 0,
                returnAddress: VirtualAddress(try entry["acquire_ip"].unsigned()),
                name: name.flatMap { try? text(at: $0) } ?? "?")
        }
    }

    private func text(at address: VirtualAddress) throws -> String {
        let bytes = try kernel.model.space.read(address, count: 128).array
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The lock whose `dep_map` it is. Lockdep comes with the checks that keep a mark in each lock: a mutex and a rwsem
    /// have their own address in `magic`, a spinlock a number.
    private func lock(_ map: VirtualAddress, _ task: Task) -> (lockClass: LockClass, address: VirtualAddress)? {
        for (lockClass, type) in [(LockClass.mutex, "mutex"), (.rwsem, "rw_semaphore")] {
            guard let value = container(map, type, "dep_map"), let address = try? value.address else { continue }
            if (try? value["magic"].unsigned()) == address.rawValue { return (lockClass, address) }
        }
        // Without a mark: its owner's word.
        if let value = container(map, "rt_mutex", "dep_map"), let address = try? value.address,
            let owner = try? value.path("rtmutex", "owner").unsigned(), owner & ~1 == task.address.rawValue
        {
            return (.rtMutex, address)
        }
        if let value = container(map, "percpu_rw_semaphore", "dep_map"), let address = try? value.address,
            // Its wait queue has a spinlock, which is marked.
            (try? value.path("waiters", "lock", "rlock", "magic").unsigned()) == Self.numbers[0].magic
        {
            return (.percpuRWSem, address)
        }
        for (name, type, magic) in Self.numbers {
            guard let lockClass = LockClass(named: name), let value = container(map, type, "dep_map"),
                let address = try? value.address, (try? value["magic"].unsigned()) == magic
            else { continue }
            return (lockClass, address)
        }
        return nil
    }

    private func container(_ map: VirtualAddress, _ type: String, _ member: String) -> Value? {
        let model = kernel.model
        guard
            let id = (try? model.types.lookup(.structure, type)).flatMap({ $0 })
                ?? (try? model.types.lookup(.ordinary, type)).flatMap({ $0 }),
            let offset = (try? model.types.offset(ofPath: member, in: id)).flatMap({ $0 })
        else { return nil }
        return Value(target: model, type: id, place: .memory(map.advanced(by: 0 &- offset)))
    }
}

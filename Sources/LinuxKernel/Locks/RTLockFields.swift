// Locks that are made of an rt_mutex: with PREEMPT_RT all that sleep (include/linux/rtmutex.h, rwbase_rt.h).

internal import Bytes
internal import DebugModel
internal import Target

extension LockFields {
    /// What the `struct rt_mutex_base` at `path` says; nil when the type has none there.
    func rtMutex(_ path: String...) -> LockState? {
        guard let value = value(path + ["owner"]) else { return nil }
        // RT_MUTEX_HAS_WAITERS is 1.
        let task = value & ~1
        return LockState(
            owner: task == 0 ? .free : owner(task), word: ((path + ["owner"]).joined(separator: "."), value),
            text: task == 0 ? "free" : "held")
    }

    /// What the `struct rwbase_rt` at `path` says; nil when the type has none there.
    ///
    /// Its counter begins at READER_BIAS and counts readers. A writer takes the rt_mutex, takes the bias away, waits until
    /// the readers have gone, and then sets WRITER_BIAS (kernel/locking/rwbase_rt.c). Readers that have to wait take the
    /// rt_mutex as well, for a moment.
    func rwBase(_ path: String...) -> LockState? {
        guard let count = value(path + ["readers", "counter"]).map({ $0 & 0xffff_ffff }),
            let word = value(path + ["rtmutex", "owner"])
        else { return nil }
        let counted = ((path + ["readers", "counter"]).joined(separator: "."), count)
        let owned = ((path + ["rtmutex", "owner"]).joined(separator: "."), word)
        let holder = word & ~1 == 0 ? LockOwner.somebody : owner(word & ~1)
        if count == RWBase.writer { return LockState(owner: holder, word: owned, text: "held for writing") }
        let isWanted = count & RWBase.readers == 0
        let readers = count & ~RWBase.readers
        if readers > 0 {
            return LockState(
                owner: .readers(readers), word: counted,
                text: "read by \(readers)" + (isWanted ? "; a writer is next" : ""))
        }
        if word & ~1 != 0 { return LockState(owner: holder, word: owned, text: "being taken") }
        return LockState(owner: .free, word: counted, text: "free")
    }
}

/// The counter of a `struct rwbase_rt` (include/linux/rwbase_rt.h).
enum RWBase {
    /// READER_BIAS: no writer is there.
    static let readers: UInt64 = 1 << 31
    /// WRITER_BIAS: held for writing.
    static let writer: UInt64 = 1 << 30
}

/// The kind of lock that an rt_mutex is the inside of, and where it lies in it.
struct RTLockKind {
    let lockClass: LockClass
    let offset: UInt64
}

/// Tells by the functions of a waiter's stack.
struct RTLockKinds {
    private let mutex: UInt64?
    private let wwMutex: UInt64?
    private let rwsem: UInt64?
    private let spinlock: UInt64?
    private let rwlock: UInt64?

    init(_ model: Target) {
        mutex = model.offset(of: "rtmutex", in: "mutex")
        wwMutex = model.offset(of: "base.rtmutex", in: "ww_mutex")
        rwsem = model.offset(of: "rwbase.rtmutex", in: "rw_semaphore")
        let isInside = model.offset(of: "lock.owner", in: "spinlock") != nil
        spinlock = isInside ? model.offset(of: "lock", in: "spinlock") : nil
        rwlock = model.offset(of: "rtmutex", in: "rwbase_rt")
    }

    /// Locks other than rt_mutexes themselves have one inside: the kernel is one with PREEMPT_RT.
    var isAny: Bool { mutex != nil || rwsem != nil || spinlock != nil }

    /// What a function of this name waits for; nil when its name does not tell. `isSpinning`: for a lock that spins
    /// elsewhere, as the waiter's state says: functions of both rwsems and rwlocks are called alike.
    func kind(_ name: String, isSpinning: Bool) -> (kind: RTLockKind, mode: WaitMode)? {
        func begins(_ names: String...) -> Bool { names.contains { name.hasPrefix($0) } }
        func made(_ lockClass: LockClass, _ offset: UInt64?) -> (RTLockKind, WaitMode)? {
            offset.map { (RTLockKind(lockClass: lockClass, offset: $0), name.contains("read") ? .read : .write) }
        }
        if begins("ww_mutex_lock", "__ww_rt_mutex_lock", "__ww_mutex_lock") { return made(.wwMutex, wwMutex) }
        if begins("mutex_lock", "_mutex_lock", "__mutex_lock") { return made(.mutex, mutex) }
        if begins("rt_spin_lock") { return made(.rtSpinlock, spinlock) }
        if begins("rt_read_lock", "rt_write_lock") { return made(.rtRWLock, rwlock) }
        if begins("down_read", "down_write", "_down_write", "__down_read", "__down_write") {
            return made(.rwsem, rwsem)
        }
        if begins("rwbase_", "__rwbase_") { return isSpinning ? made(.rtRWLock, rwlock) : made(.rwsem, rwsem) }
        if begins("rt_mutex_lock") { return made(.rtMutex, 0) }
        // A futex with priority inheritance.
        if begins("rt_mutex_wait_proxy_lock", "futex_lock_pi", "futex_wait_requeue_pi") { return made(.futex, 0) }
        return nil
    }

    /// What is waited for by one of whom no function tells: locks that spin elsewhere are told by the waiter's state.
    func unnamed(isSpinning: Bool) -> RTLockKind {
        isSpinning
            ? RTLockKind(lockClass: .rtSpinlock, offset: spinlock ?? 0) : RTLockKind(lockClass: .rtMutex, offset: 0)
    }

    /// A function that stands between the one that wants the lock and the scheduler.
    static func isWithin(_ name: String) -> Bool {
        isOwn(name)
            || (["__schedule", "schedule", "preempt_schedule", "__switch_to"] + LockModel.interrupts)
                .contains { name.hasPrefix($0) }
    }

    /// A function by which all these locks wait.
    static func isOwn(_ name: String) -> Bool {
        ["rt_mutex_", "__rt_mutex_", "rtlock_", "rwbase_", "__rwbase_"].contains { name.hasPrefix($0) }
    }
}

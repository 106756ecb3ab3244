// struct mutex (include/linux/mutex.h, kernel/locking/mutex.c).

extension LockClass {
    package static let mutex = LockClass(
        "mutex", type: "mutex", .lock,
        calls: LockCalls(
            takes: [
                "mutex_lock", "mutex_lock_interruptible", "mutex_lock_killable", "mutex_lock_io", "mutex_lock_nested",
                "mutex_lock_interruptible_nested", "mutex_lock_killable_nested", "mutex_lock_io_nested",
                "_mutex_lock_nest_lock", "ww_mutex_lock", "ww_mutex_lock_interruptible",
            ],
            tries: ["mutex_trylock", "ww_mutex_trylock"], releases: ["mutex_unlock", "ww_mutex_unlock"]),
        machinery: ["__mutex_lock", "mutex_lock", "__ww_mutex_lock", "__ww_rt_mutex_lock", "ww_mutex_lock"],
        read: { fields in
            fields.word("owner", "counter").map { fields.mutex($0, "owner.counter") } ?? fields.rtMutex("rtmutex")
                ?? LockState()
        },
        recognise: { site in
            guard
                let lock = site.sleepingLock(
                    "mutex", waiter: "mutex_waiter", isNamed: { $0.contains("mutex") }),
                // MUTEX_FLAG_WAITERS
                let owner = site.fields("mutex", lock).word("owner", "counter"), owner & 1 != 0,
                site.isNamed || site.isOwned("mutex", lock)
            else { return nil }
            return WaitedFor(lock, .write)
        })
}

extension LockFields {
    /// What a mutex's owner word says, which stands at `path`: MUTEX_FLAGS is 7 (kernel/locking/mutex.h).
    func mutex(_ word: UInt64, _ path: String) -> LockState {
        let task = word & ~7
        return LockState(
            owner: task == 0 ? .free : owner(task), word: (path, word), text: task == 0 ? "free" : "held")
    }
}

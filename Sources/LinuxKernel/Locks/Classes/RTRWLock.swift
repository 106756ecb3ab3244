// rwlock_t with PREEMPT_RT (include/linux/rwlock_types.h, kernel/locking/spinlock_rt.c): its first member is a rwbase_rt.

extension LockClass {
    package static let rtRWLock = LockClass(
        "rt_rwlock", type: "rwbase_rt", .lock,
        calls: LockCalls(
            takes: ["rt_write_lock", "rt_write_lock_nested"], takesShared: ["rt_read_lock"],
            tries: ["rt_write_trylock"], triesShared: ["rt_read_trylock"],
            releases: ["rt_write_unlock", "rt_read_unlock"]),
        machinery: ["rt_read_lock", "rt_write_lock", "rwbase_", "__rwbase_"],
        read: { fields in fields.rwBase() ?? LockState() })
}

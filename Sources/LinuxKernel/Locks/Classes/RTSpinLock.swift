// spinlock_t with PREEMPT_RT, and local_lock_t (include/linux/spinlock_types.h, kernel/locking/spinlock_rt.c): an rt_mutex,
// whose holder may be switched out, and whose waiters sleep. `spinlock` is the one that spins there too, raw_spinlock_t.

extension LockClass {
    package static let rtSpinlock = LockClass(
        "rt_spinlock", type: "spinlock", .lock,
        calls: LockCalls(
            takes: ["rt_spin_lock", "rt_spin_lock_nested", "rt_spin_lock_nest_lock"],
            tries: ["rt_spin_trylock", "rt_spin_trylock_bh"], releases: ["rt_spin_unlock"]),
        machinery: ["rt_spin_lock", "rtlock_"],
        read: { fields in fields.rtMutex("lock") ?? LockState() })
}

// struct rt_mutex_base (include/linux/rtmutex.h): `task.pi_blocked_on` leads to it, see PIWaits.

extension LockClass {
    package static let rtMutex = LockClass(
        // struct rt_mutex until 5.14 (830e6acc8a1c).
        "rt_mutex", type: "rt_mutex_base", formerly: "rt_mutex", .lock,
        calls: LockCalls(
            takes: [
                "rt_mutex_lock", "rt_mutex_lock_interruptible", "rt_mutex_lock_killable", "rt_mutex_lock_nested",
            ],
            tries: ["rt_mutex_trylock"], releases: ["rt_mutex_unlock"]),
        machinery: ["rt_mutex", "__rt_mutex"],
        read: { fields in fields.rtMutex() ?? LockState() })
}

// Futexes (kernel/futex): words of user memory that threads wait for; FutexWaits finds them.

extension LockClass {
    /// What a futex is, user space alone knows: a mutex, a condition, a counter. Who has it is told by user memory.
    package static let futex = LockClass(
        "futex", .user,
        machinery: ["futex_wait", "futex_do_wait", "futex_lock_pi", "do_futex", "__futex_wait", "__do_sys_futex"])
}

// struct percpu_rw_semaphore (include/linux/percpu-rwsem.h, kernel/locking/percpu-rwsem.c).

extension LockClass {
    package static let percpuRWSem = LockClass(
        "percpu_rwsem", type: "percpu_rw_semaphore", .lock,
        calls: LockCalls(
            takes: ["percpu_down_write"], takesShared: ["__percpu_down_read"], releases: ["percpu_up_write"]),
        machinery: ["percpu_", "__percpu_"],
        recognise: { site in
            guard site.wakeFunction == "percpu_rwsem_wake_function",
                let lock = site.container("percpu_rw_semaphore", "waiters.head")
            else { return nil }
            // WQ_FLAG_CUSTOM marks a reader.
            let flags = site.fields("wait_queue_entry", site.waiter).word("flags")
            return WaitedFor(lock, (flags ?? 0) & 4 != 0 ? .read : .write)
        })
}

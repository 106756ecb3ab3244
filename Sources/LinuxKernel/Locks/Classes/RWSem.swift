// struct rw_semaphore (include/linux/rwsem.h, kernel/locking/rwsem.c since 5.3).

extension LockClass {
    package static let rwsem = LockClass(
        "rwsem", type: "rw_semaphore", .lock,
        calls: LockCalls(
            takes: [
                "down_write", "down_write_killable", "down_write_nested", "down_write_killable_nested",
                "_down_write_nest_lock",
            ],
            takesShared: [
                "down_read", "down_read_interruptible", "down_read_killable", "down_read_nested",
                "down_read_killable_nested", "down_read_non_owner",
            ],
            tries: ["down_write_trylock"], triesShared: ["down_read_trylock"],
            helpers: [
                LockHelper(name: "lock_mm_and_find_vma", type: "mm_struct", member: "mmap_lock", isShared: true)
            ],
            releases: ["up_write", "up_read", "up_read_non_owner"]),
        machinery: ["rwsem_down", "down_read", "down_write", "__down_read", "__down_write", "rwbase_", "__rwbase_"],
        read: { fields in
            guard let count = fields.word("count", "counter"), let holder = fields.word("owner", "counter") else {
                return fields.rwBase("rwbase") ?? LockState()
            }
            // RWSEM_WRITER_LOCKED is 1, readers count from bit 8 to 62.
            let readers = (count & 0x7fff_ffff_ffff_ffff) >> 8
            if count & 1 != 0 {
                return LockState(
                    owner: holder & ~7 == 0 ? .somebody : fields.owner(holder & ~7), word: ("owner.counter", holder),
                    text: "held for writing")
            }
            return LockState(
                owner: readers > 0 ? .readers(readers) : .free, word: ("count.counter", count),
                text: readers > 0 ? "read by \(readers)" : "free")
        },
        recognise: { site in
            guard
                let lock = site.sleepingLock(
                    "rw_semaphore", waiter: "rwsem_waiter", isNamed: { $0.contains("rwsem") }),
                // RWSEM_FLAG_WAITERS
                let count = site.fields("rw_semaphore", lock).word("count", "counter"), count & 2 != 0,
                site.isNamed || site.isOwned("rwsem", lock)
            else { return nil }
            // RWSEM_WAITING_FOR_READ is 1.
            let type = site.fields("rwsem_waiter", site.waiter).word("type")
            return WaitedFor(lock, type == 1 ? .read : .write)
        })
}

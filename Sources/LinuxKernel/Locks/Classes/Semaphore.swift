// struct semaphore (include/linux/semaphore.h, kernel/locking/semaphore.c).

extension LockClass {
    package static let semaphore = LockClass(
        "semaphore", type: "semaphore", .lock,
        calls: LockCalls(
            takes: ["down", "down_interruptible", "down_killable", "down_timeout"], tries: ["down_trylock"],
            releases: ["up"], signals: ["up"]),
        machinery: ["__down", "down"],
        read: { fields in
            guard let count = fields.word("count") else { return LockState() }
            var state = LockState(
                owner: count == 0 ? .somebody : .free, word: ("count", count), text: "count \(count)")
            // `last_holder` since 6.16 (CONFIG_DETECT_HUNG_TASK_BLOCKER).
            if let last = fields.word("last_holder"), last & ~3 != 0, case .task(let task) = fields.owner(last & ~3) {
                state.owner = .last(task)
                state.word = ("last_holder", last)
            }
            return state
        },
        recognise: { site in
            // A futex's waiter, too, names its task and is on a ring: the frame must be a semaphore's.
            guard
                let lock = site.sleepingLock(
                    "semaphore", waiter: "semaphore_waiter",
                    isNamed: { $0.hasPrefix("__down") || $0.hasPrefix("down") }),
                site.isNamed, site.fields("semaphore", lock).word("count") == 0
            else { return nil }
            return WaitedFor(lock, .write)
        })
}

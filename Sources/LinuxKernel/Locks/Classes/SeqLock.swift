// seqcount_t, and the seqlock_t that has one with a spinlock (include/linux/seqlock_types.h). Writers make it odd while they
// write: a reader that finds it odd waits in a loop of its own.

internal import Recovery

extension LockClass {
    package static let seqcount = LockClass(
        "seqcount", type: "seqcount", .lock, holdersRun: true,
        writersLock: (group: "spinlock", type: "seqlock_t", member: "lock"),
        // do_raw_write_seqcount_begin() and do_raw_write_seqcount_end() do the same.
        calls: LockCalls(alone: [LockInline(effect: .adds(1), action: .toggles)]),
        read: { fields in
            guard let value = fields.word("sequence").map({ $0 & 0xffff_ffff }) else { return LockState() }
            let isOdd = value & 1 != 0
            return LockState(
                owner: isOdd ? .somebody : .free, word: ("sequence", value),
                text: isOdd ? "odd: somebody writes, or has not said that he is done" : "even: nobody writes")
        })
}

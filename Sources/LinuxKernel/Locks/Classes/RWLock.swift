// rwlock_t on a queued rwlock (include/asm-generic/qrwlock_types.h, kernel/locking/qrwlock.c): its first member.

internal import Recovery

extension LockClass {
    package static let rwlock = LockClass(
        "rwlock", type: "qrwlock", .lock, holdersRun: true,
        calls: LockCalls(
            takes: [
                "_raw_write_lock", "_raw_write_lock_irqsave", "_raw_write_lock_irq", "_raw_write_lock_bh",
                "_raw_write_lock_nested",
            ],
            takesShared: ["_raw_read_lock", "_raw_read_lock_irqsave", "_raw_read_lock_irq", "_raw_read_lock_bh"],
            tries: ["_raw_write_trylock"], triesShared: ["_raw_read_trylock"],
            releases: [
                "_raw_write_unlock", "_raw_write_unlock_irqrestore", "_raw_write_unlock_irq", "_raw_write_unlock_bh",
                "_raw_read_unlock", "_raw_read_unlock_irqrestore", "_raw_read_unlock_irq", "_raw_read_unlock_bh",
            ],
            // queued_write_unlock(), queued_read_unlock()
            inline: [
                LockInline(effect: .storesZero, action: .releases),
                LockInline(effect: .adds(-0x200), action: .releases),
            ]),
        machinery: [
            "_raw_read_", "_raw_write_", "do_raw_read_", "do_raw_write_", "queued_read_", "queued_write_",
        ],
        read: { fields in
            guard let value = fields.word("cnts", "counter").map({ $0 & 0xffff_ffff }) else { return LockState() }
            // _QW_LOCKED 0xff, _QW_WAITING 0x100, readers from bit 9 on. A reader that waits for a writer is counted already.
            let readers = value >> 9
            let waits = value & 0x100 != 0 ? "; a writer is next" : ""
            if value & 0xff != 0 {
                return LockState(owner: .somebody, word: ("cnts.counter", value), text: "held for writing\(waits)")
            }
            return LockState(
                owner: readers > 0 ? .readers(readers) : .free, word: ("cnts.counter", value),
                text: (readers > 0 ? "read by \(readers)" : "free") + waits)
        })
}

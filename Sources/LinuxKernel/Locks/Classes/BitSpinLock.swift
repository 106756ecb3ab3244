// Bits that are spinlocks (include/linux/bit_spinlock.h, list_bl.h): who wants one that is set spins until it is not.

internal import Bytes
internal import Memory
internal import Recovery
internal import Target

extension LockClass {
    /// Its address is that of the word. Nothing is called to take it or to give it back.
    package static let bitSpinlock = LockClass(
        "bit spinlock", .lock, holdersRun: true,
        calls: LockCalls(alone: [
            LockInline(effect: .setsBit, action: .takes),
            // `lock andb` is told the byte that has the bit.
            LockInline(effect: .clearsBit, action: .releases, spread: 7),
        ]),
        machinery: ["bit_spin_lock", "hlist_bl_lock"],
        read: { fields in
            guard let word = try? fields.model.space.word(fields.address) else { return LockState() }
            return LockState(
                owner: word == 0 ? .free : .somebody, text: word == 0 ? "free" : "held, its word is 0x\(hex(word))")
        })
}

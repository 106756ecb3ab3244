// A hash table of names that stores no names: the tables of BTF and kallsyms, whose names come from hostile memory.

/// From a hash to the numbers entered under it. Chains, not open addressing: a million equal names then cost a
/// million steps to enter, not a million squared.
struct NameChains: Sendable {
    /// By the low bits of the hash: the first number plus one; 0 for none.
    private var heads: [UInt32]
    /// By number: the next one plus one; 0 at the end.
    private var next: [UInt32]

    /// Room for the numbers below `count`.
    init(count: Int) {
        var size = 16
        while size < count { size *= 2 }
        heads = [UInt32](repeating: 0, count: size)
        next = [UInt32](repeating: 0, count: count)
    }

    /// Puts a number before those that have its hash: enter them from the last to the first to find them ascending.
    mutating func enter(_ number: Int, hash: UInt32) {
        let slot = Int(hash) & (heads.count - 1)
        next[number] = heads[slot]
        heads[slot] = UInt32(truncatingIfNeeded: number + 1)
    }

    /// The numbers that may have the hash, until `body` returns false; the caller compares the names.
    func forEach(hash: UInt32, _ body: (Int) -> Bool) {
        var current = heads[Int(hash) & (heads.count - 1)]
        while current != 0 {
            let number = Int(current - 1)
            guard body(number) else { return }
            current = next[number]
        }
    }
}

/// FNV-1a over 32 bits, a byte at a time.
struct NameFNV {
    private(set) var value: UInt32 = 0x811c_9dc5

    mutating func add(_ byte: UInt8) { value = (value ^ UInt32(byte)) &* 0x0100_0193 }

    static func of(_ name: some Sequence<UInt8>) -> UInt32 {
        var hash = NameFNV()
        for byte in name { hash.add(byte) }
        return hash.value
    }
}

// A hash of the names of one BTF blob, made of integers only.

internal import Bytes

/// From a name to the indices of the types that may have it. Open addressing over 32-bit hashes.
struct BTFNames: Sendable {
    private struct Slot {
        var hash: UInt32
        /// Index of the type plus one; 0 marks an empty slot.
        var index: UInt32
    }

    private let slots: [Slot]
    private let mask: Int

    /// `baseString` gives the strings below `firstString`, which are the base's.
    init(
        places: [UInt32], types: ByteSlice, order: ByteOrder, strings: ByteSlice, firstString: UInt32,
        baseString: (UInt32) -> String
    ) {
        var size = 16
        while size < places.count * 2 { size *= 2 }
        var slots = [Slot](repeating: Slot(hash: 0, index: 0), count: size)
        let mask = size - 1
        types.withBytes { types in
            strings.withBytes { strings in
                for (index, place) in places.enumerated() {
                    guard let name = types.integer(Int(place), order, as: UInt32.self), name != 0 else { continue }
                    let hash =
                        name >= firstString ? Self.hash(strings, Int(name - firstString)) : Self.hash(baseString(name))
                    var slot = Int(hash) & mask
                    while slots[slot].index != 0 { slot = (slot + 1) & mask }
                    slots[slot] = Slot(hash: hash, index: UInt32(truncatingIfNeeded: index + 1))
                }
            }
        }
        self.slots = slots
        self.mask = mask
    }

    /// FNV-1a of the bytes from `start` to the NUL.
    private static func hash(_ strings: RawSpan, _ start: Int) -> UInt32 {
        var hash: UInt32 = 0x811c_9dc5
        var at = start
        while at < strings.byteCount {
            let byte = strings.u8(at)
            if byte == 0 { break }
            hash = (hash ^ UInt32(byte)) &* 0x0100_0193
            at += 1
        }
        return hash
    }

    private static func hash(_ name: String) -> UInt32 {
        name.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// Indices of the types whose name has the hash of `name`; the caller compares the names.
    func candidates(_ name: String) -> [UInt32] {
        let hash = Self.hash(name)
        var found: [UInt32] = []
        var slot = Int(hash) & mask
        while slots[slot].index != 0 {
            if slots[slot].hash == hash { found.append(slots[slot].index - 1) }
            slot = (slot + 1) & mask
        }
        return found
    }
}

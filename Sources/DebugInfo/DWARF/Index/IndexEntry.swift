// What the index says of a name: one word that places a DIE, and a number that places its name.

internal import Bytes

/// What a name stands for. The first four are `TypeKind`'s.
enum IndexKind: UInt8, CaseIterable {
    case structure
    case union
    case enumeration
    case ordinary
    case enumerator
    case variable
    case function
}

/// Where the bytes of a name are. Values of the index's format: do not renumber.
enum NameSource: UInt8 {
    /// `.debug_str` of the file of the DIE.
    case str
    /// `.debug_line_str` of the file of the DIE.
    case lineStr
    /// In the DIE's own section; the number is the distance from the DIE, modulo 2^32.
    case inline
    /// `.debug_str` of the supplementary file, for a DIE of the main one.
    case supplementary
}

/// A DIE with what the index must know without reading it, in 64 bits: the file and the section as in
/// `DIEReference`, then whether it is only a declaration, the kind, the source of the name, and 56 bits of offset.
/// For an enumerator the DIE is its enumeration.
struct IndexedDIE: Hashable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ place: DIEReference, _ kind: IndexKind, _ source: NameSource, isDeclaration: Bool) {
        rawValue =
            place.rawValue & (3 << 62 | Self.offsetMask) | (isDeclaration ? 1 << 61 : 0)
            | UInt64(kind.rawValue) << 58 | UInt64(source.rawValue) << 56
    }

    private static let offsetMask: UInt64 = 1 << 56 - 1

    var place: DIEReference { DIEReference(rawValue: rawValue & (3 << 62 | Self.offsetMask)) }
    var isDeclaration: Bool { rawValue & 1 << 61 != 0 }
    /// Nil for a number that no index of ours writes.
    var kind: IndexKind? { IndexKind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 58) & 7) }
    var source: NameSource { NameSource(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56) & 3) ?? .str }
}

/// A name under which one DIE is found.
struct IndexEntry {
    /// What makes two of them the same: see `IndexKey`.
    let key: UInt64
    var die: IndexedDIE
    let name: UInt32
    /// How many times the same was met: what most of the sources mean by a name comes first.
    var count: UInt32
}

/// Folds numbers into one of 64 bits, so that equal sequences, and practically only those, give equal results.
enum IndexKey {
    @inline(__always)
    static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = (left ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: right ^ 0xd6e8_feb8_6659_fd93)
        return product.high ^ product.low ^ left &* 0xa076_1d64_78bd_642f
    }
}

/// The entries that one thread found, each key once.
struct IndexTable {
    private(set) var entries: [IndexEntry] = []
    /// Open addressing: the place of an entry plus one, 0 for a free slot.
    private var slots: [UInt32]
    private var mask: Int

    init() {
        slots = [UInt32](repeating: 0, count: 1 << 10)
        mask = slots.count &- 1
    }

    /// Notes one more sighting of `key`. Returns whether it was the first.
    @inline(__always)
    mutating func record(_ key: UInt64, _ die: IndexedDIE, name: UInt32, count: UInt32 = 1) -> Bool {
        var slot = Int(truncatingIfNeeded: key >> 20) & mask
        while true {
            let found = slots[slot]
            if found == 0 { break }
            let index = Int(found) &- 1
            if entries[index].key == key {
                entries[index].count = entries[index].count &+ count
                return false
            }
            slot = (slot &+ 1) & mask
        }
        append(IndexEntry(key: key, die: die, name: name, count: count), at: slot)
        return true
    }

    /// Takes what another thread found. Of the same thing found by both, the place nearer the file's beginning stays.
    mutating func merge(_ other: IndexTable) {
        for entry in other.entries {
            var slot = Int(truncatingIfNeeded: entry.key >> 20) & mask
            var known: Int?
            while slots[slot] != 0, known == nil {
                let index = Int(slots[slot]) &- 1
                if entries[index].key == entry.key { known = index } else { slot = (slot &+ 1) & mask }
            }
            guard let known else {
                append(entry, at: slot)
                continue
            }
            let count = entries[known].count &+ entry.count
            if entry.die.place.rawValue < entries[known].die.place.rawValue { entries[known] = entry }
            entries[known].count = count
        }
    }

    @inline(never)
    private mutating func append(_ entry: IndexEntry, at slot: Int) {
        entries.append(entry)
        slots[slot] = UInt32(truncatingIfNeeded: entries.count)
        if entries.count > slots.count / 4 &* 3 { grow() }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count &* 2)
        mask = slots.count &- 1
        for index in entries.indices {
            var slot = Int(truncatingIfNeeded: entries[index].key >> 20) & mask
            while slots[slot] != 0 { slot = (slot &+ 1) & mask }
            slots[slot] = UInt32(truncatingIfNeeded: index &+ 1)
        }
    }
}

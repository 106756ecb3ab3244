// The index as bytes: the same in memory and in the cache, so that answers cannot differ.

internal import Bytes

/// Layout, all little-endian: the header; the starts of the units of four sections (8 bytes each); 2^bits + 1
/// numbers of 4 bytes, where each bucket of entries begins; the entries, 16 bytes each: the low half of the name's
/// hash, the number of the name, the DIE. An entry is in the bucket that the highest bits of that half say, there
/// sorted by it, and of one name the best comes first.
struct IndexImage: Sendable {
    static let magic: UInt64 = 0x5844_4e49_5152_4e49
    /// Part of the cache's file name: any change to the bytes or to what they mean takes the next number.
    static let version: UInt32 = 1
    static let headerSize = 88
    static let entrySize = 16

    /// The sections whose units are listed.
    static let sections: [(section: DWARFSection, isSupplementary: Bool)] = [
        (.info, false), (.types, false), (.info, true), (.types, true),
    ]

    let bytes: ByteSlice
    private let bits: Int
    private let buckets: Int
    private let entries: Int
    let count: Int
    private let unitCounts: [Int]
    private let ends: [UInt64]

    /// Checks that `bytes` are an index: sizes, version and checksum. Complexity: linear, at some GB/s.
    init?(_ bytes: ByteSlice) {
        var cursor = Cursor(bytes)
        guard let header = try? IndexHeader(&cursor), header.size == UInt64(bytes.count), header.bits <= 28,
            header.checksum == bytes.withBytes({ IndexHeader.checksum($0) })
        else { return nil }
        let units = header.unitCounts.reduce(0) { $0 &+ UInt64($1) }
        let buckets = UInt64(Self.headerSize) &+ 8 &* units
        let entries = buckets &+ 4 &* (1 << UInt64(header.bits) &+ 1)
        guard entries &+ UInt64(Self.entrySize) &* UInt64(header.entries) == header.size else { return nil }
        self.bytes = bytes
        bits = Int(header.bits)
        self.buckets = Int(buckets)
        self.entries = Int(entries)
        count = Int(header.entries)
        unitCounts = header.unitCounts.map { Int($0) }
        ends = header.ends
    }

    /// Where the units of section `number` of `sections` are; nil when the index says what cannot be.
    func directory(_ number: Int) -> UnitDirectory? {
        let first = Self.headerSize + 8 * unitCounts[..<number].reduce(0, +)
        let starts = bytes.withBytes { span in
            (0..<unitCounts[number]).map { span.little(first + 8 * $0, as: UInt64.self) ?? 0 }
        }
        let end = ends[number]
        var previous: UInt64?
        for start in starts {
            guard start < end, previous.map({ $0 < start }) ?? true else { return nil }
            previous = start
        }
        return UnitDirectory(section: Self.sections[number].section, starts: starts, end: end)
    }

    /// Calls `body` with every entry whose name has this hash, until it returns false.
    func candidates(_ hash: UInt64, _ body: (IndexedDIE, UInt32) -> Bool) {
        let wanted = UInt32(truncatingIfNeeded: hash)
        let bucket = bits == 0 ? 0 : Int(wanted >> UInt32(32 - bits))
        bytes.withBytes { span in
            let from = Int(span.little(buckets + 4 * bucket, as: UInt32.self) ?? 0)
            let to = min(Int(span.little(buckets + 4 * bucket + 4, as: UInt32.self) ?? 0), count)
            guard from < to else { return }
            for index in from..<to {
                let at = entries + Self.entrySize * index
                let found = span.little(at, as: UInt32.self) ?? 0
                if found < wanted { continue }
                if found > wanted { return }
                let name = span.little(at + 4, as: UInt32.self) ?? 0
                if !body(IndexedDIE(rawValue: span.little(at + 8, as: UInt64.self) ?? 0), name) { return }
            }
        }
    }

    /// Calls `body` with every entry.
    func forEach(_ body: (IndexedDIE, UInt32) -> Void) {
        bytes.withBytes { span in
            for index in 0..<count {
                let at = entries + Self.entrySize * index
                let name = span.little(at + 4, as: UInt32.self) ?? 0
                body(IndexedDIE(rawValue: span.little(at + 8, as: UInt64.self) ?? 0), name)
            }
        }
    }
}

/// The fixed part of an image.
struct IndexHeader {
    let bits: UInt32
    let size: UInt64
    let checksum: UInt64
    let entries: UInt32
    let unitCounts: [UInt32]
    let ends: [UInt64]

    init(_ cursor: inout Cursor) throws(ParseFault) {
        guard try cursor.u64("magic") == IndexImage.magic, try cursor.u32("version") == IndexImage.version else {
            throw cursor.fault("index", .invalid("not an index of this version"))
        }
        bits = try cursor.u32("bucket bits")
        size = try cursor.u64("size")
        checksum = try cursor.u64("checksum")
        entries = try cursor.u32("entries")
        var counts: [UInt32] = []
        for _ in 0..<4 { counts.append(try cursor.u32("units")) }
        _ = try cursor.u32("padding")
        var ends: [UInt64] = []
        for _ in 0..<4 { ends.append(try cursor.u64("end of units")) }
        unitCounts = counts
        self.ends = ends
    }

    /// Of the whole image but the checksum itself. Four lanes, because one would wait for its own products.
    static func checksum(_ span: borrowing RawSpan) -> UInt64 {
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
        for at in stride(from: 0, to: 24, by: 8) { fold(&lanes.0, span.little(at, as: UInt64.self)) }
        var at = 32
        while at &+ 32 <= span.byteCount {
            fold(&lanes.0, span.little(at, as: UInt64.self))
            fold(&lanes.1, span.little(at &+ 8, as: UInt64.self))
            fold(&lanes.2, span.little(at &+ 16, as: UInt64.self))
            fold(&lanes.3, span.little(at &+ 24, as: UInt64.self))
            at &+= 32
        }
        while at < span.byteCount {
            fold(&lanes.1, UInt64(span.u8(at)))
            at &+= 1
        }
        return IndexKey.mix(IndexKey.mix(lanes.0, lanes.1), IndexKey.mix(lanes.2, lanes.3))
    }

    @inline(__always)
    private static func fold(_ lane: inout UInt64, _ value: UInt64?) {
        lane = (lane ^ (value ?? 0)) &* 0x9e37_79b9_7f4a_7c15
        lane ^= lane >> 29
    }
}

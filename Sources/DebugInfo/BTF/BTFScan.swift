// One pass over the type section of a BTF blob: where each type stands, and what is wrong with it.

internal import Bytes

/// What follows a type's fixed part, by its kind (include/uapi/linux/btf.h).
enum BTFKind {
    /// Bits of `info` that mean nothing: a type that sets one is none, and the scan has lost its way.
    static let reservedBits: UInt32 = 0x60ff_0000

    /// Bytes of a type with what follows it; nil for a kind that is not known.
    static func size(_ kind: UInt32, count: Int) -> Int? {
        switch kind {
        case 1, 14, 17: 16
        case 2, 7, 8, 9, 10, 11, 12, 16, 18: 12
        case 3: 24
        case 4, 5, 15, 19: 12 + 12 * count
        case 6, 13: 12 + 8 * count
        default: nil
        }
    }

    /// Whether the third word is another type's id.
    static func refers(_ kind: UInt32) -> Bool {
        switch kind {
        case 2, 8, 9, 10, 11, 12, 13, 14, 17, 18: true
        default: false
        }
    }

    /// How far apart the parts that follow are, and whether each begins with a name and holds a type's id, and where.
    static func parts(_ kind: UInt32) -> (stride: Int, named: Bool, type: Int?)? {
        switch kind {
        case 4, 5: (12, true, 4)
        case 6: (8, true, nil)
        case 13: (8, true, 4)
        case 15: (12, false, 0)
        case 19: (12, true, nil)
        default: nil
        }
    }
}

/// What a scan found.
struct BTFScan {
    private(set) var places: [UInt32] = []
    /// Why the scan ended before the section did.
    private(set) var fault: ParseFault?
    /// Names and types that are referred to and are not there.
    private(set) var badNames = 0
    private(set) var badTypes = 0

    /// Stands for the place of a type that is lost.
    static let lostPlace = UInt32.max
    /// How many types lie in holes.
    private(set) var lost = 0

    /// `first` is the id of the first type.
    init(_ types: ByteSlice, _ order: ByteOrder, first: UInt32, holes: Holes = Holes()) {
        types.withBytes { span in
            places.reserveCapacity(span.byteCount / 40)
            var at = 0
            while true {
                at = Self.walk(span, order, from: at, holes) { places.append($0) }
                guard at < span.byteCount else { return }
                // Where a hole is in the way, the types behind it go on; else the section is damaged.
                guard let hole = Self.hole(span, order, at, holes),
                    let next = Self.resume(span, order, behind: hole, holes, first: first)
                else { break }
                // A type takes 12 bytes at least.
                let missing = Int(next.id) - Int(first) - places.count
                guard missing >= 0, missing <= (next.place - at) / 12 else { break }
                lost += missing
                places += [UInt32](repeating: Self.lostPlace, count: missing)
                at = next.place
            }
            fault = ParseFault(
                "BTF type \(UInt64(first) + UInt64(places.count))", in: types.name, at: UInt64(types.start + at),
                .invalid("an unknown kind, or a type that is cut short"))
        }
    }

    /// Bytes of the type at a place; nil when there is none.
    private static func size(_ span: RawSpan, _ order: ByteOrder, _ at: Int) -> Int? {
        guard let info = span.integer(at + 4, order, as: UInt32.self), info & BTFKind.reservedBits == 0,
            let size = BTFKind.size(info >> 24 & 0x1f, count: Int(info & 0xffff)), at + size <= span.byteCount
        else { return nil }
        return size
    }

    /// The places of the types from one on, up to what is no type, or touches a hole; returns where that is.
    private static func walk(
        _ span: RawSpan, _ order: ByteOrder, from start: Int, _ holes: Holes, _ body: (UInt32) -> Void
    ) -> Int {
        var at = start
        while at < span.byteCount, let size = size(span, order, at), !holes.touch(at..<at + size) {
            body(UInt32(truncatingIfNeeded: at))
            at += size
        }
        return at
    }

    /// The hole that the type at a place reaches into.
    private static func hole(_ span: RawSpan, _ order: ByteOrder, _ at: Int, _ holes: Holes) -> Range<Int>? {
        holes.first(touching: at..<at + max(size(span, order, at) ?? 12, 12))
    }

    /// The first type behind a hole, and its id. Types begin where a walk comes to the end, or to the next hole; and
    /// what tells ids is that pahole writes a function right behind its prototype, to which it refers.
    private static func resume(
        _ span: RawSpan, _ order: ByteOrder, behind hole: Range<Int>, _ holes: Holes, first: UInt32
    ) -> (place: Int, id: UInt32)? {
        func word(_ at: UInt32) -> UInt32 { span.integer(Int(at), order, as: UInt32.self) ?? 0 }
        let start = (hole.upperBound + 3) & ~3
        // The largest type is a structure, or an enumeration, of 65535 parts.
        for place in stride(from: start, to: min(span.byteCount, start + (1 << 20)), by: 4) {
            var places: [UInt32] = []
            let end = walk(span, order, from: place, holes) { places.append($0) }
            guard places.count > 16, end == span.byteCount || Self.hole(span, order, end, holes) != nil else {
                continue
            }
            var votes: [UInt32: Int] = [:]
            for (index, pair) in zip(places, places.dropFirst()).enumerated()
            where word(pair.0 + 4) >> 24 & 0x1f == 13 && word(pair.1 + 4) >> 24 & 0x1f == 12 {
                votes[word(pair.1 + 8) &- UInt32(truncatingIfNeeded: index), default: 0] += 1
            }
            let sorted = votes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            guard let best = sorted.first, best.value >= 8, best.key >= first,
                sorted.dropFirst().first.map({ $0.value * 2 < best.value }) ?? true
            else { return nil }
            return (place, best.key)
        }
        return nil
    }

    /// Counts the names from `endString` on and the types from `endID` on that anything refers to.
    mutating func check(_ types: ByteSlice, _ order: ByteOrder, endString: UInt32, endID: UInt32) {
        var names = 0
        var ids = 0
        types.withBytes { span in
            func word(_ at: Int) -> UInt32 { span.integer(at, order, as: UInt32.self) ?? 0 }
            for place in places where place != Self.lostPlace {
                let at = Int(place)
                let info = word(at + 4)
                let kind = info >> 24 & 0x1f
                if word(at) >= endString { names += 1 }
                if BTFKind.refers(kind), word(at + 8) >= endID { ids += 1 }
                if kind == 3, word(at + 12) >= endID { ids += 1 }
                guard let parts = BTFKind.parts(kind) else { continue }
                var part = at + 12
                for _ in 0..<Int(info & 0xffff) {
                    if parts.named, word(part) >= endString { names += 1 }
                    if let type = parts.type, word(part + type) >= endID { ids += 1 }
                    part += parts.stride
                }
            }
        }
        badNames = names
        badTypes = ids
    }
}

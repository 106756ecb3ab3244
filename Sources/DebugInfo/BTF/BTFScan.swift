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

    /// `first` is the id of the first type.
    init(_ types: ByteSlice, _ order: ByteOrder, first: UInt32) {
        types.withBytes { span in
            places.reserveCapacity(span.byteCount / 40)
            var at = 0
            while at < span.byteCount {
                guard let info = span.integer(at + 4, order, as: UInt32.self), info & BTFKind.reservedBits == 0,
                    let size = BTFKind.size(info >> 24 & 0x1f, count: Int(info & 0xffff)),
                    at + size <= span.byteCount
                else {
                    fault = ParseFault(
                        "BTF type \(UInt64(first) + UInt64(places.count))", in: types.name,
                        at: UInt64(types.start + at), .invalid("an unknown kind, or a type that is cut short"))
                    return
                }
                places.append(UInt32(truncatingIfNeeded: at))
                at += size
            }
        }
    }

    /// Counts the names from `endString` on and the types from `endID` on that anything refers to.
    mutating func check(_ types: ByteSlice, _ order: ByteOrder, endString: UInt32, endID: UInt32) {
        var names = 0
        var ids = 0
        types.withBytes { span in
            func word(_ at: Int) -> UInt32 { span.integer(at, order, as: UInt32.self) ?? 0 }
            for place in places {
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

// Reads values one after another, and owns byte order, bounds and overflow.

/// A position in a slice. Every read either returns a value and moves on, or throws and stays.
package struct Cursor: Sendable {
    package let slice: ByteSlice
    package let order: ByteOrder
    /// The offset of the next byte, relative to the slice; never beyond its end.
    package private(set) var position: Int

    package init(_ slice: ByteSlice, order: ByteOrder = .little, at position: Int = 0) {
        self.slice = slice
        self.order = order
        self.position = min(max(position, 0), slice.count)
    }

    package var remaining: Int { slice.count - position }
    package var isAtEnd: Bool { position >= slice.count }

    /// A fault of the value that begins at the present position (or `back` bytes before it).
    package func fault(_ what: String, _ problem: ParseFault.Problem, back: Int = 0) -> ParseFault {
        ParseFault(what, in: slice.name, at: UInt64(slice.start + max(position - back, 0)), problem)
    }

    @inline(__always)
    private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, _ what: StaticString
    ) throws(ParseFault) -> T {
        let value = slice.withBytes { span in span.integer(position, order, as: type) }
        guard let value else {
            throw fault(
                what.description, .truncated(needed: UInt64(MemoryLayout<T>.size), available: UInt64(remaining)))
        }
        guard slice.isIntact else { throw fault(what.description, .changed) }
        position += MemoryLayout<T>.size
        return value
    }

    package mutating func u8(_ what: StaticString) throws(ParseFault) -> UInt8 { try integer(UInt8.self, what) }
    package mutating func u16(_ what: StaticString) throws(ParseFault) -> UInt16 { try integer(UInt16.self, what) }
    package mutating func u32(_ what: StaticString) throws(ParseFault) -> UInt32 { try integer(UInt32.self, what) }
    package mutating func u64(_ what: StaticString) throws(ParseFault) -> UInt64 { try integer(UInt64.self, what) }
    package mutating func s8(_ what: StaticString) throws(ParseFault) -> Int8 { try integer(Int8.self, what) }
    package mutating func s16(_ what: StaticString) throws(ParseFault) -> Int16 { try integer(Int16.self, what) }
    package mutating func s32(_ what: StaticString) throws(ParseFault) -> Int32 { try integer(Int32.self, what) }
    package mutating func s64(_ what: StaticString) throws(ParseFault) -> Int64 { try integer(Int64.self, what) }

    /// An unsigned integer of `size` bytes: 1, 2, 3, 4 or 8.
    package mutating func unsigned(size: Int, _ what: StaticString) throws(ParseFault) -> UInt64 {
        switch size {
        case 1: return UInt64(try u8(what))
        case 2: return UInt64(try u16(what))
        case 4: return UInt64(try u32(what))
        case 8: return try u64(what)
        case 3:
            let low = UInt64(try u16(what))
            let high = UInt64(try u8(what))
            return order == .little ? low | high << 16 : low << 8 | high
        default: throw fault(what.description, .invalid("an integer of \(size) bytes"))
        }
    }

    /// Moves over `count` bytes.
    package mutating func skip(_ count: UInt64, _ what: StaticString) throws(ParseFault) {
        guard count <= UInt64(remaining) else {
            throw fault(what.description, .truncated(needed: count, available: UInt64(remaining)))
        }
        position += Int(count)
    }

    /// Moves to `offset` of the slice.
    package mutating func seek(_ offset: UInt64, _ what: StaticString) throws(ParseFault) {
        guard offset <= UInt64(slice.count) else {
            throw fault(what.description, .invalid("offset 0x\(hex(offset)) lies beyond the end"))
        }
        position = Int(offset)
    }

    /// The next `count` bytes as a cursor of their own, in the same byte order.
    package mutating func sub(_ count: UInt64, _ what: StaticString) throws(ParseFault) -> Cursor {
        Cursor(try bytes(count, what), order: order)
    }

    /// The next `count` bytes.
    package mutating func bytes(_ count: UInt64, _ what: StaticString) throws(ParseFault) -> ByteSlice {
        let part = try slice.sub(UInt64(position), count, what.description)
        position += Int(count)
        return part
    }

    /// The bytes up to the next NUL, which is passed over.
    package mutating func cString(_ what: StaticString) throws(ParseFault) -> ByteSlice {
        let length: Int? = slice.withBytes { span in
            var end = position
            while end < span.byteCount {
                if span.u8(end) == 0 { return end - position }
                end += 1
            }
            return nil
        }
        guard let length else { throw fault(what.description, .invalid("a string without its NUL")) }
        let text = try bytes(UInt64(length), what)
        position += 1
        return text
    }

    /// Moves to the next multiple of `alignment` (a power of two) counted from the slice's start, or to the end.
    package mutating func align(_ alignment: Int) {
        let over = position & (alignment - 1)
        if over != 0 { position = min(position + alignment - over, slice.count) }
    }
}

// Reads numbers from a span one after another, for the loops where a cursor that throws would be too slow.

internal import Bytes

/// A position in a span that some loop walks over. Reading beyond the end gives zeros and sets `failed`, once and for
/// all, so that a loop needs one check a turn instead of one a value.
struct ScanPosition {
    var at: Int
    let end: Int
    private(set) var failed = false

    /// Both are clamped to the span by every read, so that wrong ones cannot do harm.
    init(from start: Int, to end: Int) {
        at = start
        self.end = end
    }

    var isAtEnd: Bool { failed || at >= end }

    mutating func fail() { failed = true }

    @inline(__always)
    mutating func u8(_ span: borrowing RawSpan) -> UInt8 {
        guard at < end else {
            failed = true
            return 0
        }
        defer { at &+= 1 }
        return span.u8(at)
    }

    @inline(__always)
    mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(
        _ span: borrowing RawSpan, _ order: ByteOrder, as type: T.Type
    ) -> T {
        guard at <= end &- MemoryLayout<T>.size, let value = span.integer(at, order, as: type) else {
            failed = true
            return 0
        }
        at &+= MemoryLayout<T>.size
        return value
    }

    /// An address or offset of 1, 2, 4 or 8 bytes; anything else fails.
    mutating func unsigned(_ span: borrowing RawSpan, _ order: ByteOrder, size: Int) -> UInt64 {
        switch size {
        case 8: return fixed(span, order, as: UInt64.self)
        case 4: return UInt64(fixed(span, order, as: UInt32.self))
        case 2: return UInt64(fixed(span, order, as: UInt16.self))
        case 1: return UInt64(u8(span))
        default:
            failed = true
            return 0
        }
    }

    /// An unsigned LEB128 number; bits beyond 64 are dropped.
    @inline(__always)
    mutating func uleb128(_ span: borrowing RawSpan) -> UInt64 {
        let first = u8(span)
        guard first & 0x80 != 0 else { return UInt64(first) }
        var value = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while !failed {
            let byte = u8(span)
            if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
            if byte & 0x80 == 0 { break }
            shift &+= 7
        }
        return value
    }

    /// A signed LEB128 number; bits beyond 64 are dropped.
    mutating func sleb128(_ span: borrowing RawSpan) -> Int64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while !failed {
            let byte = u8(span)
            if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
            shift &+= 7
            if byte & 0x80 == 0 {
                if shift < 64, byte & 0x40 != 0 { value |= ~UInt64(0) << shift }
                break
            }
        }
        return Int64(bitPattern: value)
    }

    mutating func skip(_ count: UInt64) {
        guard at <= end, count <= UInt64(end &- at) else {
            failed = true
            return
        }
        at &+= Int(count)
    }
}

// Little- and big-endian loads from a span, for loops where a cursor per value would be too slow.

/// The order in which the bytes of an integer stand in memory.
@usableFromInline package enum ByteOrder: Sendable {
    case little
    case big
}

extension RawSpan {
    /// The byte at `offset`. The caller has checked `offset`; beyond the end it reads as 0, and never traps.
    @inlinable @inline(__always)
    package func u8(_ offset: Int) -> UInt8 {
        guard offset >= 0, offset < byteCount else { return 0 }
        // Safe: bounds were checked on the line above.
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// The little-endian integer at `offset`, or nil when it is not wholly inside.
    @inlinable @inline(__always)
    package func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T? {
        guard offset >= 0, byteCount >= MemoryLayout<T>.size, offset <= byteCount - MemoryLayout<T>.size else {
            return nil
        }
        // Safe: the whole value lies inside, and an integer has no invalid bit patterns.
        return unsafe T(littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self))
    }

    /// The integer at `offset` in the given byte order, or nil when it is not wholly inside.
    @inlinable @inline(__always)
    package func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ offset: Int, _ order: ByteOrder, as type: T.Type
    ) -> T? {
        guard let value = little(offset, as: type) else { return nil }
        return order == .little ? value : value.byteSwapped
    }
}

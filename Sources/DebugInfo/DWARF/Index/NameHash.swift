// The hash by which names are found: of their bytes, the same in every run, since it is stored.

internal import Bytes

enum NameHash {
    /// Names longer than this are not in the index: no C compiler writes them, and each costs its length.
    static let longest = 4096

    /// The hash of the bytes from `start` up to a NUL; nil for none, and for those without an end.
    static func hash(_ span: borrowing RawSpan, at start: Int) -> UInt64? {
        var hash = seed
        var at = start
        let end = min(span.byteCount, start &+ longest)
        guard start >= 0, start < span.byteCount else { return nil }
        while at < end {
            let byte = span.u8(at)
            if byte == 0 { return at == start ? nil : finish(hash) }
            hash = step(hash, byte)
            at &+= 1
        }
        return nil
    }

    static func hash(_ name: some Sequence<UInt8>) -> UInt64 {
        var hash = seed
        for byte in name { hash = step(hash, byte) }
        return finish(hash)
    }

    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

    /// FNV-1a, whose lowest bits are the weakest: `finish` spreads the highest over all.
    @inline(__always)
    private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }

    @inline(__always)
    private static func finish(_ hash: UInt64) -> UInt64 {
        let folded = (hash ^ hash >> 32) &* 0xd6e8_feb8_6659_fd93
        return folded ^ folded >> 32
    }
}

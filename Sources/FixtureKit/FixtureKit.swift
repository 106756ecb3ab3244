// What tests are built from: bytes in order, and numbers that look random and never change.

package import Bytes

/// Bytes written one after another, in one byte order.
package struct Output {
    package private(set) var bytes: [UInt8] = []
    package let order: ByteOrder

    package init(_ order: ByteOrder = .little) { self.order = order }

    package var count: Int { bytes.count }

    package mutating func append(_ more: [UInt8]) { bytes += more }
    package mutating func u8(_ value: UInt8) { bytes.append(value) }
    package mutating func u16(_ value: UInt16) { integer(value) }
    package mutating func u32(_ value: UInt32) { integer(value) }
    package mutating func u64(_ value: UInt64) { integer(value) }

    /// A 64-bit word of a 64-bit file, or the low 32 bits of it.
    package mutating func word(_ value: UInt64, is64: Bool) {
        if is64 { u64(value) } else { u32(UInt32(truncatingIfNeeded: value)) }
    }

    package mutating func uleb128(_ value: UInt64) {
        var rest = value
        repeat {
            bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
            rest >>= 7
        } while rest != 0
    }

    package mutating func sleb128(_ value: Int64) {
        var rest = value
        while true {
            let byte = UInt8(truncatingIfNeeded: rest & 0x7f)
            rest >>= 7
            let isLast = (rest == 0 && byte & 0x40 == 0) || (rest == -1 && byte & 0x40 != 0)
            bytes.append(isLast ? byte : byte | 0x80)
            if isLast { return }
        }
    }

    /// The text and a NUL.
    package mutating func cString(_ text: String) { bytes += Array(text.utf8) + [0] }

    /// The text in a field of `size` bytes, cut off or filled with NULs.
    package mutating func field(_ text: String, _ size: Int) {
        let part = Array(text.utf8.prefix(size))
        bytes += part + [UInt8](repeating: 0, count: size - part.count)
    }

    /// Zeros up to `size` bytes in all; nothing when there are as many already.
    package mutating func pad(to size: Int) {
        if size > bytes.count { bytes += [UInt8](repeating: 0, count: size - bytes.count) }
    }

    package mutating func align(_ alignment: Int) { pad(to: (bytes.count + alignment - 1) / alignment * alignment) }

    /// Puts bytes over those that stand at `offset`.
    package mutating func overwrite(_ offset: Int, _ new: [UInt8]) {
        bytes.replaceSubrange(offset..<offset + new.count, with: new)
    }

    private mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        for index in 0..<MemoryLayout<T>.size {
            let shift = order == .little ? 8 * index : 8 * (MemoryLayout<T>.size - 1 - index)
            bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }
}

/// SplitMix64: the same numbers on every machine, so that a failing seed fails again.
package struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// Bytes that compress like memory does: words of few kinds, zeros, some noise.
    package mutating func page(_ size: Int = 4096) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < size {
            let kind = next()
            switch kind & 3 {
            case 0: bytes += [UInt8](repeating: 0, count: Int(kind >> 8 & 63) + 1)
            case 1: bytes += [0x80, 0x56, 0x18, 0x00, 0x80, 0x88, 0xff, 0xff]
            default: for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: kind >> UInt64(8 * shift + 8))) }
            }
        }
        return Array(bytes.prefix(size))
    }
}

// The two kinds of address of a machine, each its own type so that neither can stand for the other.

/// An address of the machine's physical memory, in bytes.
package struct PhysicalAddress: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The address `distance` bytes further; wraps at 2^64, as the hardware's adders do.
    package func advanced(by distance: UInt64) -> Self { Self(rawValue &+ distance) }

    /// The start of the page of `size` bytes (a power of two) that holds this address.
    package func pageStart(_ size: Int) -> Self { Self(rawValue & ~(UInt64(truncatingIfNeeded: size) &- 1)) }
}

/// An address of the kernel's or a process's virtual memory, in bytes.
package struct VirtualAddress: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The address `distance` bytes further; wraps at 2^64, as the kernel's own arithmetic does.
    package func advanced(by distance: UInt64) -> Self { Self(rawValue &+ distance) }

    /// The address `distance` bytes further or, when negative, before; wraps at 2^64.
    package func advanced(by distance: Int64) -> Self { Self(rawValue &+ UInt64(bitPattern: distance)) }

    /// The number of bytes from `other` to here, modulo 2^64.
    package func distance(from other: Self) -> UInt64 { rawValue &- other.rawValue }

    package var isNull: Bool { rawValue == 0 }
}

/// Lower-case hexadecimal without a prefix: `ffff888000185600`. Padded with zeros to `width` digits.
package func hex(_ value: UInt64, width: Int = 0) -> String {
    let digits = String(value, radix: 16)
    return digits.utf8.count < width ? String(repeating: "0", count: width - digits.utf8.count) + digits : digits
}

extension PhysicalAddress: CustomStringConvertible {
    package var description: String { "0x" + hex(rawValue) }
}

extension VirtualAddress: CustomStringConvertible {
    package var description: String { "0x" + hex(rawValue) }
}

// What an attribute's bytes mean, form by form.

package import Bytes

/// Where a string of DWARF is.
package enum StringReference: Sendable {
    /// `DW_FORM_string`: in the DIE itself.
    case inline(ByteSlice)
    /// `.str` or `.lineStr`, at an offset.
    case offset(DWARFSection, UInt64)
    /// The number of an entry in `.debug_str_offsets`.
    case index(UInt64)
    /// `.debug_str` of the supplementary file.
    case supplementary(UInt64)
}

/// The place of a DIE among all files and sections.
package struct DIEReference: Hashable, Sendable {
    /// The offset, with the file and the section in the highest two bits.
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ section: DWARFSection, _ offset: UInt64, isSupplementary: Bool = false) {
        rawValue =
            offset & Self.offsetMask | (section == .types ? 1 << 62 : 0) | (isSupplementary ? 1 << 63 : 0)
    }

    private static let offsetMask: UInt64 = 1 << 62 - 1

    package var offset: UInt64 { rawValue & Self.offsetMask }
    package var section: DWARFSection { rawValue & 1 << 62 != 0 ? .types : .info }
    package var isSupplementary: Bool { rawValue & 1 << 63 != 0 }
}

/// A value by the class of its form (DWARF 5, section 7.5.5).
package enum AttributeValue: Sendable {
    case address(UInt64)
    /// The number of an entry in `.debug_addr`.
    case addressIndex(UInt64)
    /// `DW_FORM_data1` to `data8`: of `size` bytes, with or without a sign as the attribute needs it.
    case data(UInt64, size: Int)
    case unsigned(UInt64)
    case signed(Int64)
    /// `DW_FORM_data16` and the blocks.
    case block(ByteSlice)
    case expression(ByteSlice)
    case flag(Bool)
    case sectionOffset(UInt64)
    /// The number of an entry in a location or range list table.
    case listIndex(UInt64)
    case string(StringReference)
    case reference(DIEReference)
    case signature(UInt64)

    /// As an unsigned constant (also where a section offset of DWARF 2 and 3 is meant); nil for another class and for negative numbers.
    package var unsigned: UInt64? {
        switch self {
        case .data(let value, _), .unsigned(let value), .sectionOffset(let value): value
        case .signed(let value): UInt64(exactly: value)
        default: nil
        }
    }

    /// As a signed constant: `data1` to `data8` are sign-extended.
    package var signed: Int64? {
        switch self {
        case .data(let value, let size):
            switch size {
            case 1: Int64(Int8(truncatingIfNeeded: value))
            case 2: Int64(Int16(truncatingIfNeeded: value))
            case 4: Int64(Int32(truncatingIfNeeded: value))
            default: Int64(bitPattern: value)
            }
        case .unsigned(let value): Int64(bitPattern: value)
        case .signed(let value): value
        default: nil
        }
    }

    /// The bytes of an expression; DWARF 2 and 3 wrote them as a block.
    package var expression: ByteSlice? {
        switch self {
        case .expression(let bytes), .block(let bytes): bytes
        default: nil
        }
    }
}

// The forms of attribute values: how long they are and what they refer to.

internal import Bytes

/// Reads values in the forms of DWARF 5, section 7.5.6, and GNU's for dwz, in units of given sizes.
struct CodeForms: Sendable {
    let order: ByteOrder
    let addressSize: Int
    /// 4, or 8 in the 64-bit format.
    let offsetSize: Int
    /// Of DW_FORM_ref_addr: in version 2 the size of an address.
    let referenceSize: Int

    struct Value {
        enum Kind {
            case constant
            case address
            case addressIndex
            /// Relative to the unit, to `.debug_info`, to the common file's.
            case unitReference
            case reference
            case alternateReference
            /// An offset in `.debug_info`, `.debug_str`, `.debug_line_str`, the common file's; an index.
            case inlineString
            case string
            case lineString
            case alternateString
            case stringIndex
            case sectionOffset
            case listIndex
            case other
        }
        let kind: Kind
        let raw: UInt64
    }

    /// The size of every value in this form; nil where it depends on the value.
    func fixedSize(_ form: UInt16) -> Int? {
        switch form {
        case 0x0b, 0x0c, 0x11, 0x25, 0x29: 1
        case 0x05, 0x12, 0x26, 0x2a: 2
        case 0x27, 0x2b: 3
        case 0x06, 0x13, 0x1c, 0x28, 0x2c: 4
        case 0x07, 0x14, 0x20, 0x24: 8
        case 0x1e: 16
        case 0x19, 0x21: 0
        case 0x01: addressSize
        case 0x0e, 0x17, 0x1d, 0x1f, 0x1f20, 0x1f21: offsetSize
        case 0x10: referenceSize
        default: nil
        }
    }

    /// Reads one value, or fails the position for a form that is unknown.
    func read(
        _ form: UInt16, _ constant: Int64, _ span: borrowing RawSpan, _ position: inout ScanPosition
    ) -> Value {
        func value(_ kind: Value.Kind, _ raw: UInt64) -> Value { Value(kind: kind, raw: raw) }
        switch form {
        case 0x01: return value(.address, position.unsigned(span, order, size: addressSize))
        case 0x0b, 0x0c: return value(.constant, UInt64(position.u8(span)))
        case 0x05: return value(.constant, UInt64(position.fixed(span, order, as: UInt16.self)))
        case 0x06: return value(.constant, UInt64(position.fixed(span, order, as: UInt32.self)))
        case 0x07: return value(.constant, position.fixed(span, order, as: UInt64.self))
        case 0x0f: return value(.constant, position.uleb128(span))
        case 0x0d: return value(.constant, UInt64(bitPattern: position.sleb128(span)))
        case 0x21: return value(.constant, UInt64(bitPattern: constant))
        case 0x19: return value(.constant, 1)
        case 0x08:
            let start = position.at
            while !position.failed, position.u8(span) != 0 {}
            return value(.inlineString, UInt64(start))
        case 0x0e: return value(.string, offset(span, &position))
        case 0x1f: return value(.lineString, offset(span, &position))
        case 0x1d, 0x1f21: return value(.alternateString, offset(span, &position))
        case 0x1a: return value(.stringIndex, position.uleb128(span))
        case 0x25...0x28: return value(.stringIndex, small(form - 0x25, span, &position))
        case 0x1b: return value(.addressIndex, position.uleb128(span))
        case 0x29...0x2c: return value(.addressIndex, small(form - 0x29, span, &position))
        case 0x11: return value(.unitReference, UInt64(position.u8(span)))
        case 0x12: return value(.unitReference, UInt64(position.fixed(span, order, as: UInt16.self)))
        case 0x13: return value(.unitReference, UInt64(position.fixed(span, order, as: UInt32.self)))
        case 0x14: return value(.unitReference, position.fixed(span, order, as: UInt64.self))
        case 0x15: return value(.unitReference, position.uleb128(span))
        case 0x10: return value(.reference, position.unsigned(span, order, size: referenceSize))
        case 0x1c: return value(.alternateReference, UInt64(position.fixed(span, order, as: UInt32.self)))
        case 0x24: return value(.alternateReference, position.fixed(span, order, as: UInt64.self))
        case 0x1f20: return value(.alternateReference, offset(span, &position))
        case 0x17: return value(.sectionOffset, offset(span, &position))
        case 0x22, 0x23: return value(.listIndex, position.uleb128(span))
        default: return other(form, span, &position)
        }
    }

    private func other(_ form: UInt16, _ span: borrowing RawSpan, _ position: inout ScanPosition) -> Value {
        switch form {
        case 0x0a: position.skip(UInt64(position.u8(span)))
        case 0x03: position.skip(UInt64(position.fixed(span, order, as: UInt16.self)))
        case 0x04: position.skip(UInt64(position.fixed(span, order, as: UInt32.self)))
        case 0x09, 0x18: position.skip(position.uleb128(span))
        case 0x1e: position.skip(16)
        case 0x20: position.skip(8)
        case 0x16:
            // DW_FORM_indirect: the form stands before the value. It must not name itself, nor a constant of none.
            let actual = position.uleb128(span)
            guard let actual = UInt16(exactly: actual), actual != 0x16, actual != 0x21 else {
                position.fail()
                break
            }
            return read(actual, 0, span, &position)
        default: position.fail()
        }
        return Value(kind: .other, raw: 0)
    }

    private func offset(_ span: borrowing RawSpan, _ position: inout ScanPosition) -> UInt64 {
        position.unsigned(span, order, size: offsetSize)
    }

    /// An index of 1, 2, 3 or 4 bytes.
    private func small(_ width: UInt16, _ span: borrowing RawSpan, _ position: inout ScanPosition) -> UInt64 {
        switch width {
        case 0: return UInt64(position.u8(span))
        case 1: return UInt64(position.fixed(span, order, as: UInt16.self))
        case 3: return UInt64(position.fixed(span, order, as: UInt32.self))
        default:
            let bytes = [position.u8(span), position.u8(span), position.u8(span)].map(UInt64.init)
            return order == .little
                ? bytes[0] | bytes[1] << 8 | bytes[2] << 16 : bytes[0] << 16 | bytes[1] << 8 | bytes[2]
        }
    }
}

// Reads or passes over the value of any form.

internal import Bytes

/// Reads values of one unit's DIEs.
struct FormReader {
    let header: UnitHeader
    let bytes: ByteSlice

    /// Passes over a value of `form` at `position`. Sets `failed` there when the value is cut short; throws for a
    /// form that nobody knows, after which nothing in this DIE can be found any more.
    @inline(__always)
    func skip(_ form: DWForm, _ span: borrowing RawSpan, _ position: inout ScanPosition) throws(ParseFault) {
        switch form {
        case .data1, .ref1, .flag, .strx1, .addrx1: position.skip(1)
        case .data2, .ref2, .strx2, .addrx2: position.skip(2)
        case .strx3, .addrx3: position.skip(3)
        case .data4, .ref4, .refSup4, .strx4, .addrx4: position.skip(4)
        case .data8, .ref8, .refSup8, .refSig8: position.skip(8)
        case .data16: position.skip(16)
        case .flagPresent, .implicitConst: break
        case .addr: position.skip(UInt64(header.addressSize))
        case .strp, .secOffset, .lineStrp, .strpSup, .gnuRefAlt, .gnuStrpAlt: position.skip(UInt64(header.offsetSize))
        case .refAddr: position.skip(UInt64(header.version == 2 ? header.addressSize : header.offsetSize))
        case .udata, .refUdata, .strx, .addrx, .loclistx, .rnglistx, .gnuAddrIndex, .gnuStrIndex, .sdata:
            _ = position.uleb128(span)
        case .exprloc, .block: position.skip(position.uleb128(span))
        case .block1: position.skip(UInt64(position.u8(span)))
        case .block2: position.skip(UInt64(position.fixed(span, header.order, as: UInt16.self)))
        case .block4: position.skip(UInt64(position.fixed(span, header.order, as: UInt32.self)))
        case .string: while position.u8(span) != 0 {}
        case .indirect:
            let inner = DWForm(rawValue: UInt16(clamping: position.uleb128(span)))
            // An indirect implicit constant has no value anywhere; one level is all that makes sense.
            guard inner != .indirect, inner != .implicitConst else {
                throw fault(position, .invalid("form 0x\(hex(UInt64(inner.rawValue))) behind DW_FORM_indirect"))
            }
            try skipPlain(inner, span, &position)
        default: throw fault(position, .unsupported("form 0x\(hex(UInt64(form.rawValue)))"))
        }
    }

    /// `skip` once more, for the form behind `DW_FORM_indirect`: a call, so that the other can be inlined.
    @inline(never)
    private func skipPlain(
        _ form: DWForm, _ span: borrowing RawSpan, _ position: inout ScanPosition
    ) throws(ParseFault) {
        switch form {
        case .indirect: throw fault(position, .invalid("DW_FORM_indirect twice"))
        default: try skip(form, span, &position)
        }
    }

    func fault(_ position: ScanPosition, _ problem: ParseFault.Problem) -> ParseFault {
        ParseFault("attribute", in: bytes.name, at: UInt64(bytes.start &+ position.at), problem)
    }

    /// The value of `specification` at `offset` of the section.
    func value(_ specification: AttributeSpecification, at offset: Int) throws(ParseFault) -> AttributeValue {
        var cursor = Cursor(bytes.clamped(0, header.end), order: header.order, at: offset)
        if specification.form == .implicitConst { return .signed(specification.implicit) }
        return try value(specification.form, &cursor)
    }

    private func value(_ form: DWForm, _ cursor: inout Cursor) throws(ParseFault) -> AttributeValue {
        switch form {
        case .data1: return .data(UInt64(try cursor.u8("data1")), size: 1)
        case .data2: return .data(UInt64(try cursor.u16("data2")), size: 2)
        case .data4: return .data(UInt64(try cursor.u32("data4")), size: 4)
        case .data8: return .data(try cursor.u64("data8"), size: 8)
        case .udata: return .unsigned(try cursor.uleb128("udata"))
        case .sdata: return .signed(try cursor.sleb128("sdata"))
        case .flag: return .flag(try cursor.u8("flag") != 0)
        case .flagPresent: return .flag(true)
        case .addr: return .address(try cursor.unsigned(size: header.addressSize, "address"))
        case .addrx, .gnuAddrIndex: return .addressIndex(try cursor.uleb128("address index"))
        case .addrx1: return .addressIndex(UInt64(try cursor.u8("address index")))
        case .addrx2: return .addressIndex(UInt64(try cursor.u16("address index")))
        case .addrx3: return .addressIndex(try cursor.unsigned(size: 3, "address index"))
        case .addrx4: return .addressIndex(UInt64(try cursor.u32("address index")))
        case .secOffset: return .sectionOffset(try cursor.unsigned(size: header.offsetSize, "section offset"))
        case .loclistx, .rnglistx: return .listIndex(try cursor.uleb128("list index"))
        case .exprloc: return .expression(try cursor.bytes(try cursor.uleb128("exprloc length"), "exprloc"))
        case .block: return .block(try cursor.bytes(try cursor.uleb128("block length"), "block"))
        case .block1: return .block(try cursor.bytes(UInt64(try cursor.u8("block length")), "block"))
        case .block2: return .block(try cursor.bytes(UInt64(try cursor.u16("block length")), "block"))
        case .block4: return .block(try cursor.bytes(UInt64(try cursor.u32("block length")), "block"))
        case .data16: return .block(try cursor.bytes(16, "data16"))
        case .refSig8: return .signature(try cursor.u64("type signature"))
        case .indirect:
            let inner = DWForm(rawValue: UInt16(clamping: try cursor.uleb128("indirect form")))
            guard inner != .indirect, inner != .implicitConst else {
                throw cursor.fault("indirect form", .invalid("form 0x\(hex(UInt64(inner.rawValue)))"))
            }
            return try value(inner, &cursor)
        default:
            if let string = try string(form, &cursor) { return .string(string) }
            return .reference(try reference(form, &cursor))
        }
    }

    private func string(_ form: DWForm, _ cursor: inout Cursor) throws(ParseFault) -> StringReference? {
        switch form {
        case .string: .inline(try cursor.cString("string"))
        case .strp: .offset(.str, try cursor.unsigned(size: header.offsetSize, "string offset"))
        case .lineStrp: .offset(.lineStr, try cursor.unsigned(size: header.offsetSize, "string offset"))
        case .strpSup, .gnuStrpAlt: .supplementary(try cursor.unsigned(size: header.offsetSize, "string offset"))
        case .strx, .gnuStrIndex: .index(try cursor.uleb128("string index"))
        case .strx1: .index(UInt64(try cursor.u8("string index")))
        case .strx2: .index(UInt64(try cursor.u16("string index")))
        case .strx3: .index(try cursor.unsigned(size: 3, "string index"))
        case .strx4: .index(UInt64(try cursor.u32("string index")))
        default: nil
        }
    }

    private func reference(_ form: DWForm, _ cursor: inout Cursor) throws(ParseFault) -> DIEReference {
        let inUnit: UInt64
        switch form {
        case .ref1: inUnit = UInt64(try cursor.u8("reference"))
        case .ref2: inUnit = UInt64(try cursor.u16("reference"))
        case .ref4: inUnit = UInt64(try cursor.u32("reference"))
        case .ref8: inUnit = try cursor.u64("reference")
        case .refUdata: inUnit = try cursor.uleb128("reference")
        case .refAddr:
            let size = header.version == 2 ? header.addressSize : header.offsetSize
            return DIEReference(.info, try cursor.unsigned(size: size, "reference"))
        case .refSup4: return DIEReference(.info, UInt64(try cursor.u32("reference")), isSupplementary: true)
        case .refSup8: return DIEReference(.info, try cursor.u64("reference"), isSupplementary: true)
        case .gnuRefAlt:
            return DIEReference(
                .info, try cursor.unsigned(size: header.offsetSize, "reference"), isSupplementary: true)
        default: throw cursor.fault("attribute", .unsupported("form 0x\(hex(UInt64(form.rawValue)))"))
        }
        let (offset, overflow) = inUnit.addingReportingOverflow(header.offset)
        guard !overflow, offset < header.end else {
            throw cursor.fault("reference", .invalid("0x\(hex(inUnit)) lies beyond the unit"))
        }
        return DIEReference(header.section, offset)
    }
}

// The header of a unit: versions 2 to 5, of .debug_info and of .debug_types.

package import Bytes

/// DWARF 5, section 7.5.1; DWARF 4, section 7.5.1 for what came before.
package struct UnitHeader: Sendable {
    /// `.info`, or `.types` for the type units of version 4.
    package let section: DWARFSection
    /// Where the header begins, in the section.
    package let offset: UInt64
    /// Where the next unit begins.
    package let end: UInt64
    package let version: UInt16
    /// Whether offsets have 64 bits (the "64-bit DWARF format").
    package let is64: Bool
    /// Bytes: 1, 2, 4 or 8.
    package let addressSize: Int
    package let type: DWUnitType
    package let abbreviations: UInt64
    package let firstDIE: UInt64
    /// Of type units: what `DW_FORM_ref_sig8` names.
    package let signature: UInt64?
    /// Of type units: where the type's DIE is, in the section.
    package let typeDIE: UInt64?
    package let order: ByteOrder

    package var offsetSize: Int { is64 ? 8 : 4 }

    /// Reads the header at `offset`. A unit that claims more than there is throws. Complexity: constant.
    package init(
        _ bytes: ByteSlice, section: DWARFSection, at offset: UInt64, order: ByteOrder
    ) throws(ParseFault) {
        var cursor = Cursor(bytes, order: order)
        let extent = try Self.extent(&cursor, at: offset)
        self.section = section
        self.offset = offset
        self.order = order
        is64 = extent.is64
        end = extent.end
        version = try cursor.u16("unit version")
        guard (2...5).contains(version) else {
            throw cursor.fault("unit version", .unsupported("DWARF version \(version)"), back: 2)
        }
        let width = is64 ? 8 : 4
        if version >= 5 {
            type = DWUnitType(rawValue: try cursor.u8("unit type"))
            addressSize = Int(try cursor.u8("address size"))
            abbreviations = try cursor.unsigned(size: width, "debug_abbrev_offset")
        } else {
            type = section == .types ? .type : .compile
            abbreviations = try cursor.unsigned(size: width, "debug_abbrev_offset")
            addressSize = Int(try cursor.u8("address size"))
        }
        guard [1, 2, 4, 8].contains(addressSize) else {
            throw cursor.fault("address size", .invalid("\(addressSize) bytes"))
        }
        if type == .type || type == .splitType {
            signature = try cursor.u64("type signature")
            let (place, overflow) = try cursor.unsigned(size: width, "type offset").addingReportingOverflow(offset)
            typeDIE = overflow ? nil : place
        } else {
            if type == .skeleton || type == .splitCompile { _ = try cursor.u64("dwo_id") }
            signature = nil
            typeDIE = nil
        }
        firstDIE = UInt64(cursor.position)
        guard firstDIE <= end else { throw cursor.fault("unit length", .invalid("shorter than the unit's header")) }
    }

    /// The end of the unit at `offset`, which can be told even when the rest of its header is not understood.
    /// `cursor` is left behind the length.
    static func extent(
        _ cursor: inout Cursor, at offset: UInt64
    ) throws(ParseFault) -> (end: UInt64, is64: Bool) {
        try cursor.seek(offset, "unit")
        var length = UInt64(try cursor.u32("unit length"))
        let is64 = length == 0xffff_ffff
        if is64 {
            length = try cursor.u64("unit length")
        } else if length >= 0xffff_fff0 {
            throw cursor.fault("unit length", .invalid("the reserved value 0x\(hex(length))"), back: 4)
        }
        guard length <= UInt64(cursor.remaining) else {
            throw cursor.fault("unit", .truncated(needed: length, available: UInt64(cursor.remaining)))
        }
        return (UInt64(cursor.position) &+ length, is64)
    }
}

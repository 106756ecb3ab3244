// One unit: its header, its abbreviations, and the bases that its own DIE states.

package import Bytes

/// A compilation, partial, type or skeleton unit. Immutable once made; made when it is first needed.
package final class Unit: Sendable {
    package let header: UnitHeader
    package let abbreviations: Abbreviations
    package let sections: DWARFSections
    /// Whether it is of the file that dwz made for several.
    package let isSupplementary: Bool
    let forms: FormReader
    private let bases: Bases

    /// Where the unit's parts of the shared tables begin (DWARF 5, section 3.1.1).
    private struct Bases {
        var stringOffsets: UInt64
        var addresses: UInt64 = 0
        var rangeLists: UInt64 = 0
        var locationLists: UInt64 = 0
        var oldRanges: UInt64 = 0
    }

    init(
        _ header: UnitHeader, bytes: ByteSlice, abbreviations: Abbreviations, sections: DWARFSections,
        isSupplementary: Bool
    ) {
        self.header = header
        self.abbreviations = abbreviations
        self.sections = sections
        self.isSupplementary = isSupplementary
        forms = FormReader(header: header, bytes: bytes)
        // A split unit has no base: its part of the table begins behind the header of 8 or 16 bytes.
        bases = Bases(stringOffsets: header.version >= 5 ? (header.is64 ? 16 : 8) : 0)
    }

    /// The unit again, with the bases of its own DIE. Two steps, because reading the DIE takes a unit.
    init(completing unit: Unit) throws(ParseFault) {
        header = unit.header
        abbreviations = unit.abbreviations
        sections = unit.sections
        isSupplementary = unit.isSupplementary
        forms = unit.forms
        var bases = unit.bases
        if let root = try unit.die(at: unit.header.firstDIE) {
            bases.stringOffsets = try root.unsigned(.stringOffsetsBase) ?? bases.stringOffsets
            let gnuAddresses = try root.unsigned(.gnuAddressBase) ?? 0
            bases.addresses = try root.unsigned(.addressBase) ?? gnuAddresses
            bases.rangeLists = try root.unsigned(.rangeListsBase) ?? 0
            bases.locationLists = try root.unsigned(.locationListsBase) ?? 0
            bases.oldRanges = try root.unsigned(.gnuRangesBase) ?? 0
        }
        self.bases = bases
    }

    var end: Int { Int(clamping: header.end) }
    package var addressSize: Int { header.addressSize }
    package var stringOffsetsBase: UInt64 { bases.stringOffsets }
    package var addressBase: UInt64 { bases.addresses }
    package var rangeListsBase: UInt64 { bases.rangeLists }
    package var locationListsBase: UInt64 { bases.locationLists }
    /// `DW_AT_GNU_ranges_base`, of split units before version 5.
    package var gnuRangesBase: UInt64 { bases.oldRanges }

    /// The DIE at `offset` of the section; nil for an entry of code 0.
    package func die(at offset: UInt64) throws(ParseFault) -> DIE? {
        guard offset >= header.firstDIE, offset < header.end else {
            throw ParseFault(
                "DIE", in: forms.bytes.name, at: UInt64(forms.bytes.start) &+ offset, .invalid("outside its unit"))
        }
        var position = ScanPosition(from: Int(clamping: offset), to: end)
        let code = forms.bytes.withBytes { position.uleb128($0) }
        guard !position.failed else { throw forms.fault(position, .invalid("an abbreviation code without end")) }
        if code == 0 { return nil }
        guard let abbreviation = abbreviations[code] else {
            throw forms.fault(position, .invalid("abbreviation \(code) is not in the unit's table"))
        }
        guard forms.bytes.isIntact else { throw forms.fault(position, .changed) }
        return DIE(unit: self, offset: offset, abbreviation: abbreviation, attributes: position.at)
    }

    /// The unit's own DIE; nil for a unit without any.
    package func root() throws(ParseFault) -> DIE? {
        header.firstDIE < header.end ? try die(at: header.firstDIE) : nil
    }

    /// `DW_AT_name`, the source file.
    package func name() throws(ParseFault) -> ByteSlice? { try root()?.string(.name) }
    package func compilationDirectory() throws(ParseFault) -> ByteSlice? {
        try root()?.string(.compilationDirectory)
    }
    /// Where its line program is in `.debug_line`.
    package func statementList() throws(ParseFault) -> UInt64? { try root()?.unsigned(.statementList) }
    package func lowPC() throws(ParseFault) -> UInt64? { try root()?.address(.lowPC) }

    /// The bytes of a string, wherever it is.
    package func bytes(of string: StringReference) throws(ParseFault) -> ByteSlice {
        switch string {
        case .inline(let bytes): return bytes
        case .offset(let section, let offset): return try sections.string(section, offset)
        case .supplementary(let offset):
            guard let other = sections.supplementary else {
                throw ParseFault(
                    "string", in: sections.name, at: offset, .unsupported("the supplementary file is not there"))
            }
            return try other.string(.str, offset)
        case .index(let index):
            let place = try entry(index, of: header.offsetSize, base: bases.stringOffsets)
            var cursor = Cursor(try sections[.strOffsets], order: header.order)
            try cursor.seek(place, "string index")
            return try sections.string(.str, try cursor.unsigned(size: header.offsetSize, "string offset"))
        }
    }

    /// Entry `index` of the unit's part of `.debug_addr`.
    package func address(_ index: UInt64) throws(ParseFault) -> UInt64 {
        var cursor = Cursor(try sections[.addr], order: header.order)
        try cursor.seek(try entry(index, of: addressSize, base: bases.addresses), "address index")
        return try cursor.unsigned(size: addressSize, "address")
    }

    private func entry(_ index: UInt64, of size: Int, base: UInt64) throws(ParseFault) -> UInt64 {
        let (distance, overflow) = index.multipliedReportingOverflow(by: UInt64(clamping: size))
        let (place, beyond) = distance.addingReportingOverflow(base)
        guard !overflow, !beyond else {
            throw ParseFault("index", in: sections.name, at: base, .invalid("entry \(index) is out of reach"))
        }
        return place
    }
}

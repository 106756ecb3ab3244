// DWARF from words: trees of DIEs as a compiler would write them.

package import Bytes

/// Builds `.debug_info`, `.debug_types`, `.debug_abbrev` and the sections of strings and addresses.
package struct DWARFBuilder {
    /// 2 to 5.
    package var version: UInt16
    package var is64 = false
    package var order: ByteOrder = .little
    /// Text of `.debug_line`, which units name as their line program when it is not empty.
    package var line: [UInt8] = []

    private struct Fixup {
        let place: Int
        let label: String
        let unit: Int?
        let size: Int
    }

    private var info: Output
    private var types: Output
    private var abbreviations: Output
    private var strings: [String: Int] = ["": 0]
    private var str: Output
    private var lineStrings = Output(.little)
    private var stringOffsets: Output
    private var addresses: Output
    private var labels: [String: Int] = [:]
    private var fixups: [Fixup] = []
    private var unitCount = 0

    package init(version: UInt16 = 5, order: ByteOrder = .little) {
        self.version = version
        self.order = order
        info = Output(order)
        types = Output(order)
        abbreviations = Output(order)
        str = Output(order)
        str.u8(0)
        stringOffsets = Output(order)
        addresses = Output(order)
    }

    /// Adds a compile unit. Labels are those of the unit unless `farReference` names them: `UNIT.LABEL`.
    package mutating func unit(
        _ name: String, kind: UInt64 = 0x11, attributes: [(UInt64, DWARFNode.Value)] = [],
        _ children: [DWARFNode]
    ) {
        var more: [(UInt64, DWARFNode.Value)] = [(0x03, .text(name))]
        if !line.isEmpty { more.append((0x10, .sectionOffset(0))) }
        if version >= 5 { more += [(0x72, .sectionOffset(is64 ? 16 : 8)), (0x73, .sectionOffset(8))] }
        let root = DWARFNode(kind, more + attributes, children)
        write(name, root, unitType: kind == 0x3c ? 3 : 1, signature: nil, inTypes: false)
    }

    /// Adds the compile unit "a.c".
    package mutating func unit(_ children: [DWARFNode]) { unit("a.c", children) }

    /// Adds a type unit; `type` is the label of its type.
    package mutating func typeUnit(signature: UInt64, type: String, _ children: [DWARFNode]) {
        let root = DWARFNode(0x41, [(0x13, .data(12, size: 1))], children)
        write("type", root, unitType: 2, signature: (signature, type), inTypes: version < 5)
    }

    private mutating func write(
        _ name: String, _ root: DWARFNode, unitType: UInt8, signature: (UInt64, String)?, inTypes: Bool
    ) {
        unitCount += 1
        let tableStart = abbreviations.count
        var body = Output(order)
        body.u16(version)
        if version >= 5 { body.append([unitType, 8]) }
        body.word(UInt64(tableStart), is64: is64)
        if version < 5 { body.u8(8) }
        var typePlace: Int?
        if let signature {
            body.u64(signature.0)
            typePlace = body.count
            body.word(0, is64: is64)
        }
        let start = inTypes ? types.count : info.count
        let lengthSize = is64 ? 12 : 4
        var writer = DWARFTreeWriter(builder: self, body: body, base: lengthSize, unit: name)
        writer.write(root)
        writer.finishAbbreviations()
        self = writer.builder
        body = writer.body
        if let typePlace, let signature, let place = writer.labels[signature.1] {
            body.overwrite(typePlace, bytes(UInt64(place), size: is64 ? 8 : 4))
        }
        for fixup in writer.fixups {
            guard let place = writer.labels[fixup.label] else { continue }
            body.overwrite(fixup.place, bytes(UInt64(place), size: fixup.size))
        }
        var unit = Output(order)
        if is64 { unit.u32(0xffff_ffff) }
        unit.word(UInt64(body.count), is64: is64)
        unit.append(body.bytes)
        for (label, place) in writer.labels { labels["\(name).\(label)"] = start + place }
        for far in writer.farFixups {
            fixups.append(Fixup(place: start + lengthSize + far.place, label: far.label, unit: nil, size: far.size))
        }
        if inTypes { types.append(unit.bytes) } else { info.append(unit.bytes) }
    }

    func bytes(_ value: UInt64, size: Int) -> [UInt8] {
        var output = Output(order)
        switch size {
        case 1: output.u8(UInt8(truncatingIfNeeded: value))
        case 2: output.u16(UInt16(truncatingIfNeeded: value))
        case 4: output.u32(UInt32(truncatingIfNeeded: value))
        default: output.u64(value)
        }
        return output.bytes
    }

    mutating func offset(of text: String) -> UInt64 {
        if let known = strings[text] { return UInt64(known) }
        strings[text] = str.count
        defer { str.cString(text) }
        return UInt64(str.count)
    }

    mutating func lineOffset(of text: String) -> UInt64 {
        defer { lineStrings.cString(text) }
        return UInt64(lineStrings.count)
    }

    mutating func index(of text: String) -> UInt8 {
        let number = stringOffsets.count / (is64 ? 8 : 4)
        stringOffsets.append(bytes(offset(of: text), size: is64 ? 8 : 4))
        return UInt8(truncatingIfNeeded: number)
    }

    mutating func index(of address: UInt64) -> UInt64 {
        defer { addresses.u64(address) }
        return UInt64(addresses.count / 8)
    }

    mutating func add(abbreviation bytes: [UInt8]) { abbreviations.append(bytes) }

    /// The sections, by name with its dot.
    package func build() -> [String: [UInt8]] {
        var whole = info
        for fixup in fixups {
            guard let place = labels[fixup.label] else { continue }
            whole.overwrite(fixup.place, bytes(UInt64(place), size: fixup.size))
        }
        var header = Output(order)
        if is64 { header.u32(0xffff_ffff) }
        header.word(UInt64(stringOffsets.count + 4), is64: is64)
        header.u16(5)
        header.u16(0)
        var addressHeader = Output(order)
        addressHeader.u32(UInt32(addresses.count + 4))
        addressHeader.u16(5)
        addressHeader.append([8, 0])
        return [
            ".debug_info": whole.bytes, ".debug_types": types.bytes, ".debug_abbrev": abbreviations.bytes,
            ".debug_str": str.bytes, ".debug_line_str": lineStrings.bytes, ".debug_line": line,
            ".debug_str_offsets": header.bytes + stringOffsets.bytes,
            ".debug_addr": addressHeader.bytes + addresses.bytes,
        ].filter { !$0.value.isEmpty }
    }
}

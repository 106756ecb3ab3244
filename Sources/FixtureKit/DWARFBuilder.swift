// DWARF from words: trees of DIEs as a compiler would write them.

package import Bytes

/// One DIE to be built. Others refer to it by its label.
package struct DWARFNode: Sendable {
    package enum Value: Sendable {
        /// `DW_FORM_strp`, `string`, `line_strp`, `strx1`, `strp_sup` (in version 4 `GNU_strp_alt`).
        case text(String)
        case inline(String)
        case lineText(String)
        case indexed(String)
        case supplementaryText(offset: UInt64)
        /// `DW_FORM_data1` to `data8`, by size.
        case data(UInt64, size: Int)
        case unsigned(UInt64)
        case signed(Int64)
        /// Stands in the abbreviation; version 5 only.
        case implicit(Int64)
        case flag
        case flagByte(Bool)
        case address(UInt64)
        /// `DW_FORM_addrx`, into `.debug_addr`.
        case indexedAddress(UInt64)
        case expression([UInt8])
        case block([UInt8])
        /// `DW_FORM_ref4`, `ref_addr`: to a label of the unit, of any unit.
        case reference(String)
        case farReference(String)
        case signature(UInt64)
        /// `DW_FORM_ref_sup4` (in version 4 `GNU_ref_alt`).
        case supplementaryReference(UInt64)
        case sectionOffset(UInt64)
        /// `DW_FORM_indirect` before a `udata`.
        case indirect(UInt64)
        /// Any form with any bytes: for what no builder should know.
        case raw(form: UInt64, [UInt8])
    }

    package var tag: UInt64
    package var label: String
    package var attributes: [(attribute: UInt64, value: Value)]
    package var children: [DWARFNode]
    /// Write `DW_AT_sibling`, as GCC does for what has children.
    package var hasSibling = true

    package init(
        _ tag: UInt64, label: String = "", _ attributes: [(UInt64, Value)] = [], _ children: [DWARFNode] = []
    ) {
        self.tag = tag
        self.label = label
        self.attributes = attributes.map { (attribute: $0.0, value: $0.1) }
        self.children = children
    }
}

extension DWARFNode {
    private static func typed(_ type: String?) -> [(UInt64, Value)] { type.map { [(0x49, .reference($0))] } ?? [] }

    /// `encoding`: 2 boolean, 4 float, 5 signed, 6 signed char, 7 unsigned, 8 unsigned char.
    package static func base(_ name: String, size: UInt64, encoding: UInt64 = 5, label: String? = nil) -> DWARFNode {
        DWARFNode(
            0x24, label: label ?? name,
            [(0x03, .text(name)), (0x0b, .data(size, size: 1)), (0x3e, .data(encoding, size: 1))])
    }

    /// A struct; a union with tag 0x17, a class with 0x02. `at` is the line of its declaration in file 1.
    package static func structure(
        _ name: String, size: UInt64, tag: UInt64 = 0x13, at line: UInt64 = 1, file: UInt64 = 1,
        label: String? = nil, _ members: [DWARFNode]
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .text(name))]
        return DWARFNode(
            tag, label: label ?? name,
            named + [(0x0b, .data(size, size: 2)), (0x3a, .data(file, size: 1)), (0x3b, .data(line, size: 2))], members)
    }

    package static func declaration(_ name: String, tag: UInt64 = 0x13, label: String) -> DWARFNode {
        DWARFNode(tag, label: label, [(0x03, .text(name)), (0x3c, .flag)])
    }

    /// `more`: what says how a bit-field lies.
    package static func member(
        _ name: String, _ type: String, at offset: UInt64, _ more: [(UInt64, Value)] = []
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .inline(name))]
        return DWARFNode(0x0d, named + typed(type) + [(0x38, .data(offset, size: 1))] + more)
    }

    package static func pointer(to type: String?, label: String) -> DWARFNode {
        DWARFNode(0x0f, label: label, [(0x0b, .data(8, size: 1))] + typed(type))
    }

    package static func typedef(_ name: String, _ type: String, label: String? = nil) -> DWARFNode {
        DWARFNode(0x16, label: label ?? name, [(0x03, .text(name)), (0x3b, .data(3, size: 1))] + typed(type))
    }

    /// An array; a bound of nil is unknown.
    package static func array(of type: String, _ bounds: [UInt64?], label: String) -> DWARFNode {
        DWARFNode(
            0x01, label: label, typed(type), bounds.map { DWARFNode(0x21, $0.map { [(0x2f, .unsigned($0))] } ?? []) })
    }

    package static func enumeration(
        _ name: String, size: UInt64 = 4, type: String? = nil, at line: UInt64 = 1, label: String? = nil,
        _ values: [(String, Value)]
    ) -> DWARFNode {
        let named: [(UInt64, Value)] = name.isEmpty ? [] : [(0x03, .text(name))]
        return DWARFNode(
            0x04, label: label ?? name,
            named + [(0x0b, .data(size, size: 1)), (0x3b, .data(line, size: 1))] + typed(type),
            values.map { DWARFNode(0x28, [(0x03, .text($0.0)), (0x1c, $0.1)]) })
    }

    package static func variable(_ name: String, _ type: String, at address: UInt64) -> DWARFNode {
        var location = Output(.little)
        location.u8(3)
        location.u64(address)
        return DWARFNode(0x34, [(0x03, .text(name))] + typed(type) + [(0x02, .expression(location.bytes))])
    }

    package static func function(
        _ name: String, _ type: String?, at address: UInt64, _ parameters: [DWARFNode] = []
    ) -> DWARFNode {
        DWARFNode(0x2e, label: name, [(0x03, .text(name)), (0x11, .address(address))] + typed(type), parameters)
    }

    package static func parameter(_ name: String, _ type: String) -> DWARFNode {
        DWARFNode(0x05, [(0x03, .text(name))] + typed(type))
    }
}

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

    fileprivate func bytes(_ value: UInt64, size: Int) -> [UInt8] {
        var output = Output(order)
        switch size {
        case 1: output.u8(UInt8(truncatingIfNeeded: value))
        case 2: output.u16(UInt16(truncatingIfNeeded: value))
        case 4: output.u32(UInt32(truncatingIfNeeded: value))
        default: output.u64(value)
        }
        return output.bytes
    }

    fileprivate mutating func offset(of text: String) -> UInt64 {
        if let known = strings[text] { return UInt64(known) }
        strings[text] = str.count
        defer { str.cString(text) }
        return UInt64(str.count)
    }

    fileprivate mutating func lineOffset(of text: String) -> UInt64 {
        defer { lineStrings.cString(text) }
        return UInt64(lineStrings.count)
    }

    fileprivate mutating func index(of text: String) -> UInt8 {
        let number = stringOffsets.count / (is64 ? 8 : 4)
        stringOffsets.append(bytes(offset(of: text), size: is64 ? 8 : 4))
        return UInt8(truncatingIfNeeded: number)
    }

    fileprivate mutating func index(of address: UInt64) -> UInt64 {
        defer { addresses.u64(address) }
        return UInt64(addresses.count / 8)
    }

    fileprivate mutating func add(abbreviation bytes: [UInt8]) { abbreviations.append(bytes) }

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

/// Writes the DIEs of one unit, and the abbreviations that they take.
private struct DWARFTreeWriter {
    struct Fixup {
        let place: Int
        let label: String
        let size: Int
    }

    var builder: DWARFBuilder
    var body: Output
    /// Bytes of the unit before `body`.
    let base: Int
    let unit: String
    var labels: [String: Int] = [:]
    var fixups: [Fixup] = []
    var farFixups: [Fixup] = []
    private var codes: [[UInt8]: UInt64] = [:]

    init(builder: DWARFBuilder, body: Output, base: Int, unit: String) {
        self.builder = builder
        self.body = body
        self.base = base
        self.unit = unit
    }

    mutating func write(_ node: DWARFNode) {
        if !node.label.isEmpty, labels[node.label] == nil { labels[node.label] = base + body.count }
        let hasSibling = node.hasSibling && !node.children.isEmpty && ![0x11, 0x3c, 0x41].contains(node.tag)
        var table = Output(builder.order)
        table.uleb128(node.tag)
        table.u8(node.children.isEmpty ? 0 : 1)
        for (attribute, value) in node.attributes {
            table.uleb128(attribute)
            table.uleb128(form(value))
            if case .implicit(let constant) = value { table.sleb128(constant) }
        }
        if hasSibling {
            table.uleb128(1)
            table.uleb128(0x13)
        }
        table.append([0, 0])
        body.uleb128(code(table.bytes))
        for (_, value) in node.attributes { write(value) }
        let sibling = body.count
        if hasSibling { body.u32(0) }
        guard !node.children.isEmpty else { return }
        for child in node.children { write(child) }
        body.u8(0)
        if hasSibling { body.overwrite(sibling, builder.bytes(UInt64(base + body.count), size: 4)) }
    }

    private mutating func code(_ table: [UInt8]) -> UInt64 {
        if let known = codes[table] { return known }
        let code = UInt64(codes.count + 1)
        codes[table] = code
        var entry = Output(builder.order)
        entry.uleb128(code)
        builder.add(abbreviation: entry.bytes + table)
        return code
    }

    mutating func finishAbbreviations() { builder.add(abbreviation: [0]) }

    private func form(_ value: DWARFNode.Value) -> UInt64 {
        switch value {
        case .text: 0x0e
        case .inline: 0x08
        case .lineText: 0x1f
        case .indexed: 0x25
        case .supplementaryText: builder.version < 5 ? 0x1f21 : 0x1d
        case .data(_, let size): size == 1 ? 0x0b : size == 2 ? 0x05 : size == 4 ? 0x06 : 0x07
        case .unsigned: 0x0f
        case .signed: 0x0d
        case .implicit: 0x21
        case .flag: builder.version < 4 ? 0x0c : 0x19
        case .flagByte: 0x0c
        case .address: 0x01
        case .indexedAddress: 0x1b
        case .expression: builder.version < 4 ? 0x09 : 0x18
        case .block: 0x0a
        case .reference: 0x13
        case .farReference: 0x10
        case .signature: 0x20
        case .supplementaryReference: builder.version < 5 ? 0x1f20 : 0x1c
        case .sectionOffset: builder.version < 4 ? 0x06 : 0x17
        case .indirect: 0x16
        case .raw(let form, _): form
        }
    }

    private mutating func write(_ value: DWARFNode.Value) {
        let is64 = builder.is64
        switch value {
        case .text(let text): body.word(builder.offset(of: text), is64: is64)
        case .inline(let text): body.cString(text)
        case .lineText(let text): body.word(builder.lineOffset(of: text), is64: is64)
        case .indexed(let text): body.u8(builder.index(of: text))
        case .supplementaryText(let offset), .sectionOffset(let offset): body.word(offset, is64: is64)
        case .data(let value, let size): body.append(builder.bytes(value, size: size))
        case .unsigned(let value): body.uleb128(value)
        case .signed(let value): body.sleb128(value)
        case .implicit: break
        case .flag: if builder.version < 4 { body.u8(1) }
        case .flagByte(let isSet): body.u8(isSet ? 1 : 0)
        case .address(let address): body.u64(address)
        case .indexedAddress(let address): body.uleb128(builder.index(of: address))
        case .expression(let bytes):
            body.uleb128(UInt64(bytes.count))
            body.append(bytes)
        case .block(let bytes):
            body.u8(UInt8(bytes.count))
            body.append(bytes)
        case .reference(let label):
            fixups.append(Fixup(place: body.count, label: label, size: 4))
            body.u32(0)
        case .farReference(let label):
            farFixups.append(Fixup(place: body.count, label: label, size: is64 ? 8 : 4))
            body.word(0, is64: is64)
        case .signature(let signature): body.u64(signature)
        case .supplementaryReference(let offset):
            if builder.version < 5 { body.word(offset, is64: is64) } else { body.u32(UInt32(offset)) }
        case .indirect(let value):
            body.uleb128(0x0f)
            body.uleb128(value)
        case .raw(_, let bytes): body.append(bytes)
        }
    }
}

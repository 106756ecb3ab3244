// Writes the DIEs of one unit to be built.

/// Writes the DIEs of one unit, and the abbreviations that they take.
struct DWARFTreeWriter {
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

// A unit of `.debug_info`, as far as code is concerned: its header, its root, and its DIEs one at a time.

internal import Bytes

/// The header of a unit (DWARF 5, section 7.5.1; DWARF 4, section 7.5.1.1).
struct CodeUnitHeader: Sendable {
    let start: Int
    let end: Int
    let firstDIE: Int
    let version: UInt16
    let abbreviations: UInt64
    let forms: CodeForms

    /// Reads the header at `offset`. The unit ends where its length says, or where the section does.
    init(_ section: ByteSlice, at offset: Int, order: ByteOrder) throws(ParseFault) {
        var cursor = Cursor(section, order: order, at: offset)
        var length = UInt64(try cursor.u32("unit_length"))
        let is64 = length == 0xffff_ffff
        if is64 { length = try cursor.u64("unit_length") }
        guard length <= UInt64(cursor.remaining), length > 0 else {
            throw cursor.fault("unit", .truncated(needed: length, available: UInt64(cursor.remaining)))
        }
        start = offset
        end = cursor.position + Int(length)
        version = try cursor.u16("version")
        let offsetSize = is64 ? 8 : 4
        var addressSize = 8
        switch version {
        case 5:
            let kind = try cursor.u8("unit_type")
            addressSize = Int(try cursor.u8("address_size"))
            abbreviations = try cursor.unsigned(size: offsetSize, "debug_abbrev_offset")
            switch kind {
            case 4, 5: try cursor.skip(8, "dwo_id")
            case 2, 6: try cursor.skip(UInt64(8 + offsetSize), "type_signature")
            default: break
            }
        case 2...4:
            abbreviations = try cursor.unsigned(size: offsetSize, "debug_abbrev_offset")
            addressSize = Int(try cursor.u8("address_size"))
        default: throw cursor.fault("version", .unsupported("DWARF version \(version)"), back: 2)
        }
        guard [2, 4, 8].contains(addressSize) else {
            throw cursor.fault("address_size", .invalid("\(addressSize) bytes"), back: 1)
        }
        firstDIE = cursor.position
        forms = CodeForms(
            order: order, addressSize: addressSize, offsetSize: offsetSize,
            referenceSize: version == 2 ? addressSize : offsetSize)
    }
}

/// What a DIE says about code. Values are kept as they were read; the unit resolves them.
struct CodeDIE {
    let tag: UInt16
    let hasChildren: Bool
    /// The offset of what follows: the first child, or the next sibling.
    var next = 0
    /// Nil when the DIE does not say; never before `next`.
    var sibling: Int?
    var low: CodeForms.Value?
    var high: CodeForms.Value?
    var ranges: CodeForms.Value?
    var name: CodeForms.Value?
    var origin: CodeForms.Value?
    var directory: CodeForms.Value?
    var callFile: UInt64?
    var callLine: UInt64 = 0
    var callColumn: UInt64 = 0
    var statements: UInt64?
    var language: UInt64 = 0
    var stringsBase: UInt64?
    var addressBase: UInt64?
    var listsBase: UInt64?

    static let inlinedSubroutine: UInt16 = 0x1d
    static let lexicalBlock: UInt16 = 0x0b
    static let subprogram: UInt16 = 0x2e
    static let namespace: UInt16 = 0x39
}

/// A unit with its abbreviations and what its root says.
final class CodeUnit: Sendable {
    let header: CodeUnitHeader
    let sections: CodeSections
    let abbreviations: CodeAbbreviations
    let context: RangeLists.Context
    private let root: CodeDIE
    private let stringsBase: UInt64

    init(_ header: CodeUnitHeader, in sections: CodeSections) throws(ParseFault) {
        self.header = header
        self.sections = sections
        abbreviations = try CodeAbbreviations(
            sections.abbreviations, at: header.abbreviations, order: sections.order, forms: header.forms)
        guard let root = Self.read(at: header.firstDIE, header, abbreviations, sections.info) else {
            throw Cursor(sections.info, at: header.firstDIE).fault("unit", .invalid("it has no root"))
        }
        self.root = root
        // Without the attribute: behind the header of the only table there is.
        stringsBase = root.stringsBase ?? (header.forms.offsetSize == 8 ? 16 : 8)
        var context = RangeLists.Context(version: header.version, addressSize: header.forms.addressSize)
        context.is64 = header.forms.offsetSize == 8
        context.addressBase = root.addressBase ?? 8
        context.listsBase = root.listsBase ?? (context.is64 ? 20 : 12)
        if let low = root.low { context.base = (try? Self.address(low, sections, context)) ?? 0 }
        self.context = context
    }

    /// DW_AT_stmt_list; nil for a unit without lines.
    var statements: UInt64? { root.statements }
    /// Whether functions may stand inside types: C++ and Rust, not C or assembly.
    var nestsFunctions: Bool { [0x04, 0x1a, 0x1c, 0x21, 0x2b].contains(root.language) }
    /// The offset behind the root's attributes: its first child; nil when it has none.
    var firstChild: Int? { root.hasChildren ? root.next : nil }

    func rootRanges(budget: inout Int) throws(ParseFault) -> [Range<UInt64>] { try ranges(of: root, budget: &budget) }

    func read(at offset: Int) -> CodeDIE? { Self.read(at: offset, header, abbreviations, sections.info) }

    /// The DIE at `offset`; nil for the end of a list of children, and for what cannot be read.
    private static func read(
        at offset: Int, _ header: CodeUnitHeader, _ abbreviations: CodeAbbreviations, _ info: ByteSlice
    ) -> CodeDIE? {
        info.withBytes { span in
            var position = ScanPosition(from: offset, to: header.end)
            return read(span, &position, header, abbreviations)
        }
    }

    /// Reads one DIE and moves behind it; nil at a null entry (which is passed) and on damage (the position fails).
    static func read(
        _ span: borrowing RawSpan, _ position: inout ScanPosition, _ header: CodeUnitHeader,
        _ abbreviations: CodeAbbreviations
    ) -> CodeDIE? {
        guard position.at >= header.firstDIE, position.at < header.end else {
            position.fail()
            return nil
        }
        let code = position.uleb128(span)
        guard code != 0, !position.failed else { return nil }
        guard let abbreviation = abbreviations.lookup(code) else {
            position.fail()
            return nil
        }
        var die = CodeDIE(tag: abbreviation.tag, hasChildren: abbreviation.hasChildren)
        for index in abbreviation.steps {
            let step = abbreviations.steps[index]
            if step.attribute == 0, step.form == 0 {
                position.skip(UInt64(step.constant))
                continue
            }
            let value = header.forms.read(step.form, step.constant, span, &position)
            if step.attribute != 0 { die.keep(value, as: step.attribute, header) }
        }
        guard !position.failed else { return nil }
        die.next = position.at
        if let sibling = die.sibling, sibling < position.at || sibling > header.end { die.sibling = nil }
        return die
    }

    // MARK: Values

    private static func address(
        _ value: CodeForms.Value, _ sections: CodeSections, _ context: RangeLists.Context
    ) throws(ParseFault) -> UInt64 {
        value.kind == .addressIndex ? try sections.lists.address(value.raw, context) : value.raw
    }

    /// The code of a DIE; empty for declarations and abstract instances.
    func ranges(of die: CodeDIE, budget: inout Int) throws(ParseFault) -> [Range<UInt64>] {
        if let list = die.ranges {
            let offset = list.kind == .listIndex ? try sections.lists.list(list.raw, context) : list.raw
            return try sections.lists.read(at: offset, context, budget: &budget)
        }
        guard let first = die.low, let second = die.high else { return [] }
        let low = try Self.address(first, sections, context)
        let high: UInt64
        switch second.kind {
        case .address, .addressIndex: high = try Self.address(second, sections, context)
        default: high = low &+ second.raw
        }
        return low != 0 && low < high ? [low..<high] : []
    }

    /// The bytes of a string, up to its NUL or the end.
    func string(_ value: CodeForms.Value?) -> ByteSlice? {
        guard let value else { return nil }
        // Longer than any C identifier or path that a compiler writes.
        let most: UInt64 = 64 << 10
        switch value.kind {
        case .inlineString: return sections.info.clamped(value.raw, most)
        case .string: return sections.strings.clamped(value.raw, most)
        case .lineString: return sections.lineStrings.clamped(value.raw, most)
        case .alternateString: return sections.commonStrings.clamped(value.raw, most)
        case .stringIndex:
            let width = UInt64(header.forms.offsetSize)
            let (product, overflow) = value.raw.multipliedReportingOverflow(by: width)
            let (place, beyond) = product.addingReportingOverflow(stringsBase)
            guard !overflow, !beyond, place <= UInt64(sections.stringOffsets.count) else { return nil }
            var cursor = Cursor(sections.stringOffsets, order: sections.order, at: Int(place))
            guard let offset = try? cursor.unsigned(size: Int(width), "string offset") else { return nil }
            return sections.strings.clamped(offset, most)
        default: return nil
        }
    }

    /// What the line program needs to know of its unit.
    var lineStrings: LineStrings {
        LineStrings(
            debugStr: sections.strings, debugLineStr: sections.lineStrings, directory: string(root.directory) ?? .empty,
            unitName: string(root.name) ?? .empty)
    }
}

extension CodeDIE {
    fileprivate mutating func keep(_ value: CodeForms.Value, as attribute: UInt16, _ header: CodeUnitHeader) {
        switch attribute {
        case CodeAttribute.sibling:
            let (offset, overflow) = value.raw.addingReportingOverflow(UInt64(header.start))
            if value.kind == .unitReference, !overflow { sibling = Int(exactly: offset) }
        case CodeAttribute.name: name = value
        case CodeAttribute.stmtList: statements = value.raw
        case CodeAttribute.lowPC: low = value
        case CodeAttribute.highPC: high = value
        case CodeAttribute.language: language = value.raw
        case CodeAttribute.compDir: directory = value
        case CodeAttribute.abstractOrigin: origin = value
        case CodeAttribute.specification: if origin == nil { origin = value }
        case CodeAttribute.ranges: ranges = value
        case CodeAttribute.callColumn: callColumn = value.raw
        case CodeAttribute.callFile: callFile = value.raw
        case CodeAttribute.callLine: callLine = value.raw
        case CodeAttribute.strOffsetsBase: stringsBase = value.raw
        case CodeAttribute.addrBase: addressBase = value.raw
        case CodeAttribute.rnglistsBase: listsBase = value.raw
        default: break
        }
    }
}

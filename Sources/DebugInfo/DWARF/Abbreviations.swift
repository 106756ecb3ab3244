// Abbreviation tables: what attributes, in what forms, the DIEs of a code have.

package import Bytes

/// One attribute of an abbreviation.
package struct AttributeSpecification: Sendable {
    package let attribute: DWAttribute
    package let form: DWForm
    /// The value of `DW_FORM_implicit_const`; else 0.
    package let implicit: Int64
}

/// The declaration of one code (DWARF 5, section 7.5.3).
package struct Abbreviation: Sendable {
    package let code: UInt64
    package let tag: DWTag
    package let hasChildren: Bool
    /// The place of its attributes in `Abbreviations.specifications`.
    let specifications: Range<Int>
}

/// One table, compiled once; units that name the same offset share it.
package final class Abbreviations: Sendable {
    private let entries: [Abbreviation]
    let specifications: [AttributeSpecification]
    /// Codes in their order from 1 on, as every compiler numbers them, need no search.
    private let isDense: Bool
    private let sparse: [UInt64: Int]

    /// Reads the table at `offset` of `.debug_abbrev`. Complexity: linear in the table.
    package init(_ section: ByteSlice, at offset: UInt64) throws(ParseFault) {
        var cursor = Cursor(section)
        try cursor.seek(offset, "abbreviations")
        var entries: [Abbreviation] = []
        var specifications: [AttributeSpecification] = []
        var isDense = true
        while true {
            let code = try cursor.uleb128("abbreviation code")
            if code == 0 { break }
            let tag = try cursor.uleb128("tag")
            let children = try cursor.u8("DW_CHILDREN")
            let first = specifications.count
            while let specification = try Self.specification(&cursor) { specifications.append(specification) }
            isDense = isDense && code == UInt64(entries.count) + 1
            entries.append(
                Abbreviation(
                    code: code, tag: DWTag(rawValue: UInt16(clamping: tag)), hasChildren: children != 0,
                    specifications: first..<specifications.count))
        }
        self.entries = entries
        self.specifications = specifications
        self.isDense = isDense
        sparse =
            isDense
            ? [:] : Dictionary(entries.enumerated().map { ($0.element.code, $0.offset) }) { first, _ in first }
    }

    /// The next pair of attribute and form; nil at the pair of zeros.
    private static func specification(_ cursor: inout Cursor) throws(ParseFault) -> AttributeSpecification? {
        let attribute = try cursor.uleb128("attribute")
        let form = try cursor.uleb128("form")
        if attribute == 0, form == 0 { return nil }
        // Numbers above 0xffff are nobody's: they become one that means nothing.
        let value = DWForm(rawValue: UInt16(clamping: form))
        return AttributeSpecification(
            attribute: DWAttribute(rawValue: UInt16(clamping: attribute)), form: value,
            implicit: value == .implicitConst ? try cursor.sleb128("implicit constant") : 0)
    }

    package subscript(code: UInt64) -> Abbreviation? {
        if isDense { return code >= 1 && code <= UInt64(entries.count) ? entries[Int(code) - 1] : nil }
        return sparse[code].map { entries[$0] }
    }
}

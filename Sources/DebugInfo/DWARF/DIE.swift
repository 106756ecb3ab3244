// Debugging information entries: their attributes and their children.

package import Bytes

/// One entry. A value: holding it keeps its unit.
package struct DIE: Sendable {
    package let unit: Unit
    /// Where it begins, in the unit's section.
    package let offset: UInt64
    package let abbreviation: Abbreviation
    /// Where its attributes begin.
    private let attributes: Int

    package var tag: DWTag { abbreviation.tag }
    package var hasChildren: Bool { abbreviation.hasChildren }
    package var place: DIEReference {
        DIEReference(unit.header.section, offset, isSupplementary: unit.isSupplementary)
    }

    init(unit: Unit, offset: UInt64, abbreviation: Abbreviation, attributes: Int) {
        self.unit = unit
        self.offset = offset
        self.abbreviation = abbreviation
        self.attributes = attributes
    }

    /// Whether its abbreviation lists the attribute: costs no look at the DIE.
    package func has(_ attribute: DWAttribute) -> Bool {
        unit.abbreviations.specifications[abbreviation.specifications].contains { $0.attribute == attribute }
    }

    /// The attribute's value; nil when the DIE does not have it. Complexity: linear in the attributes before it.
    package subscript(attribute: DWAttribute) -> AttributeValue? {
        get throws(ParseFault) {
            let table = unit.abbreviations.specifications
            for index in abbreviation.specifications where table[index].attribute == attribute {
                let position = try position(before: index)
                let value = try unit.forms.value(table[index], at: position)
                return unit.isSupplementary ? value.ofSupplementaryFile : value
            }
            return nil
        }
    }

    /// Where the attributes end: the first child or the next DIE.
    func end() throws(ParseFault) -> Int { try position(before: abbreviation.specifications.upperBound) }

    private func position(before index: Int) throws(ParseFault) -> Int {
        let table = unit.abbreviations.specifications
        var position = ScanPosition(from: attributes, to: unit.end)
        try unit.forms.bytes.withBytes { (span) throws(ParseFault) in
            for earlier in abbreviation.specifications.lowerBound..<index {
                try unit.forms.skip(table[earlier].form, span, &position)
            }
        }
        guard !position.failed else { throw unit.forms.fault(position, .invalid("reaches beyond the unit")) }
        return position.at
    }

    /// The bytes of a string attribute.
    package func string(_ attribute: DWAttribute) throws(ParseFault) -> ByteSlice? {
        guard case .string(let string)? = try self[attribute] else { return nil }
        return try unit.bytes(of: string)
    }

    /// `DW_AT_name`; empty when there is none.
    package func name() throws(ParseFault) -> String { try string(.name)?.text ?? "" }

    package func flag(_ attribute: DWAttribute) throws(ParseFault) -> Bool {
        guard has(attribute), let value = try self[attribute] else { return false }
        if case .flag(let isSet) = value { return isSet }
        return value.unsigned != 0
    }

    package func unsigned(_ attribute: DWAttribute) throws(ParseFault) -> UInt64? {
        has(attribute) ? try self[attribute]?.unsigned : nil
    }

    /// The address that the attribute says, also by its number in `.debug_addr`.
    package func address(_ attribute: DWAttribute) throws(ParseFault) -> UInt64? {
        switch try self[attribute] {
        case .address(let address)?: address
        case .addressIndex(let index)?: try unit.address(index)
        default: nil
        }
    }

    /// The children, one after another.
    package func children() throws(ParseFault) -> DIEReader {
        DIEReader(unit, at: hasChildren ? UInt64(clamping: try end()) : unit.header.end)
    }
}

extension AttributeValue {
    /// A reference out of the supplementary file stays in it.
    fileprivate var ofSupplementaryFile: AttributeValue {
        guard case .reference(let reference) = self else { return self }
        return .reference(DIEReference(reference.section, reference.offset, isSupplementary: true))
    }
}

/// Walks DIEs in the order in which they are written.
package struct DIEReader: Sendable {
    package let unit: Unit
    private var position: UInt64
    private var last: DIE?
    /// How much deeper than where the reader began the DIE is that was last returned: 0 for the first.
    package private(set) var depth = 0
    private var next = 0

    /// Begins with the unit's own DIE, or with the one at `offset`.
    package init(_ unit: Unit, at offset: UInt64? = nil) {
        self.unit = unit
        position = offset ?? unit.header.firstDIE
    }

    /// The next DIE, going into children (`depth` tells); nil behind the end of what the reader began in.
    package mutating func descend() throws(ParseFault) -> DIE? {
        if let last {
            position = UInt64(clamping: try last.end())
            next = depth &+ (last.hasChildren ? 1 : 0)
        }
        last = nil
        while position < unit.header.end {
            if let die = try unit.die(at: position) {
                last = die
                depth = next
                return die
            }
            // An entry of code 0 ends the children of one DIE, or is padding.
            position &+= 1
            next &-= 1
            if next < 0 {
                position = unit.header.end
                return nil
            }
        }
        return nil
    }

    /// The next DIE beside the last one, passing over its children; nil behind the last.
    package mutating func sibling() throws(ParseFault) -> DIE? {
        guard let die = last, die.hasChildren else { return try descend() }
        if die.has(.sibling), case .reference(let place)? = try die[.sibling], place.section == unit.header.section,
            place.offset > die.offset
        {
            position = place.offset
            last = nil
            next = depth
            return try descend()
        }
        let level = depth
        while let inner = try descend() {
            if depth <= level { return inner }
        }
        return nil
    }
}

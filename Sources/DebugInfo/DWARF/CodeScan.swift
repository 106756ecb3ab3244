// A fast walk over the DIEs of a unit, for those few that say where code is.

internal import Bytes

/// Goes from DIE to DIE without looking at values, but for `DW_AT_sibling`. A unit has thousands of types for each
/// function; reading every DIE in full would make the first stack several times as slow.
struct CodeScan {
    /// A DIE that was passed.
    struct Entry {
        let offset: Int
        let abbreviation: Abbreviation
        let attributes: Int
        /// Where its next sibling begins, when it has children and says so.
        let sibling: Int?

        var tag: DWTag { abbreviation.tag }
        var hasChildren: Bool { abbreviation.hasChildren }

        func die(in unit: Unit) -> DIE {
            DIE(
                unit: unit, offset: UInt64(clamping: offset), abbreviation: abbreviation, attributes: attributes)
        }
    }

    let unit: Unit
    private var position: ScanPosition

    init(_ unit: Unit, from offset: UInt64) {
        self.unit = unit
        position = ScanPosition(from: Int(clamping: offset), to: unit.end)
    }

    var isAtEnd: Bool { position.isAtEnd }
    var failed: Bool { position.failed }

    /// Moves to a later place in the unit; an earlier one is not gone to, so that every walk ends.
    mutating func hop(to offset: Int) {
        if offset > position.at { position.at = min(offset, position.end) }
    }

    /// The DIE here, moving behind its attributes; nil at the end of a list of children, and on damage (`failed`).
    mutating func next(_ span: borrowing RawSpan) -> Entry? {
        let offset = position.at
        let code = position.uleb128(span)
        guard code != 0, !position.failed else { return nil }
        guard let abbreviation = unit.abbreviations[code] else {
            position.fail()
            return nil
        }
        let attributes = position.at
        let table = unit.abbreviations.specifications
        var sibling: Int?
        do throws(ParseFault) {
            for index in abbreviation.specifications {
                let specification = table[index]
                if specification.attribute == .sibling, abbreviation.hasChildren,
                    case .reference(let place) = try unit.forms.value(specification, at: position.at)
                {
                    sibling = Int(exactly: place.offset)
                }
                try unit.forms.skip(specification.form, span, &position)
            }
        } catch {
            position.fail()
        }
        guard !position.failed else { return nil }
        return Entry(offset: offset, abbreviation: abbreviation, attributes: attributes, sibling: sibling)
    }
}

/// A unit with what is needed to read the ranges of its DIEs.
struct CodeUnit {
    let unit: Unit
    private let lists: RangeLists
    private let context: RangeLists.Context

    init(_ unit: Unit, _ lists: RangeLists) throws(ParseFault) {
        self.unit = unit
        self.lists = lists
        var context = RangeLists.Context(version: unit.header.version, addressSize: unit.addressSize)
        context.is64 = unit.header.is64
        // Without a base, the tables begin behind the header of the only part that they have.
        context.addressBase = unit.addressBase == 0 ? 8 : unit.addressBase
        context.listsBase = unit.rangeListsBase == 0 ? (context.is64 ? 20 : 12) : unit.rangeListsBase
        context.base = try unit.lowPC() ?? 0
        self.context = context
    }

    /// Whether functions may stand inside types: C++ and Rust, not C or assembly (DWARF 5, section 7.12).
    func nestsFunctions() throws(ParseFault) -> Bool {
        guard let language = try unit.root()?.unsigned(.language) else { return false }
        return [0x04, 0x1a, 0x1c, 0x21, 0x2b].contains(language)
    }

    /// The code of a DIE; empty for declarations and abstract instances. Entries read are taken from `budget`.
    func ranges(of die: DIE, budget: inout Int) throws(ParseFault) -> [Range<UInt64>] {
        if die.has(.ranges) {
            if case .listIndex(let index)? = try die[.ranges] {
                return try lists.read(at: try lists.list(index, context), context, budget: &budget)
            }
            guard let offset = try die.unsigned(.ranges) else { return [] }
            return try lists.read(at: offset, context, budget: &budget)
        }
        guard die.has(.lowPC), die.has(.highPC), let low = try die.address(.lowPC) else { return [] }
        var high: UInt64 = 0
        if let length = try die.unsigned(.highPC) {
            high = low &+ length
        } else if let end = try die.address(.highPC) {
            high = end
        }
        return low != 0 && low < high ? [low..<high] : []
    }
}

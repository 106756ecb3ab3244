// The DWARF of one file: its sections, and its units as they are needed.

package import Bytes
package import ELF
internal import Synchronization

/// Debug information of one file, perhaps with the supplementary file that dwz took out of it. Safe to share.
package final class DWARFFile: Sendable {
    package let sections: DWARFSections
    /// The common part of several files (`.gnu_debugaltlink`, `DW_FORM_ref_sup4`).
    package let supplementary: DWARFFile?
    private let isSupplementary: Bool
    private let state = Mutex(State())

    private struct State {
        var directories: [DWARFSection: UnitDirectory] = [:]
        var units: [DIEReference: Unit] = [:]
        var tables: [UInt64: Abbreviations] = [:]
        var signatures: [UInt64: DIEReference]?
    }

    /// Units that are kept. A kernel has 2 400 and a session looks at a few dozen; beyond this all are forgotten and
    /// made anew, at some microseconds each.
    private static let mostUnits = 512

    package init(
        name: String, order: ByteOrder, supplementary: DWARFFile? = nil, isSupplementary: Bool = false,
        load: @escaping DWARFSections.Loader
    ) {
        self.supplementary = supplementary
        self.isSupplementary = isSupplementary
        sections = DWARFSections(name: name, order: order, supplementary: supplementary?.sections, load: load)
    }

    /// From sections at hand: for tests, and for what was put together elsewhere.
    package convenience init(
        name: String = "DWARF", order: ByteOrder = .little, sections: [DWARFSection: ByteSlice],
        supplementary: DWARFFile? = nil, isSupplementary: Bool = false
    ) {
        self.init(name: name, order: order, supplementary: supplementary, isSupplementary: isSupplementary) {
            sections[$0] ?? .empty
        }
    }

    /// From an ELF file. `contents` gives a section's bytes, relocated where the file is relocatable.
    package convenience init(
        _ elf: ELFFile, supplementary: DWARFFile? = nil, isSupplementary: Bool = false,
        contents: @escaping @Sendable (ELFFile, Section) throws(ParseFault) -> ByteSlice = {
            (_, section) throws(ParseFault) in try section.contents()
        }
    ) {
        self.init(
            name: elf.bytes.name, order: elf.order, supplementary: supplementary, isSupplementary: isSupplementary
        ) { (wanted) throws(ParseFault) -> ByteSlice in
            guard let section = elf.section(wanted.name) ?? elf.section(".z" + wanted.name.dropFirst()) else {
                return .empty
            }
            return try contents(elf, section)
        }
    }

    /// Where the units of a section (`.info` or `.types`) begin. The first look hops over all unit lengths.
    package func directory(_ section: DWARFSection = .info) throws(ParseFault) -> UnitDirectory {
        if let known = state.withLock({ $0.directories[section] }) { return known }
        let directory = UnitDirectory(try sections[section], section: section, order: sections.order)
        state.withLock { $0.directories[section] = directory }
        return directory
    }

    /// Takes over a directory that an index knew, so that nobody need hop over all units.
    func adopt(_ directory: UnitDirectory) { state.withLock { $0.directories[directory.section] = directory } }

    /// The unit that covers `place`.
    package func unit(containing place: DIEReference) throws(ParseFault) -> Unit {
        let file = try file(of: place)
        let section = place.section
        guard let start = try file.directory(section).start(covering: place.offset) else {
            throw ParseFault("DIE", in: file.sections.name, at: place.offset, .invalid("in no unit of \(section.name)"))
        }
        return try file.unit(section, at: start)
    }

    /// The unit whose header is at `offset` of `section`.
    package func unit(_ section: DWARFSection, at offset: UInt64) throws(ParseFault) -> Unit {
        let key = DIEReference(section, offset)
        if let known = state.withLock({ $0.units[key] }) { return known }
        let bytes = try sections[section]
        let header = try UnitHeader(bytes, section: section, at: offset, order: sections.order)
        let start = Unit(
            header, bytes: bytes, abbreviations: try table(at: header.abbreviations), sections: sections,
            isSupplementary: isSupplementary)
        let unit = header.firstDIE < header.end ? try Unit(completing: start) : start
        state.withLock {
            if $0.units.count >= Self.mostUnits { $0.units.removeAll() }
            $0.units[key] = unit
        }
        return unit
    }

    private func table(at offset: UInt64) throws(ParseFault) -> Abbreviations {
        if let known = state.withLock({ $0.tables[offset] }) { return known }
        let table = try Abbreviations(try sections[.abbrev], at: offset)
        state.withLock {
            if $0.tables.count >= Self.mostUnits { $0.tables.removeAll() }
            $0.tables[offset] = table
        }
        return table
    }

    private func file(of place: DIEReference) throws(ParseFault) -> DWARFFile {
        guard place.isSupplementary, !isSupplementary else { return self }
        guard let supplementary else {
            throw ParseFault(
                "reference", in: sections.name, at: place.offset, .unsupported("the supplementary file is not there"))
        }
        return supplementary
    }

    /// The DIE at a place; throws when there is none.
    package func die(at place: DIEReference) throws(ParseFault) -> DIE {
        let unit = try unit(containing: place)
        guard let die = try unit.die(at: place.offset) else {
            throw ParseFault("DIE", in: unit.sections.name, at: place.offset, .invalid("an end of children"))
        }
        return die
    }

    /// The DIE that an attribute refers to; nil when it has no such attribute.
    package func die(_ attribute: DWAttribute, of die: DIE) throws(ParseFault) -> DIE? {
        guard let place = try reference(attribute, of: die) else { return nil }
        return try self.die(at: place)
    }

    /// The place that an attribute refers to, a type unit's type for a signature.
    package func reference(_ attribute: DWAttribute, of die: DIE) throws(ParseFault) -> DIEReference? {
        switch die.has(attribute) ? try die[attribute] : nil {
        case .reference(let place)?: place
        case .signature(let signature)?: try type(signature)
        default: nil
        }
    }

    /// The type of a type unit (DWARF 5, section 7.32). The first look reads all unit headers.
    package func type(_ signature: UInt64) throws(ParseFault) -> DIEReference {
        var known = state.withLock { $0.signatures }
        if known == nil {
            var found: [UInt64: DIEReference] = [:]
            for section in [DWARFSection.info, .types] {
                let bytes = try sections[section]
                for start in try directory(section).starts {
                    // A unit that cannot be read is named where it is needed for itself.
                    guard let header = try? UnitHeader(bytes, section: section, at: start, order: sections.order),
                        let signature = header.signature, let place = header.typeDIE
                    else { continue }
                    found[signature] = DIEReference(section, place, isSupplementary: isSupplementary)
                }
            }
            known = found
            state.withLock { $0.signatures = found }
        }
        guard let place = known?[signature] else {
            throw ParseFault(
                "type signature", in: sections.name, at: 0, .invalid("no type unit has 0x\(hex(signature, width: 16))"))
        }
        return place
    }
}

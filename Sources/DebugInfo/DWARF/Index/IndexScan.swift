// One thread's walk over the units it was given.

internal import Bytes

/// Finds the names of units, one unit at a time, into a table of its own.
///
/// Only the DIEs that stand directly below a unit or in namespaces are looked at, and the enumerators of enumerations
/// that were not met before. The bodies of functions and the members of structures are passed over by their sibling.
struct IndexScan {
    var table = IndexTable()
    /// Units, or the rest of units, that could not be read. The first of them; the others are like them.
    private(set) var remarks: [ParseFault] = []
    private let bytes: ByteSlice
    let section: DWARFSection
    let isSupplementary: Bool
    let order: ByteOrder
    private var tables: [IndexPrograms.Key: IndexPrograms] = [:]
    var files = IndexFiles()
    var stringOffsetsBase: UInt64 = 0
    var is64 = false
    /// What reading a unit may still cost beside its own bytes: a file can send us to the same abbreviations and the
    /// same names over and over.
    private var abbreviationBytes: Int

    private static let mostRemarks = 100
    /// Tables that are kept, for units that share one (type units, dwz).
    private static let mostTables = 64

    init(_ bytes: ByteSlice, _ section: DWARFSection, _ order: ByteOrder, isSupplementary: Bool, abbreviations: Int) {
        self.bytes = bytes
        self.section = section
        self.isSupplementary = isSupplementary
        self.order = order
        // Every table is read once by each thread in a file that was not made to hurt.
        abbreviationBytes = 8 &* abbreviations &+ 1 << 16
    }

    /// The sections that names and files are looked up in.
    struct Sections {
        let abbreviations: ByteSlice
        let line: ByteSlice
        let stringOffsets: ByteSlice
    }

    /// Reads one unit. Whatever is wrong with it is noted, and loses what follows in this unit alone.
    mutating func unit(at offset: UInt64, _ info: borrowing RawSpan, _ sections: Sections) {
        do throws(ParseFault) {
            let header = try UnitHeader(bytes, section: section, at: offset, order: order)
            let key = IndexPrograms.Key(header)
            var programs = try programs(key, sections)
            defer { tables[key] = programs }
            is64 = header.is64
            var fields = IndexFields(
                at: Int(clamping: header.firstDIE), end: Int(clamping: header.end), unit: Int(clamping: offset),
                isBig: order == .big, key: key)
            let problem = sections.abbreviations.withBytes { abbreviations -> ParseFault.Problem? in
                guard root(&fields, &programs, info, abbreviations, sections, header) else { return nil }
                return walk(&fields, &programs, info, abbreviations, sections)
            }
            if let problem {
                throw ParseFault("DIE", in: bytes.name, at: UInt64(clamping: bytes.start &+ fields.at), problem)
            }
        } catch {
            if remarks.count < Self.mostRemarks { remarks.append(error) }
        }
    }

    /// The compiled table, taken out of the kept ones so that it is changed in place.
    private mutating func programs(_ key: IndexPrograms.Key, _ sections: Sections) throws(ParseFault) -> IndexPrograms {
        if let known = tables.removeValue(forKey: key) { return known }
        if tables.count >= Self.mostTables { tables.removeAll() }
        guard abbreviationBytes > 0 else {
            throw ParseFault(
                "abbreviations", in: sections.abbreviations.name, at: key.offset,
                .limit("tables that overlap over and over"))
        }
        let programs = sections.abbreviations.withBytes { IndexPrograms(key, $0, budget: &abbreviationBytes) }
        guard let programs else {
            throw ParseFault(
                "abbreviations", in: sections.abbreviations.name,
                at: UInt64(sections.abbreviations.start) &+ key.offset, .invalid("no table, or one without end"))
        }
        return programs
    }

    /// The unit's own DIE. Returns whether there is anything inside.
    private mutating func root(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, _ info: borrowing RawSpan,
        _ abbreviations: borrowing RawSpan, _ sections: Sections, _ header: UnitHeader
    ) -> Bool {
        let code = fields.uleb(info)
        guard code != 0, let number = programs.program(code, abbreviations) else { return false }
        let program = programs.programs[number]
        fields.run(programs.steps, program.first, info)
        guard program.action == .unit, program.hasChildren, !fields.isCut else { return false }
        stringOffsetsBase =
            fields.stringOffsets != .max ? fields.stringOffsets : header.version >= 5 ? (header.is64 ? 16 : 8) : 0
        if fields.lineProgram != .max {
            sections.line.withBytes { files.read($0, at: fields.lineProgram, order) }
        } else {
            files.clear()
        }
        return true
    }

    /// The DIEs below the unit's. What is wrong with them, if anything is.
    private mutating func walk(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, _ info: borrowing RawSpan,
        _ abbreviations: borrowing RawSpan, _ sections: Sections
    ) -> ParseFault.Problem? {
        var depth = 1
        while fields.at < fields.end {
            let start = fields.at
            let code = fields.uleb(info)
            if code == 0 {
                depth &-= 1
                if depth == 0 { return nil }
                continue
            }
            guard let number = programs.program(code, abbreviations) else {
                return .invalid("abbreviation \(code) is unknown")
            }
            let program = programs.programs[number]
            fields.run(programs.steps, program.first, info)
            if fields.isCut { return .invalid("reaches beyond its unit") }
            var next = fields.sibling
            switch program.action {
            case .pass, .unit, .enumerator: break
            case .enter:
                if program.hasChildren { depth &+= 1 }
                continue
            case .enumeration:
                let problem = enumeration(&fields, &programs, program, start, info, abbreviations, sections, &next)
                if let problem { return problem }
            case .variable, .function: datum(&fields, &programs, program, start, info, abbreviations, sections)
            case .structure: type(fields, program, start, .structure, info, sections)
            case .union: type(fields, program, start, .union, info, sections)
            case .ordinary: type(fields, program, start, .ordinary, info, sections)
            }
            guard program.hasChildren else { continue }
            if next > start {
                fields.at = next
            } else if let problem = Self.passChildren(&fields, &programs, info, abbreviations) {
                return problem
            }
        }
        return fields.isCut ? .invalid("reaches beyond its unit") : nil
    }

    /// Passes over the children of a DIE that does not say where its sibling is.
    static func passChildren(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, _ info: borrowing RawSpan,
        _ abbreviations: borrowing RawSpan
    ) -> ParseFault.Problem? {
        var depth = 1
        while depth > 0, fields.at < fields.end {
            let start = fields.at
            let code = fields.uleb(info)
            if code == 0 {
                depth &-= 1
                continue
            }
            guard let number = programs.program(code, abbreviations) else {
                return .invalid("abbreviation \(code) is unknown")
            }
            let program = programs.programs[number]
            fields.run(programs.steps, program.first, info)
            if program.hasChildren {
                if fields.sibling > start { fields.at = fields.sibling } else { depth &+= 1 }
            }
        }
        return fields.isCut ? .invalid("reaches beyond its unit") : nil
    }
}

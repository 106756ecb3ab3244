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
    private let section: DWARFSection
    private let isSupplementary: Bool
    private let order: ByteOrder
    private var tables: [IndexPrograms.Key: IndexPrograms] = [:]
    private var files = IndexFiles()
    private var stringOffsetsBase: UInt64 = 0
    private var is64 = false
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
    private static func passChildren(
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

extension IndexScan {
    /// The name that was read, as a number that is equal for equal names, and as the index stores it.
    private struct Name {
        let key: UInt64
        let source: NameSource
        let value: UInt32
    }

    @inline(__always)
    private func name(
        _ fields: IndexFields, _ start: Int, _ info: borrowing RawSpan, _ sections: Sections
    ) -> Name? {
        switch fields.source {
        case 0:
            guard fields.name <= UInt64(UInt32.max) else { return nil }
            return Name(key: fields.name | fileTag, source: .str, value: UInt32(truncatingIfNeeded: fields.name))
        case IndexFields.noName: return nil
        default: return rareName(fields, start, info, sections)
        }
    }

    private var fileTag: UInt64 { isSupplementary ? 1 << 40 : 0 }

    @inline(never)
    private func rareName(
        _ fields: IndexFields, _ start: Int, _ info: borrowing RawSpan, _ sections: Sections
    ) -> Name? {
        var offset = fields.name
        switch fields.source {
        case 2:
            let distance = Int(truncatingIfNeeded: offset) &- start
            guard let value = Int32(exactly: distance) else { return nil }
            let hash = NameHash.hash(info, at: Int(truncatingIfNeeded: offset)) ?? 0
            return hash == 0 ? nil : Name(key: hash | 1 << 63, source: .inline, value: UInt32(bitPattern: value))
        case IndexFields.nameIsIndex:
            let width: UInt64 = is64 ? 8 : 4
            let (distance, overflow) = offset.multipliedReportingOverflow(by: width)
            let (place, beyond) = distance.addingReportingOverflow(stringOffsetsBase)
            guard !overflow, !beyond else { return nil }
            var cursor = Cursor(sections.stringOffsets, order: order)
            guard (try? cursor.seek(place, "string index")) != nil,
                let entry = try? cursor.unsigned(size: Int(width), "string offset")
            else { return nil }
            offset = entry
            guard let value = UInt32(exactly: offset) else { return nil }
            return Name(key: offset | fileTag, source: .str, value: value)
        case 1:
            guard let value = UInt32(exactly: offset) else { return nil }
            return Name(key: offset | fileTag | 1 << 41, source: .lineStr, value: value)
        default:
            guard let value = UInt32(exactly: offset) else { return nil }
            return Name(key: offset | 1 << 40, source: .supplementary, value: value)
        }
    }

    @inline(__always)
    private func die(_ start: Int, _ kind: IndexKind, _ name: Name, isDeclaration: Bool) -> IndexedDIE {
        IndexedDIE(
            DIEReference(section, UInt64(truncatingIfNeeded: start), isSupplementary: isSupplementary), kind,
            name.source, isDeclaration: isDeclaration)
    }

    /// The key of a definition: its name, and where and how large it is.
    @inline(__always)
    private func key(_ name: UInt64, _ kind: IndexKind, _ fields: IndexFields) -> UInt64 {
        let place = files.identity(fields.file) ^ fields.line << 40 ^ fields.size
        return IndexKey.mix(name ^ UInt64(kind.rawValue) << 56, place)
    }

    @inline(__always)
    private mutating func type(
        _ fields: IndexFields, _ program: IndexProgram, _ start: Int, _ kind: IndexKind, _ info: borrowing RawSpan,
        _ sections: Sections
    ) {
        guard let name = name(fields, start, info, sections) else { return }
        let isDeclaration = program.isDeclaration || fields.isDeclaration
        let key =
            isDeclaration
            ? IndexKey.mix(name.key ^ UInt64(kind.rawValue) << 56, 0x6465_636c) : key(name.key, kind, fields)
        _ = table.record(key, die(start, kind, name, isDeclaration: isDeclaration), name: name.value)
    }

    /// A variable or a function. A definition may have left its name with the declaration that it specifies.
    private mutating func datum(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, _ program: IndexProgram, _ start: Int,
        _ info: borrowing RawSpan, _ abbreviations: borrowing RawSpan, _ sections: Sections
    ) {
        let kind: IndexKind = program.action == .variable ? .variable : .function
        let isDeclaration = !program.isDefinition && (program.isDeclaration || fields.isDeclaration)
        // A variable that lives nowhere says nothing; a function without code of its own may have been inlined.
        if kind == .variable, !program.isDefinition, !isDeclaration { return }
        var found = name(fields, start, info, sections)
        if found == nil, fields.specification > 0 {
            found = specifiedName(fields, &programs, start, info, abbreviations, sections)
        }
        guard let name = found else { return }
        let key: UInt64
        if isDeclaration {
            key = IndexKey.mix(name.key ^ UInt64(kind.rawValue) << 56, 0x6465_636c)
        } else if kind == .variable {
            key = IndexKey.mix(name.key ^ UInt64(kind.rawValue) << 56, UInt64(truncatingIfNeeded: start))
        } else {
            key = self.key(name.key, kind, fields)
        }
        _ = table.record(key, die(start, kind, name, isDeclaration: isDeclaration), name: name.value)
    }

    /// The name of the DIE that `DW_AT_specification` names.
    private func specifiedName(
        _ fields: IndexFields, _ programs: inout IndexPrograms, _ start: Int, _ info: borrowing RawSpan,
        _ abbreviations: borrowing RawSpan, _ sections: Sections
    ) -> Name? {
        var other = fields
        other.at = fields.specification
        guard let number = programs.program(other.uleb(info), abbreviations) else { return nil }
        let program = programs.programs[number]
        // Nothing else has a name to give, and nothing else is as short: a file could make each of these cost much.
        guard program.action == .variable || program.action == .function, program.hasName else { return nil }
        other.run(programs.steps, program.first, info)
        return other.isCut ? nil : name(other, start, info, sections)
    }

    /// An enumeration, and its enumerators when it was not met before. `next` becomes where they end, when they were
    /// read.
    private mutating func enumeration(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, _ program: IndexProgram, _ start: Int,
        _ info: borrowing RawSpan, _ abbreviations: borrowing RawSpan, _ sections: Sections, _ next: inout Int
    ) -> ParseFault.Problem? {
        let isDeclaration = program.isDeclaration || fields.isDeclaration
        let own = name(fields, start, info, sections)
        guard !isDeclaration else {
            type(fields, program, start, .enumeration, info, sections)
            return nil
        }
        var key = key(own?.key ?? 1 << 62, .enumeration, fields)
        guard program.hasChildren else {
            if let own { _ = table.record(key, die(start, .enumeration, own, isDeclaration: false), name: own.value) }
            return nil
        }
        // One line may hold several without a name (macros do that): the first enumerator tells them apart.
        if own == nil { key = IndexKey.mix(key, firstName(fields, &programs, start, info, abbreviations, sections)) }
        let isNew: Bool
        if let own {
            isNew = table.record(key, die(start, .enumeration, own, isDeclaration: false), name: own.value)
        } else {
            let nameless = Name(key: 0, source: .inline, value: UInt32.max)
            isNew = table.record(key, die(start, .enumeration, nameless, isDeclaration: false), name: UInt32.max)
        }
        guard isNew || next <= start else { return nil }
        return enumerators(&fields, &programs, of: key, start, info, abbreviations, sections, &next)
    }

    private func firstName(
        _ fields: IndexFields, _ programs: inout IndexPrograms, _ start: Int, _ info: borrowing RawSpan,
        _ abbreviations: borrowing RawSpan, _ sections: Sections
    ) -> UInt64 {
        var first = fields
        guard let number = programs.program(first.uleb(info), abbreviations) else { return 0 }
        let program = programs.programs[number]
        guard program.action == .enumerator else { return 0 }
        first.run(programs.steps, program.first, info)
        return name(first, start, info, sections)?.key ?? 0
    }

    private mutating func enumerators(
        _ fields: inout IndexFields, _ programs: inout IndexPrograms, of enumeration: UInt64, _ start: Int,
        _ info: borrowing RawSpan, _ abbreviations: borrowing RawSpan, _ sections: Sections, _ next: inout Int
    ) -> ParseFault.Problem? {
        while fields.at < fields.end {
            let code = fields.uleb(info)
            if code == 0 {
                next = fields.at
                return nil
            }
            guard let number = programs.program(code, abbreviations) else {
                return .invalid("abbreviation \(code) is unknown")
            }
            let program = programs.programs[number]
            let child = fields.at
            fields.run(programs.steps, program.first, info)
            if fields.isCut { return .invalid("reaches beyond its unit") }
            if program.action == .enumerator, let name = name(fields, start, info, sections) {
                let key = IndexKey.mix(name.key ^ UInt64(IndexKind.enumerator.rawValue) << 56, enumeration)
                _ = table.record(key, die(start, .enumerator, name, isDeclaration: false), name: name.value)
            }
            guard program.hasChildren else { continue }
            if fields.sibling > child {
                fields.at = fields.sibling
            } else if let problem = Self.passChildren(&fields, &programs, info, abbreviations) {
                return problem
            }
        }
        return .invalid("an enumeration without end")
    }
}

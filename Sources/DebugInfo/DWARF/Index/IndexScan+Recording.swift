// What a DIE adds to the index: its name, and what makes it the same as another of that name.

internal import Bytes

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
    mutating func type(
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
    mutating func datum(
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
    mutating func enumeration(
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

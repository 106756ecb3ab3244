// Turns one abbreviation into steps.

internal import Bytes

/// Builds the program of one abbreviation, attribute by attribute.
struct IndexCompiler {
    private let key: IndexPrograms.Key
    var program: IndexProgram
    private var steps: [UInt32] = []
    private var pending: UInt32 = 0
    /// The number of steps up to the last one that reads something.
    private var needed = 0
    private var hasSibling = false

    init(key: IndexPrograms.Key, action: IndexAction, hasChildren: Bool) {
        self.key = key
        program = IndexProgram(action: action, hasChildren: hasChildren)
    }

    /// Adds one attribute; false for a form that nobody knows.
    mutating func add(_ attribute: DWAttribute, _ form: DWForm, _ implicit: Int64) -> Bool {
        note(attribute, form)
        if let step = reading(attribute, form, implicit) {
            flush()
            steps.append(step)
            needed = steps.count
            return true
        }
        return pass(form)
    }

    /// The program's steps. What stands behind the last thing needed is left out where the sibling says how to go on.
    mutating func finished() -> [UInt32] {
        flush()
        let enters = program.action == .enumeration || program.action == .enter || program.action == .unit
        if hasSibling, program.hasChildren, !enters { steps.removeSubrange(needed...) }
        return steps + [IndexStep.end]
    }

    private mutating func note(_ attribute: DWAttribute, _ form: DWForm) {
        switch attribute {
        case .name: program.hasName = true
        case .declaration: program.isDeclaration = form == .flagPresent
        case .location, .constantValue: program.isDefinition = program.isDefinition || program.action == .variable
        case .lowPC, .ranges: program.isDefinition = program.isDefinition || program.action == .function
        case .sibling: hasSibling = true
        default: break
        }
    }

    /// The step for an attribute that the action wants; nil when it can be passed over.
    private func reading(_ attribute: DWAttribute, _ form: DWForm, _ implicit: Int64) -> UInt32? {
        switch (attribute, program.action) {
        case (.sibling, _):
            return reference(form).map { IndexStep.sibling | $0 << 6 }
        case (_, .pass): return nil
        case (.statementList, .unit): return number(form, implicit, IndexStep.lineProgram, nil)
        case (.stringOffsetsBase, .unit): return number(form, implicit, IndexStep.stringOffsets, nil)
        case (_, .unit), (_, .enter): return nil
        case (.name, _): return name(form)
        case (_, .enumerator): return nil
        case (.declaration, _): return form == .flag ? IndexStep.declaration : nil
        case (.declarationFile, _): return number(form, implicit, IndexStep.file, IndexStep.fileIs)
        case (.declarationLine, _): return number(form, implicit, IndexStep.line, IndexStep.lineIs)
        case (.byteSize, _): return number(form, implicit, IndexStep.size, IndexStep.sizeIs)
        case (.specification, .variable), (.specification, .function):
            return reference(form).map { IndexStep.specification | $0 << 6 }
        default: return nil
        }
    }

    private func name(_ form: DWForm) -> UInt32? {
        let width: UInt32 = key.is64 ? 8 : 4
        switch form {
        case .strp: return IndexStep.nameStr | width << 6
        case .lineStrp: return IndexStep.nameLineStr | width << 6
        case .strpSup, .gnuStrpAlt: return IndexStep.nameSupplementary | width << 6
        case .string: return IndexStep.nameInline
        case .strx, .gnuStrIndex: return IndexStep.nameIndex
        case .strx1: return IndexStep.nameIndex | 1 << 6
        case .strx2: return IndexStep.nameIndex | 2 << 6
        case .strx3: return IndexStep.nameIndex | 3 << 6
        case .strx4: return IndexStep.nameIndex | 4 << 6
        default: return nil
        }
    }

    private func number(_ form: DWForm, _ implicit: Int64, _ step: UInt32, _ constant: UInt32?) -> UInt32? {
        switch form {
        case .data1: return step | 1 << 6
        case .data2: return step | 2 << 6
        case .data4: return step | 4 << 6
        case .data8: return step | 8 << 6
        case .udata: return step
        case .secOffset: return step | (key.is64 ? 8 : 4) << 6
        case .implicitConst:
            // 26 bits hold every file, line and size that a compiler writes as one constant for many DIEs; where
            // not, the value only fails to tell two of them apart.
            return constant.map { $0 | UInt32(truncatingIfNeeded: implicit) << 6 }
        default: return nil
        }
    }

    /// References within the unit; the others are passed over.
    private func reference(_ form: DWForm) -> UInt32? {
        switch form {
        case .ref1: 1
        case .ref2: 2
        case .ref4: 4
        case .ref8: 8
        case .refUdata: 0
        default: nil
        }
    }

    private mutating func pass(_ form: DWForm) -> Bool {
        if let size = fixedSize(form) {
            pending &+= size
            // An argument has 26 bits; no run of attributes is that long, but a file may say so.
            if pending > 1 << 20 { flush() }
            return true
        }
        flush()
        switch form {
        case .udata, .sdata, .refUdata, .strx, .addrx, .loclistx, .rnglistx, .gnuAddrIndex, .gnuStrIndex:
            steps.append(IndexStep.skipULEB)
        case .string: steps.append(IndexStep.skipString)
        case .exprloc, .block: steps.append(IndexStep.skipBlock)
        case .block1: steps.append(IndexStep.skipBlock | 1 << 6)
        case .block2: steps.append(IndexStep.skipBlock | 2 << 6)
        case .block4: steps.append(IndexStep.skipBlock | 4 << 6)
        case .indirect: steps.append(IndexStep.indirect)
        default: return false
        }
        return true
    }

    private func fixedSize(_ form: DWForm) -> UInt32? {
        switch form {
        case .flagPresent, .implicitConst: 0
        case .data1, .ref1, .flag, .strx1, .addrx1: 1
        case .data2, .ref2, .strx2, .addrx2: 2
        case .strx3, .addrx3: 3
        case .data4, .ref4, .refSup4, .strx4, .addrx4: 4
        case .data8, .ref8, .refSup8, .refSig8: 8
        case .data16: 16
        case .addr: UInt32(truncatingIfNeeded: key.addressSize)
        case .strp, .secOffset, .lineStrp, .strpSup, .gnuRefAlt, .gnuStrpAlt: key.is64 ? 8 : 4
        case .refAddr:
            key.hasAddressReferences ? UInt32(truncatingIfNeeded: key.addressSize) : key.is64 ? 8 : 4
        default: nil
        }
    }

    private mutating func flush() {
        if pending > 0 { steps.append(IndexStep.skip | pending << 6) }
        pending = 0
    }
}

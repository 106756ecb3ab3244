// Abbreviations as programs that read what the index needs of a DIE, and pass over the rest in as few steps as possible.

internal import Bytes

/// What is done with the DIEs of an abbreviation.
enum IndexAction: UInt8 {
    /// Passed over, with all that is inside.
    case pass
    case unit
    case structure
    case union
    case enumeration
    case ordinary
    case enumerator
    case variable
    case function
    /// Namespaces: what is inside counts as if it stood outside.
    case enter

    init(_ tag: DWTag) {
        switch tag {
        case .structureType, .classType: self = .structure
        case .unionType: self = .union
        case .enumerationType: self = .enumeration
        case .typedef, .baseType, .unspecifiedType: self = .ordinary
        case .enumerator: self = .enumerator
        case .variable: self = .variable
        case .subprogram: self = .function
        case .namespace: self = .enter
        case .compileUnit, .partialUnit, .typeUnit, .skeletonUnit: self = .unit
        default: self = .pass
        }
    }
}

/// One step: the operation in the lowest 6 bits, its argument above.
enum IndexStep {
    static let end: UInt32 = 0
    static let skip: UInt32 = 1
    static let skipULEB: UInt32 = 2
    static let skipString: UInt32 = 3
    /// Argument: the bytes of the length before the block; 0 for ULEB128.
    static let skipBlock: UInt32 = 4
    /// Argument: the bytes of the offset.
    static let nameStr: UInt32 = 5
    static let nameLineStr: UInt32 = 6
    static let nameSupplementary: UInt32 = 7
    static let nameInline: UInt32 = 8
    /// Argument of these: the bytes of the value; 0 for ULEB128.
    static let nameIndex: UInt32 = 9
    static let file: UInt32 = 10
    static let line: UInt32 = 11
    static let size: UInt32 = 12
    static let sibling: UInt32 = 13
    static let specification: UInt32 = 14
    static let lineProgram: UInt32 = 15
    static let stringOffsets: UInt32 = 16
    static let declaration: UInt32 = 17
    /// Argument of these: the value itself.
    static let fileIs: UInt32 = 18
    static let lineIs: UInt32 = 19
    static let sizeIs: UInt32 = 20
    /// `DW_FORM_indirect`: the form stands in the DIE.
    static let indirect: UInt32 = 21
}

/// How the DIEs of one abbreviation are read.
struct IndexProgram {
    var action: IndexAction
    var hasChildren: Bool
    /// Whether the DIE has `DW_AT_declaration` as a flag without bytes.
    var isDeclaration = false
    /// Whether it is a definition: a variable with a location or a value, a function with code.
    var isDefinition = false
    var hasName = false
    /// Where its steps begin.
    var first = 0
}

/// The programs of one abbreviation table; those of DIEs that are never visited are not even compiled.
struct IndexPrograms {
    /// What the sizes of forms depend on, besides the table.
    struct Key: Hashable {
        let offset: UInt64
        let addressSize: Int
        let is64: Bool
        let hasAddressReferences: Bool

        init(_ header: UnitHeader) {
            offset = header.abbreviations
            addressSize = header.addressSize
            is64 = header.is64
            hasAddressReferences = header.version == 2
        }
    }

    private let key: Key
    /// Per code from 1 on, the place of its declaration (behind the code), or 0; then the program, once compiled.
    private var declarations: [UInt32] = []
    private var numbers: [UInt32] = []
    /// The place of every code, when they are not numbered in order from 1 on; else empty.
    private var sparse: [UInt64: Int] = [:]
    private(set) var programs: [IndexProgram] = []
    private(set) var steps: [UInt32] = []

    /// Finds the declarations of the table; nil when it is cut short. The bytes that were read are taken off `budget`.
    init?(_ key: Key, _ abbreviations: borrowing RawSpan, budget: inout Int) {
        self.key = key
        guard key.offset < UInt64(abbreviations.byteCount), abbreviations.byteCount <= Int(UInt32.max) else {
            return nil
        }
        var position = ScanPosition(from: Int(key.offset), to: abbreviations.byteCount)
        defer { budget &-= position.at &- Int(key.offset) }
        while true {
            let code = position.uleb128(abbreviations)
            if position.failed { return nil }
            if code == 0 { break }
            let place = UInt32(truncatingIfNeeded: position.at)
            noteCode(code)
            declarations.append(place)
            _ = position.uleb128(abbreviations)
            position.skip(1)
            while !position.failed {
                let attribute = position.uleb128(abbreviations)
                let form = position.uleb128(abbreviations)
                if form == UInt64(DWForm.implicitConst.rawValue) { _ = position.uleb128(abbreviations) }
                if attribute == 0, form == 0 { break }
            }
            if position.failed { return nil }
        }
        numbers = [UInt32](repeating: .max, count: declarations.count)
    }

    /// The place in `programs` of a code's program; nil for a code that the table does not have, or a form that
    /// nobody knows.
    @inline(__always)
    mutating func program(_ code: UInt64, _ abbreviations: borrowing RawSpan) -> Int? {
        let index = sparse.isEmpty ? Int(truncatingIfNeeded: code &- 1) : sparse[code] ?? -1
        guard index >= 0, index < numbers.count else { return nil }
        let number = numbers[index]
        if number != .max { return Int(number) }
        return compile(index, abbreviations)
    }

    private mutating func noteCode(_ code: UInt64) {
        let index = declarations.count
        if sparse.isEmpty {
            if code == UInt64(index) &+ 1 { return }
            for earlier in 0..<index { sparse[UInt64(earlier) &+ 1] = earlier }
        }
        if sparse[code] == nil { sparse[code] = index }
    }

    @inline(never)
    private mutating func compile(_ index: Int, _ abbreviations: borrowing RawSpan) -> Int? {
        var position = ScanPosition(from: Int(declarations[index]), to: abbreviations.byteCount)
        let tag = DWTag(rawValue: UInt16(clamping: position.uleb128(abbreviations)))
        var compiler = IndexCompiler(
            key: key, action: IndexAction(tag), hasChildren: position.u8(abbreviations) != 0)
        while !position.failed {
            let attribute = position.uleb128(abbreviations)
            let form = position.uleb128(abbreviations)
            if attribute == 0, form == 0 { break }
            let value = DWForm(rawValue: UInt16(clamping: form))
            let implicit = value == .implicitConst ? position.sleb128(abbreviations) : 0
            guard compiler.add(DWAttribute(rawValue: UInt16(clamping: attribute)), value, implicit) else { return nil }
        }
        compiler.program.first = steps.count
        steps += compiler.finished()
        programs.append(compiler.program)
        numbers[index] = UInt32(truncatingIfNeeded: programs.count &- 1)
        return programs.count &- 1
    }
}

// Runs the program of one DIE: what the index needs of it ends up in a few numbers.

internal import Bytes

/// What a program read. Valid until the next run.
struct IndexFields {
    /// Where the next byte is read; behind the unit's end once something was cut short.
    var at: Int
    let end: Int
    let unit: Int
    let isBig: Bool
    private let key: IndexPrograms.Key

    var name: UInt64 = 0
    var source: UInt8 = IndexFields.noName
    var file = IndexFields.noFile
    var line: UInt64 = 0
    var size: UInt64 = 0
    /// Offsets in the section; 0 for none.
    var sibling = 0
    var specification = 0
    var isDeclaration = false
    /// Of the unit's own DIE.
    var lineProgram = UInt64.max
    var stringOffsets = UInt64.max

    static let noName: UInt8 = 0xff
    /// No `DW_AT_decl_file`: not number 0, which version 5 gives the unit's own source.
    static let noFile = UInt64.max
    /// The name is the number of an entry in `.debug_str_offsets`.
    static let nameIsIndex: UInt8 = 0xfe

    init(at: Int, end: Int, unit: Int, isBig: Bool, key: IndexPrograms.Key) {
        self.at = at
        self.end = end
        self.unit = unit
        self.isBig = isBig
        self.key = key
    }

    var isCut: Bool { at > end }

    @inline(__always)
    mutating func run(_ steps: [UInt32], _ first: Int, _ span: borrowing RawSpan) {
        name = 0
        source = Self.noName
        file = Self.noFile
        line = 0
        size = 0
        sibling = 0
        specification = 0
        isDeclaration = false
        execute(steps, first, span)
    }

    @inline(__always)
    private mutating func execute(_ steps: [UInt32], _ first: Int, _ span: borrowing RawSpan) {
        var index = first
        while true {
            let step = steps[index]
            index &+= 1
            let argument = step >> 6
            switch step & 63 {
            case IndexStep.end: return
            case IndexStep.skip: at &+= Int(argument)
            case IndexStep.nameStr: setName(0, value(argument, span))
            case IndexStep.file: file = value(argument, span)
            case IndexStep.line: line = value(argument, span)
            case IndexStep.size: size = value(argument, span)
            case IndexStep.sibling: sibling = target(argument, span)
            case IndexStep.fileIs: file = UInt64(argument)
            case IndexStep.lineIs: line = UInt64(argument)
            case IndexStep.sizeIs: size = UInt64(argument)
            case IndexStep.nameInline:
                setName(2, UInt64(truncatingIfNeeded: at))
                skipString(span)
            case IndexStep.skipULEB: _ = uleb(span)
            case IndexStep.skipString: skipString(span)
            case IndexStep.skipBlock: advance(value(argument, span))
            case IndexStep.specification: specification = target(argument, span)
            case IndexStep.declaration: isDeclaration = value(1, span) != 0
            default: runRare(step & 63, argument, span)
            }
        }
    }

    @inline(never)
    private mutating func runRare(_ step: UInt32, _ argument: UInt32, _ span: borrowing RawSpan) {
        switch step {
        case IndexStep.nameLineStr: setName(1, value(argument, span))
        case IndexStep.nameSupplementary: setName(3, value(argument, span))
        case IndexStep.nameIndex: setName(Self.nameIsIndex, value(argument, span))
        case IndexStep.lineProgram: lineProgram = value(argument, span)
        case IndexStep.stringOffsets: stringOffsets = value(argument, span)
        default: skipIndirect(span)
        }
    }

    /// Passes over a value whose form stands before it.
    private mutating func skipIndirect(_ span: borrowing RawSpan) {
        let form = DWForm(rawValue: UInt16(clamping: uleb(span)))
        var compiler = IndexCompiler(key: key, action: .pass, hasChildren: false)
        guard form != .indirect, compiler.add(DWAttribute(rawValue: 0), form, 0) else {
            at = end &+ 1
            return
        }
        execute(compiler.finished(), 0, span)
    }

    @inline(__always)
    private mutating func setName(_ source: UInt8, _ value: UInt64) {
        self.source = source
        name = value
    }

    /// An unsigned number of `width` bytes; 0 means ULEB128. Beyond the section it reads as 0.
    @inline(__always)
    private mutating func value(_ width: UInt32, _ span: borrowing RawSpan) -> UInt64 {
        switch width {
        case 1:
            defer { at &+= 1 }
            return UInt64(span.u8(at))
        case 2:
            defer { at &+= 2 }
            let value = span.little(at, as: UInt16.self) ?? 0
            return UInt64(isBig ? value.byteSwapped : value)
        case 4:
            defer { at &+= 4 }
            let value = span.little(at, as: UInt32.self) ?? 0
            return UInt64(isBig ? value.byteSwapped : value)
        case 0: return uleb(span)
        default: return wide(width, span)
        }
    }

    @inline(never)
    private mutating func wide(_ width: UInt32, _ span: borrowing RawSpan) -> UInt64 {
        if width == 3 {
            let bytes = (UInt64(span.u8(at)), UInt64(span.u8(at &+ 1)), UInt64(span.u8(at &+ 2)))
            at &+= 3
            return isBig ? bytes.0 << 16 | bytes.1 << 8 | bytes.2 : bytes.2 << 16 | bytes.1 << 8 | bytes.0
        }
        let value = span.little(at, as: UInt64.self) ?? 0
        at &+= 8
        return isBig ? value.byteSwapped : value
    }

    /// An unsigned LEB128 number. Beyond the section bytes read as 0, which ends it.
    @inline(__always)
    mutating func uleb(_ span: borrowing RawSpan) -> UInt64 {
        let first = span.u8(at)
        at &+= 1
        return first < 0x80 ? UInt64(first) : ulebRest(first, span)
    }

    @inline(never)
    private mutating func ulebRest(_ first: UInt8, _ span: borrowing RawSpan) -> UInt64 {
        var result = UInt64(first & 0x7f)
        var shift: UInt64 = 7
        while true {
            let byte = span.u8(at)
            at &+= 1
            if shift < 64 { result |= UInt64(byte & 0x7f) << shift }
            shift = min(shift &+ 7, 70)
            if byte < 0x80 { return result }
        }
    }

    @inline(__always)
    private mutating func skipString(_ span: borrowing RawSpan) {
        while span.u8(at) != 0 { at &+= 1 }
        at &+= 1
    }

    @inline(__always)
    private mutating func advance(_ count: UInt64) {
        guard at <= end, count <= UInt64(truncatingIfNeeded: end &- at) else {
            at = end &+ 1
            return
        }
        at &+= Int(truncatingIfNeeded: count)
    }

    /// A reference within the unit, as an offset in the section; 0 when it points outside.
    @inline(__always)
    private mutating func target(_ width: UInt32, _ span: borrowing RawSpan) -> Int {
        let offset = value(width, span)
        guard offset < UInt64(truncatingIfNeeded: end &- unit) else { return 0 }
        return unit &+ Int(truncatingIfNeeded: offset)
    }
}

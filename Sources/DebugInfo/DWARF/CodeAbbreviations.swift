// Abbreviations, compiled for the one purpose of finding code: everything else is passed over in one step.

internal import Bytes

/// Attributes that say what code is where (DWARF 5, section 7.5.4).
enum CodeAttribute {
    static let sibling: UInt16 = 0x01
    static let name: UInt16 = 0x03
    static let stmtList: UInt16 = 0x10
    static let lowPC: UInt16 = 0x11
    static let highPC: UInt16 = 0x12
    static let language: UInt16 = 0x13
    static let compDir: UInt16 = 0x1b
    static let abstractOrigin: UInt16 = 0x31
    static let specification: UInt16 = 0x47
    static let ranges: UInt16 = 0x55
    static let callColumn: UInt16 = 0x57
    static let callFile: UInt16 = 0x58
    static let callLine: UInt16 = 0x59
    static let strOffsetsBase: UInt16 = 0x72
    static let addrBase: UInt16 = 0x73
    static let rnglistsBase: UInt16 = 0x74

    static func isWanted(_ attribute: UInt64) -> Bool {
        switch attribute {
        case 0x01, 0x03, 0x10, 0x11, 0x12, 0x13, 0x1b, 0x31, 0x47, 0x55, 0x57, 0x58, 0x59, 0x72, 0x73, 0x74: true
        default: false
        }
    }
}

/// The abbreviations of one unit.
struct CodeAbbreviations: Sendable {
    /// One step through a DIE: an attribute, or (attribute 0) bytes to pass over.
    struct Step: Sendable {
        var attribute: UInt16
        var form: UInt16
        /// The value of DW_FORM_implicit_const; for a pass, the number of bytes.
        var constant: Int64
    }

    struct Abbreviation: Sendable {
        let tag: UInt16
        let hasChildren: Bool
        let steps: Range<Int>
    }

    private var byCode: [Abbreviation?] = [nil]
    /// Codes too large for a table that the compiler numbered from 1 on.
    private var sparse: [UInt64: Abbreviation] = [:]
    private(set) var steps: [Step] = []

    /// Reads the table at `offset` (DWARF 5, section 7.5.3) for units with these sizes of addresses and offsets.
    init(_ section: ByteSlice, at offset: UInt64, order: ByteOrder, forms: CodeForms) throws(ParseFault) {
        var cursor = Cursor(section, order: order)
        try cursor.seek(offset, "abbreviations")
        while true {
            let code = try cursor.uleb128("abbreviation code")
            if code == 0 { return }
            let tag = try cursor.uleb128("tag")
            let children = try cursor.u8("DW_CHILDREN")
            let first = steps.count
            while true {
                let attribute = try cursor.uleb128("attribute")
                let form = try cursor.uleb128("form")
                let constant = form == 0x21 ? try cursor.sleb128("implicit constant") : 0
                if attribute == 0, form == 0 { break }
                guard let form = UInt16(exactly: form) else {
                    throw cursor.fault("form", .invalid("form 0x\(hex(form))"))
                }
                add(attribute, form, constant, forms, first: first)
            }
            let abbreviation = Abbreviation(
                tag: UInt16(clamping: tag), hasChildren: children != 0, steps: first..<steps.count)
            if code == UInt64(byCode.count) { byCode.append(abbreviation) } else { sparse[code] = abbreviation }
        }
    }

    private mutating func add(_ attribute: UInt64, _ form: UInt16, _ constant: Int64, _ forms: CodeForms, first: Int) {
        if CodeAttribute.isWanted(attribute) {
            steps.append(Step(attribute: UInt16(attribute), form: form, constant: constant))
        } else if let size = forms.fixedSize(form) {
            let isAfterPass =
                steps.count > first && steps[steps.count - 1].attribute == 0 && steps[steps.count - 1].form == 0
            if isAfterPass {
                steps[steps.count - 1].constant += Int64(size)
            } else {
                steps.append(Step(attribute: 0, form: 0, constant: Int64(size)))
            }
        } else {
            // Passed over as well, but only its bytes tell how long it is.
            steps.append(Step(attribute: 0, form: form, constant: constant))
        }
    }

    @inline(__always)
    func lookup(_ code: UInt64) -> Abbreviation? {
        code < UInt64(byCode.count) ? byCode[Int(code)] : sparse[code]
    }
}

// Runs the instructions of call-frame information up to the row that an address falls into.

internal import Bytes
internal import DebugModel

/// The machine of DWARF 5, section 6.4.2.
struct CallFrameProgram {
    private let common: CallFrameCommon
    var location: UInt64 = 0
    private(set) var cfa: CFARule?
    private(set) var rules: [RegisterNumber: RegisterRule] = [:]
    private var initial: [RegisterNumber: RegisterRule] = [:]
    private var saved: [(cfa: CFARule?, rules: [RegisterNumber: RegisterRule])] = []

    init(_ common: CallFrameCommon) { self.common = common }

    /// The rules now are those that `DW_CFA_restore` goes back to.
    mutating func keepInitialRules() {
        initial = rules
        saved = []
    }

    /// Runs until the location would pass `address` (all, when nil). Each turn consumes a byte, so it ends.
    mutating func run(_ instructions: Cursor, until address: UInt64?) throws(ParseFault) {
        var cursor = instructions
        while !cursor.isAtEnd {
            let code = try cursor.u8("call-frame instruction")
            if code & 0xc0 != 0 || (code >= 0x01 && code <= 0x04) || code == 0x1d {
                if let next = try nextLocation(code, &cursor) {
                    if let address, next > address { return }
                    location = next
                    continue
                }
            }
            try define(code, &cursor)
        }
    }

    /// The location that an advancing instruction leads to; nil for the others, of which nothing was consumed.
    private func nextLocation(_ code: UInt8, _ cursor: inout Cursor) throws(ParseFault) -> UInt64? {
        let delta: UInt64
        switch code {
        case 0x40...0x7f: delta = UInt64(code & 0x3f)
        // DW_CFA_set_loc; in .eh_frame it would be encoded, but no compiler emits it there.
        case 0x01: return try cursor.unsigned(size: common.addressSize, "DW_CFA_set_loc")
        case 0x02: delta = UInt64(try cursor.u8("DW_CFA_advance_loc1"))
        case 0x03: delta = UInt64(try cursor.u16("DW_CFA_advance_loc2"))
        case 0x04: delta = UInt64(try cursor.u32("DW_CFA_advance_loc4"))
        case 0x1d: delta = try cursor.u64("DW_CFA_MIPS_advance_loc8")
        default: return nil
        }
        return location &+ delta &* common.codeAlignment
    }

    private func register(_ cursor: inout Cursor) throws(ParseFault) -> RegisterNumber {
        RegisterNumber(UInt16(clamping: try cursor.uleb128("register")))
    }

    private func factored(_ cursor: inout Cursor) throws(ParseFault) -> Int64 {
        Int64(bitPattern: try cursor.uleb128("offset")) &* common.dataAlignment
    }

    private func factoredSigned(_ cursor: inout Cursor) throws(ParseFault) -> Int64 {
        try cursor.sleb128("offset") &* common.dataAlignment
    }

    private func expression(_ cursor: inout Cursor) throws(ParseFault) -> ByteSlice {
        let length = try cursor.uleb128("expression length")
        return try cursor.bytes(length, "expression")
    }

    private mutating func define(_ code: UInt8, _ cursor: inout Cursor) throws(ParseFault) {
        switch code {
        case 0x80...0xbf: rules[RegisterNumber(UInt16(code & 0x3f))] = .atCFA(try factored(&cursor))
        case 0xc0...0xff: restore(RegisterNumber(UInt16(code & 0x3f)))
        case 0x00: break
        case 0x05:
            let number = try register(&cursor)
            rules[number] = .atCFA(try factored(&cursor))
        case 0x06: restore(try register(&cursor))
        case 0x07: rules[try register(&cursor)] = .undefined
        case 0x08: rules[try register(&cursor)] = .sameValue
        case 0x09:
            let number = try register(&cursor)
            rules[number] = .inRegister(try register(&cursor))
        case 0x0a:
            // Deeper than any compiler goes (it nests at most once); a bound against endless growth.
            guard saved.count < 256 else { throw cursor.fault("DW_CFA_remember_state", .limit("256 states"), back: 1) }
            saved.append((cfa, rules))
        case 0x0b:
            guard let state = saved.popLast() else {
                throw cursor.fault("DW_CFA_restore_state", .invalid("no state was remembered"), back: 1)
            }
            (cfa, rules) = state
        case 0x0c...0x0f, 0x12, 0x13: try defineCFA(code, &cursor)
        case 0x10:
            let number = try register(&cursor)
            rules[number] = .atExpression(try expression(&cursor))
        case 0x11:
            let number = try register(&cursor)
            rules[number] = .atCFA(try factoredSigned(&cursor))
        case 0x14:
            let number = try register(&cursor)
            rules[number] = .cfaPlus(try factored(&cursor))
        case 0x15:
            let number = try register(&cursor)
            rules[number] = .cfaPlus(try factoredSigned(&cursor))
        case 0x16:
            let number = try register(&cursor)
            rules[number] = .isExpression(try expression(&cursor))
        // DW_CFA_AARCH64_negate_ra_state: signing of return addresses is Machine's business.
        case 0x2d: break
        case 0x2e: _ = try cursor.uleb128("DW_CFA_GNU_args_size")
        case 0x2f:
            let number = try register(&cursor)
            rules[number] = .atCFA(0 &- (try factored(&cursor)))
        default:
            throw cursor.fault(
                "call-frame instruction", .unsupported("operation 0x\(hex(UInt64(code)))"), back: 1)
        }
    }

    private mutating func restore(_ number: RegisterNumber) { rules[number] = initial[number] }

    private mutating func defineCFA(_ code: UInt8, _ cursor: inout Cursor) throws(ParseFault) {
        switch code {
        case 0x0c, 0x12:
            let number = try register(&cursor)
            let offset =
                code == 0x0c ? Int64(bitPattern: try cursor.uleb128("offset")) : try factoredSigned(&cursor)
            cfa = .register(number, offset: offset)
        case 0x0f: cfa = .expression(try expression(&cursor))
        default:
            guard case .register(let number, let offset) = cfa else {
                throw cursor.fault("DW_CFA_def_cfa_register", .invalid("the CFA is no register and offset"), back: 1)
            }
            switch code {
            case 0x0d: cfa = .register(try register(&cursor), offset: offset)
            case 0x0e: cfa = .register(number, offset: Int64(bitPattern: try cursor.uleb128("offset")))
            default: cfa = .register(number, offset: try factoredSigned(&cursor))
            }
        }
    }
}

// Bytes of a DWARF expression to the operations of the model, with addresses as the running kernel has them.

internal import Bytes
internal import DebugModel

/// Decodes the expressions of one unit (DWARF 5, section 7.7.1; the GNU operations of GCC's DWARF 4).
struct LocationDecoder {
    let file: DWARFFile
    let unit: Unit
    let placement: DWARFPlacement

    /// Expressions within `DW_OP_entry_value` go no deeper.
    private static let mostNesting = 4
    /// GCC's longest have some hundred operations.
    private static let mostOperations = 4096

    func decode(_ bytes: ByteSlice, depth: Int = 0) throws(ParseFault) -> [LocationOperation] {
        var cursor = Cursor(bytes, order: unit.header.order)
        guard depth < Self.mostNesting else { throw cursor.fault("DWARF expression", .limit("nested too deeply")) }
        var operations: [LocationOperation] = []
        // Jumps count bytes; the model's count operations.
        var starts: [Int: Int] = [:]
        var jumps: [(operation: Int, target: Int, conditional: Bool)] = []
        while !cursor.isAtEnd {
            guard operations.count < Self.mostOperations else {
                throw cursor.fault("DWARF expression", .limit("too many operations"))
            }
            starts[cursor.position] = operations.count
            let code = try cursor.u8("DWARF operation")
            if code == 0x28 || code == 0x2f {
                let distance = Int(try cursor.s16("branch"))
                jumps.append((operations.count, cursor.position &+ distance, code == 0x28))
                operations.append(.drop)
            } else if code != 0x96 {
                operations.append(try operation(code, &cursor, depth))
            }
        }
        starts[cursor.position] = operations.count
        for jump in jumps {
            guard let place = starts[jump.target] else {
                throw cursor.fault("DWARF branch", .invalid("into the middle of an operation"))
            }
            operations[jump.operation] = .branch(to: place, conditional: jump.conditional)
        }
        return operations
    }

    private func operation(
        _ code: UInt8, _ cursor: inout Cursor, _ depth: Int
    ) throws(ParseFault) -> LocationOperation {
        switch code {
        case 0x30...0x4f: return .constant(UInt64(code - 0x30))
        case 0x50...0x6f: return .register(RegisterNumber(UInt16(code - 0x50)))
        case 0x70...0x8f:
            return .base(RegisterNumber(UInt16(code - 0x70)), offset: try cursor.sleb128("DW_OP_breg"))
        case 0x03:
            let address = try cursor.unsigned(size: unit.addressSize, "DW_OP_addr")
            return .constant(placement.address(address).rawValue)
        case 0xa1, 0xfb:
            return .constant(placement.address(try unit.address(try cursor.uleb128("DW_OP_addrx"))).rawValue)
        case 0x08...0x11, 0xa2, 0xfc: return .constant(try constant(code, &cursor))
        case 0x90: return .register(try register(&cursor))
        case 0x91: return .frameBase(offset: try cursor.sleb128("DW_OP_fbreg"))
        case 0x92: return .base(try register(&cursor), offset: try cursor.sleb128("DW_OP_bregx"))
        case 0x9c: return .callFrameAddress
        case 0x06: return .dereference(size: unit.addressSize)
        case 0x94: return .dereference(size: Int(try cursor.u8("DW_OP_deref_size")))
        case 0x12: return .duplicate
        case 0x13: return .drop
        case 0x14: return .pick(index: 1)
        case 0x15: return .pick(index: Int(try cursor.u8("DW_OP_pick")))
        case 0x16: return .swap
        case 0x17: return .rotate
        case 0x23: return .plus(try cursor.uleb128("DW_OP_plus_uconst"))
        case 0x93: return .piece(bits: try cursor.uleb128("DW_OP_piece") &* 8, offset: 0)
        case 0x9d:
            return .piece(bits: try cursor.uleb128("DW_OP_bit_piece"), offset: try cursor.uleb128("DW_OP_bit_piece"))
        case 0x9e:
            return .implicitValue(try cursor.bytes(try cursor.uleb128("DW_OP_implicit_value"), "DW_OP_implicit_value"))
        case 0x9f: return .stackValue
        case 0xa3, 0xf3:
            let inner = try cursor.bytes(try cursor.uleb128("DW_OP_entry_value"), "DW_OP_entry_value")
            return .entryValue(try decode(inner, depth: depth + 1))
        case 0xa0, 0xf2:
            try cursor.skip(UInt64(unit.header.offsetSize), "DW_OP_implicit_pointer")
            _ = try cursor.sleb128("DW_OP_implicit_pointer")
            return .implicitPointer
        default: return try rest(code, &cursor)
        }
    }

    /// Typed operations, arithmetic, and what is not executed.
    private func rest(_ code: UInt8, _ cursor: inout Cursor) throws(ParseFault) -> LocationOperation {
        if let unary = LocationUnary(rawValue: code) { return .unary(unary) }
        if let binary = LocationBinary(rawValue: code) { return .binary(binary) }
        switch code {
        case 0xa8, 0xf7, 0xa9, 0xf9:
            let type = try baseType(try cursor.uleb128("DW_OP_convert"))
            guard let type else { return .unsupported(code) }
            return .convert(size: type.size, signed: type.signed, keepsBits: code == 0xa9 || code == 0xf9)
        case 0xa5, 0xf5:
            // DW_OP_regval_type: a register's content, as an integer of a type; `base` and `convert` would be two.
            let number = try register(&cursor)
            guard let type = try baseType(try cursor.uleb128("DW_OP_regval_type")), type.size == 8 else {
                return .unsupported(code)
            }
            return .base(number, offset: 0)
        case 0xa4, 0xf4:
            _ = try cursor.uleb128("DW_OP_const_type")
            let count = try cursor.u8("DW_OP_const_type")
            guard count == 8 else {
                try cursor.skip(UInt64(count), "DW_OP_const_type")
                return .unsupported(code)
            }
            return .constant(try cursor.u64("DW_OP_const_type"))
        case 0xa6, 0xf6:
            let size = Int(try cursor.u8("DW_OP_deref_type"))
            let type = try baseType(try cursor.uleb128("DW_OP_deref_type"))
            // A signed number shorter than a word would have to be extended.
            return type.map { !$0.signed || size == 8 } == true ? .dereference(size: size) : .unsupported(code)
        default:
            // Operands of an unknown operation cannot be told from operations: the rest is not looked at.
            try cursor.skip(UInt64(cursor.remaining), "DWARF operation")
            return .unsupported(code)
        }
    }

    private func constant(_ code: UInt8, _ cursor: inout Cursor) throws(ParseFault) -> UInt64 {
        switch code {
        case 0x08: UInt64(try cursor.u8("DW_OP_const1u"))
        case 0x09: UInt64(bitPattern: Int64(try cursor.s8("DW_OP_const1s")))
        case 0x0a: UInt64(try cursor.u16("DW_OP_const2u"))
        case 0x0b: UInt64(bitPattern: Int64(try cursor.s16("DW_OP_const2s")))
        case 0x0c: UInt64(try cursor.u32("DW_OP_const4u"))
        case 0x0d: UInt64(bitPattern: Int64(try cursor.s32("DW_OP_const4s")))
        case 0x0e, 0x0f: try cursor.u64("DW_OP_const8")
        case 0x10: try cursor.uleb128("DW_OP_constu")
        case 0x11: UInt64(bitPattern: try cursor.sleb128("DW_OP_consts"))
        default: try unit.address(try cursor.uleb128("DW_OP_constx"))
        }
    }

    private func register(_ cursor: inout Cursor) throws(ParseFault) -> RegisterNumber {
        RegisterNumber(UInt16(clamping: try cursor.uleb128("register")))
    }

    /// Size and sign of an integer base type of this unit; size 0 for the untyped one. Nil for others.
    private func baseType(_ offset: UInt64) throws(ParseFault) -> (size: Int, signed: Bool)? {
        if offset == 0 { return (0, false) }
        let (place, overflow) = offset.addingReportingOverflow(unit.header.offset)
        guard !overflow, let die = try unit.die(at: place), die.tag == .baseType,
            let size = try die.unsigned(.byteSize), size <= 8
        else { return nil }
        // DW_ATE_: 2 boolean, 5 signed, 6 signed char, 7 unsigned, 8 unsigned char.
        switch try die.unsigned(.encoding) {
        case 5?, 6?: return (Int(size), true)
        case 2?, 7?, 8?: return (Int(size), false)
        default: return nil
        }
    }
}

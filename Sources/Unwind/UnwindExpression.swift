// DWARF expressions as call-frame information uses them (DWARF 5, sections 2.5 and 6.4.2).

package import Bytes
internal import DebugModel
package import Machine
package import Memory

/// The operations of a CFA or register rule. Only those that can occur there: no pieces, no typed operations.
package struct UnwindExpression: Sendable {
    package let operations: ByteSlice

    /// Operations executed at most: rules have a handful, a hostile loop has more.
    private static let maximumSteps = 1000
    private static let maximumDepth = 64

    package init(operations: ByteSlice) { self.operations = operations }

    /// The value on top of the stack at the end. `initial` is pushed first: the CFA, for register rules.
    package func evaluate(registers: Registers, space: AddressSpace, initial: UInt64?) throws -> UInt64 {
        var stack: [UInt64] = initial.map { [$0] } ?? []
        var cursor = Cursor(operations)
        var steps = 0
        func pop() throws -> UInt64 {
            guard let value = stack.popLast() else {
                throw UnwindError("a DWARF expression needs a value and has none")
            }
            return value
        }
        while !cursor.isAtEnd {
            steps += 1
            guard steps < Self.maximumSteps, stack.count < Self.maximumDepth else {
                throw UnwindError("a DWARF expression does not end")
            }
            let operation = try cursor.u8("DWARF operation")
            switch operation {
            case 0x03: stack.append(try cursor.u64("DW_OP_addr"))
            case 0x06: stack.append(try space.word(VirtualAddress(try pop())))
            case 0x08: stack.append(UInt64(try cursor.u8("DW_OP_const1u")))
            case 0x09: stack.append(UInt64(bitPattern: Int64(try cursor.s8("DW_OP_const1s"))))
            case 0x0a: stack.append(UInt64(try cursor.u16("DW_OP_const2u")))
            case 0x0b: stack.append(UInt64(bitPattern: Int64(try cursor.s16("DW_OP_const2s"))))
            case 0x0c: stack.append(UInt64(try cursor.u32("DW_OP_const4u")))
            case 0x0d: stack.append(UInt64(bitPattern: Int64(try cursor.s32("DW_OP_const4s"))))
            case 0x0e, 0x0f: stack.append(try cursor.u64("DW_OP_const8"))
            case 0x10: stack.append(try cursor.uleb128("DW_OP_constu"))
            case 0x11: stack.append(UInt64(bitPattern: try cursor.sleb128("DW_OP_consts")))
            case 0x12:
                let top = try pop()
                stack += [top, top]
            case 0x13: _ = try pop()
            case 0x1a, 0x1c, 0x1e, 0x21, 0x22, 0x24, 0x25, 0x27, 0x29...0x2e:
                let right = try pop()
                stack.append(Self.binary(operation, try pop(), right))
            case 0x23: stack.append(try pop() &+ (try cursor.uleb128("DW_OP_plus_uconst")))
            case 0x30...0x4f: stack.append(UInt64(operation - 0x30))
            case 0x70...0x8f:
                let offset = try cursor.sleb128("DW_OP_breg")
                guard let value = registers[RegisterNumber(UInt16(operation - 0x70))] else {
                    throw UnwindError("a DWARF expression needs a register that is unknown in this frame")
                }
                stack.append(value &+ UInt64(bitPattern: offset))
            case 0x96: break
            default: throw UnwindError("DWARF operation 0x\(hex(UInt64(operation))) is not executed here")
            }
        }
        return try pop()
    }

    private static func binary(_ operation: UInt8, _ left: UInt64, _ right: UInt64) -> UInt64 {
        let signed = (Int64(bitPattern: left), Int64(bitPattern: right))
        return switch operation {
        case 0x1a: left & right
        case 0x1c: left &- right
        case 0x1e: left &* right
        case 0x21: left | right
        case 0x22: left &+ right
        case 0x24: right < 64 ? left << right : 0
        case 0x25: right < 64 ? left >> right : 0
        case 0x27: left ^ right
        case 0x29: left == right ? 1 : 0
        case 0x2a: signed.0 >= signed.1 ? 1 : 0
        case 0x2b: signed.0 > signed.1 ? 1 : 0
        case 0x2c: signed.0 <= signed.1 ? 1 : 0
        case 0x2d: signed.0 < signed.1 ? 1 : 0
        default: left != right ? 1 : 0
        }
    }
}

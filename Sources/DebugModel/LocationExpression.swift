// Where a variable is or what it is, as a program for a stack machine: decoded, so that who runs it needs no file.

package import Bytes

/// One operation of a location expression (DWARF 5, section 2.5). Addresses are those of the running kernel.
package indirect enum LocationOperation: Sendable, Equatable {
    /// Pushes a number: a literal, a constant, or an address.
    case constant(UInt64)
    /// The value is in this register; nothing is pushed (`DW_OP_reg`).
    case register(RegisterNumber)
    /// Pushes register + offset (`DW_OP_breg`).
    case base(RegisterNumber, offset: Int64)
    /// Pushes the frame base of the function + offset.
    case frameBase(offset: Int64)
    case callFrameAddress
    /// Pops an address, pushes the `size` bytes that lie there, zero-extended.
    case dereference(size: Int)
    case duplicate
    case drop
    /// Pushes a copy of the entry `index` below the top: `DW_OP_over` is 1.
    case pick(index: Int)
    case swap
    case rotate
    case plus(UInt64)
    case unary(LocationUnary)
    case binary(LocationBinary)
    /// Goes on with the operation of that number; a conditional one pops its condition.
    case branch(to: Int, conditional: Bool)
    /// The value that the inner location had when the function was entered.
    case entryValue([LocationOperation])
    /// What is on the stack is the value itself, not its address.
    case stackValue
    /// The value's bytes.
    case implicitValue(ByteSlice)
    /// A pointer into an object that is nowhere in memory.
    case implicitPointer
    /// The part of the variable so far described has so many bits, from bit `offset` of its place.
    case piece(bits: UInt64, offset: UInt64)
    /// Makes the top an integer of that size and sign (`DW_OP_convert`, `DW_OP_reinterpret`); size 0: a plain address.
    case convert(size: Int, signed: Bool, keepsBits: Bool)
    /// An operation that is not executed, by its number.
    case unsupported(UInt8)

    package static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.constant(let a), .constant(let b)): a == b
        case (.register(let a), .register(let b)): a == b
        case (.base(let a, let x), .base(let b, let y)): a == b && x == y
        case (.frameBase(let a), .frameBase(let b)): a == b
        case (.plus(let a), .plus(let b)): a == b
        case (.dereference(let a), .dereference(let b)): a == b
        case (.unary(let a), .unary(let b)): a == b
        case (.binary(let a), .binary(let b)): a == b
        case (.pick(let a), .pick(let b)): a == b
        case (.branch(let a, let x), .branch(let b, let y)): a == b && x == y
        case (.entryValue(let a), .entryValue(let b)): a == b
        case (.implicitValue(let a), .implicitValue(let b)): a.array == b.array
        case (.piece(let a, let x), .piece(let b, let y)): a == b && x == y
        case (.convert(let a, let x, let p), .convert(let b, let y, let q)): a == b && x == y && p == q
        case (.unsupported(let a), .unsupported(let b)): a == b
        case (.callFrameAddress, .callFrameAddress), (.duplicate, .duplicate), (.drop, .drop), (.swap, .swap),
            (.rotate, .rotate), (.stackValue, .stackValue), (.implicitPointer, .implicitPointer):
            true
        default: false
        }
    }
}

package enum LocationUnary: UInt8, Sendable {
    case absolute = 0x19
    case negate = 0x1f
    case not = 0x20
}

/// By their numbers in DWARF.
package enum LocationBinary: UInt8, Sendable {
    case and = 0x1a
    case divide = 0x1b
    case minus = 0x1c
    case modulo = 0x1d
    case multiply = 0x1e
    case or = 0x21
    case plus = 0x22
    case shiftLeft = 0x24
    case shiftRight = 0x25
    case shiftRightSigned = 0x26
    case xor = 0x27
    case equal = 0x29
    case greaterOrEqual = 0x2a
    case greater = 0x2b
    case lessOrEqual = 0x2c
    case less = 0x2d
    case notEqual = 0x2e
}

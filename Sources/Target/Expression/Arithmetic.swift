// C's arithmetic: integer promotions, usual arithmetic conversions, pointers (C11 6.3.1, 6.5).

internal import Bytes
internal import DebugModel

/// A number or a pointer that was read, sign-extended to 64 bits where its type has a sign.
struct Scalar {
    enum Kind: Equatable {
        case integer
        /// The size of what it points to; 1 for `void` and functions, as GCC has it.
        case pointer(elementSize: UInt64)
    }

    let bits: UInt64
    let type: TypeID
    let kind: Kind
    /// Bytes.
    let size: Int
    let isSigned: Bool

    var isPointer: Bool { kind != .integer }
}

extension Evaluator {
    /// Reads a value that an operator works on. Arrays and functions are their addresses (C11 6.3.2.1).
    func scalar(_ value: Value, _ column: Int) throws -> Scalar {
        let type = try types.stripped(value.type)
        switch type.type {
        case .integer(let integer):
            guard integer.size <= 8 else {
                throw ExpressionError("integers of more than 64 bits are shown, not calculated with", column: column)
            }
            return try integerScalar(value, size: integer.size, isSigned: integer.isSigned)
        case .enumeration(let enumeration):
            return try integerScalar(value, size: enumeration.size, isSigned: enumeration.isSigned)
        case .pointer(let target, let size):
            return Scalar(
                bits: try value.unsigned(), type: value.type, kind: .pointer(elementSize: try elementSize(target)),
                size: size, isSigned: false)
        case .array(let array):
            return Scalar(
                bits: try value.address.rawValue, type: types.pointer(to: array.element),
                kind: .pointer(elementSize: try elementSize(array.element)), size: 8, isSigned: false)
        case .function:
            return Scalar(
                bits: try value.address.rawValue, type: types.pointer(to: value.type), kind: .pointer(elementSize: 1),
                size: 8, isSigned: false)
        case .void, .float, .aggregate, .typedef, .qualified, .incomplete:
            throw ExpressionError("\(value.typeName) is not a number or a pointer", column: column)
        }
    }

    private func integerScalar(_ value: Value, size: Int, isSigned: Bool) throws -> Scalar {
        let bits = isSigned ? UInt64(bitPattern: try value.signed()) : try value.unsigned()
        // A bit-field narrower than int is an int from here on.
        if case .memory(_, let range?) = value.place, range.count < 32 {
            return Scalar(bits: bits, type: int, kind: .integer, size: 4, isSigned: true)
        }
        return Scalar(bits: bits, type: value.type, kind: .integer, size: size, isSigned: isSigned)
    }

    private func elementSize(_ type: TypeID) throws -> UInt64 { max(try types.size(type) ?? 1, 1) }

    /// Integer promotion: what is narrower than `int` is `int`.
    func promoted(_ number: Scalar, _ column: Int) throws -> Scalar {
        guard number.kind == .integer else {
            throw ExpressionError("a pointer is not a number; cast it: (unsigned long)...", column: column)
        }
        guard number.size < 4 else { return number }
        return Scalar(bits: number.bits, type: int, kind: .integer, size: 4, isSigned: true)
    }

    /// A result of the promoted type of an operand, wrapped to its width.
    func result(_ bits: UInt64, _ like: Scalar) -> Value {
        number(Self.wrap(bits, size: like.size, isSigned: like.isSigned), plainType(like))
    }

    /// Enumerations and typedefs are calculated with as the integers they are.
    private func plainType(_ number: Scalar) -> TypeID {
        switch (number.size, number.isSigned) {
        case (8, true): long
        case (8, false): unsignedLong
        case (_, true): int
        case (_, false): types.integer("unsigned int", size: 4, signed: false)
        }
    }

    static func wrap(_ bits: UInt64, size: Int, isSigned: Bool) -> UInt64 {
        guard size < 8 else { return bits }
        return isSigned
            ? UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: bits))) : UInt64(UInt32(truncatingIfNeeded: bits))
    }

    func binary(_ operation: Syntax.Binary, _ left: Value, _ right: Value, _ column: Int) throws -> Value {
        let (a, b) = (try scalar(left, column), try scalar(right, column))
        if a.isPointer || b.isPointer { return try pointers(operation, a, b, column) }
        let (x, y) = (try promoted(a, column), try promoted(b, column))
        switch operation {
        case .shiftLeft, .shiftRight: return try shift(operation, x, by: y, column)
        default: break
        }
        // Usual arithmetic conversions: the wider type, and of two as wide the unsigned one.
        let size = max(x.size, y.size)
        let isSigned = x.size == y.size ? x.isSigned && y.isSigned : (x.size > y.size ? x : y).isSigned
        let common = Scalar(bits: 0, type: int, kind: .integer, size: size, isSigned: isSigned)
        let p = Self.wrap(x.bits, size: size, isSigned: isSigned)
        let q = Self.wrap(y.bits, size: size, isSigned: isSigned)
        switch operation {
        case .add: return result(p &+ q, common)
        case .subtract: return result(p &- q, common)
        case .multiply: return result(p &* q, common)
        case .bitAnd: return result(p & q, common)
        case .bitOr: return result(p | q, common)
        case .bitXor: return result(p ^ q, common)
        case .divide, .remainder: return try divide(operation, p, q, common, column)
        default: return truth(compare(operation, p, q, isSigned: isSigned))
        }
    }

    private func divide(
        _ operation: Syntax.Binary, _ p: UInt64, _ q: UInt64, _ common: Scalar, _ column: Int
    ) throws -> Value {
        guard q != 0 else { throw ExpressionError("division by zero", column: column) }
        guard common.isSigned else {
            return result(operation == .divide ? p / q : p % q, common)
        }
        // The smallest number divided by -1 wraps.
        let (a, b) = (Int64(bitPattern: p), Int64(bitPattern: q))
        let value =
            operation == .divide
            ? a.dividedReportingOverflow(by: b).partialValue : a.remainderReportingOverflow(dividingBy: b).partialValue
        return result(UInt64(bitPattern: value), common)
    }

    private func shift(_ operation: Syntax.Binary, _ x: Scalar, by y: Scalar, _ column: Int) throws -> Value {
        guard y.bits < UInt64(x.size * 8) else {
            let count = y.isSigned ? "\(Int64(bitPattern: y.bits))" : "\(y.bits)"
            throw ExpressionError("a \(x.size * 8)-bit number shifted by \(count) has no value in C", column: column)
        }
        if operation == .shiftLeft { return result(x.bits << y.bits, x) }
        return result(
            x.isSigned ? UInt64(bitPattern: Int64(bitPattern: x.bits) >> Int64(y.bits)) : x.bits >> y.bits, x)
    }

    private func compare(_ operation: Syntax.Binary, _ p: UInt64, _ q: UInt64, isSigned: Bool) -> Bool {
        let isLess = isSigned ? Int64(bitPattern: p) < Int64(bitPattern: q) : p < q
        switch operation {
        case .equal: return p == q
        case .notEqual: return p != q
        case .less: return isLess
        case .lessEqual: return isLess || p == q
        case .greater: return !isLess && p != q
        default: return !isLess
        }
    }

    private func pointers(_ operation: Syntax.Binary, _ a: Scalar, _ b: Scalar, _ column: Int) throws -> Value {
        switch (operation, a.kind, b.kind) {
        case (.add, .pointer(let size), .integer): return number(a.bits &+ b.bits &* size, a.type)
        case (.add, .integer, .pointer(let size)): return number(b.bits &+ a.bits &* size, b.type)
        case (.subtract, .pointer(let size), .integer): return number(a.bits &- b.bits &* size, a.type)
        case (.subtract, .pointer(let size), .pointer(let other)):
            guard size == other else {
                throw ExpressionError("pointers to things of different sizes have no difference", column: column)
            }
            let distance = Int64(bitPattern: a.bits &- b.bits)
            return number(UInt64(bitPattern: distance / Int64(clamping: size)), long)
        case (.equal, _, _), (.notEqual, _, _), (.less, _, _), (.lessEqual, _, _), (.greater, _, _),
            (.greaterEqual, _, _):
            return truth(compare(operation, a.bits, b.bits, isSigned: false))
        default:
            throw ExpressionError(
                "\(operation.spelling) does not work on pointers; cast them: (unsigned long)...", column: column)
        }
    }
}

// What a C expression says, before anything is read.

internal import DebugModel

/// A node of the tree. `depth` bounds the recursion of whoever walks it.
struct Syntax: Sendable {
    indirect enum Kind: Sendable {
        case number(IntegerLiteral)
        case character(Int64)
        case name(String)
        case member(Syntax, String)
        case index(Syntax, Syntax)
        case prefix(Prefix, Syntax)
        case binary(Binary, Syntax, Syntax)
        case conditional(Syntax, Syntax, Syntax)
        case cast(TypeID, Syntax)
        case sizeofType(TypeID)
        case sizeofValue(Syntax)
        case offsetof(TypeID, MemberPath)
        case containerOf(Syntax, TypeID, MemberPath)
        case perCPU(Syntax, cpu: Syntax)
        case perCPUPointer(Syntax, cpu: Syntax)
    }

    enum Prefix: Sendable {
        case address, deref, minus, plus, complement, not
    }

    enum Binary: Sendable {
        case multiply, divide, remainder, add, subtract, shiftLeft, shiftRight
        case less, lessEqual, greater, greaterEqual, equal, notEqual
        case bitAnd, bitXor, bitOr, and, or

        var spelling: String {
            switch self {
            case .multiply: "*"
            case .divide: "/"
            case .remainder: "%"
            case .add: "+"
            case .subtract: "-"
            case .shiftLeft: "<<"
            case .shiftRight: ">>"
            case .less: "<"
            case .lessEqual: "<="
            case .greater: ">"
            case .greaterEqual: ">="
            case .equal: "=="
            case .notEqual: "!="
            case .bitAnd: "&"
            case .bitXor: "^"
            case .bitOr: "|"
            case .and: "&&"
            case .or: "||"
            }
        }
    }

    let kind: Kind
    /// Where it begins, or where its operator stands.
    let column: Int
    let depth: Int

    /// Deeper trees are refused: C promises 63 levels of parentheses (C11 5.2.4.1), kernels use fewer.
    static let maximumDepth = 128

    init(_ kind: Kind, column: Int, over parts: [Syntax] = []) throws {
        self.kind = kind
        self.column = column
        depth = 1 + (parts.map(\.depth).max() ?? 0)
        guard depth <= Self.maximumDepth else {
            throw ExpressionError("the expression is nested too deeply", column: column)
        }
    }
}

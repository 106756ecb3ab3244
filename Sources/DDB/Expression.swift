// ddb's expressions: their grammar, and their values.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// What an expression says, before any of it is looked up or read.
indirect enum Expression: Equatable {
    case number(Int64)
    case symbol(String)
    /// "." ".." "+" and the ditto mark.
    case place(String)
    case variable(String)
    case unary(String, Expression)
    case binary(String, Expression, Expression)
}

/// The words of a line and how far they have been read.
struct TokenReader {
    let tokens: [PlacedToken]
    private(set) var index = 0
    /// Nesting of brackets and of signs in front of each other. ddb has 120 characters a line, this 1024.
    private static let deepest = 64

    init(_ tokens: [PlacedToken]) { self.tokens = tokens }

    var token: Token { index < tokens.count ? tokens[index].token : .end }
    /// Where the next word stands, from 0.
    var column: Int { index < tokens.count ? tokens[index].range.lowerBound : 0 }

    mutating func skip() { index = min(index + 1, tokens.count) }

    mutating func take(_ mark: String) -> Bool {
        guard token == .mark(mark) else { return false }
        skip()
        return true
    }

    mutating func take(oneOf marks: [String]) -> String? {
        guard case .mark(let mark) = token, marks.contains(mark) else { return nil }
        skip()
        return mark
    }

    /// An expression, nil where none begins. The grammar is ddb's (sys/ddb/db_expr.c), which is not C's: `&` binds as
    /// `*` does and `|` as `+`; comparisons are all of one rank and below shifts; the right side of `*`, `/`, `%`, `#`
    /// and `&` takes no sign.
    mutating func expression(depth: Int = 0) throws -> Expression? {
        try chain(0, depth)
    }

    private static let ranks: [[String]] = [
        ["||"], ["&&"], ["==", "!=", ">", ">=", "<", "<="], ["<<", ">>"], ["+", "-", "|"], ["*", "/", "%", "#", "&"],
    ]

    private mutating func chain(_ rank: Int, _ depth: Int) throws -> Expression? {
        let last = rank + 1 == Self.ranks.count
        guard var left = try last ? unary(depth) : chain(rank + 1, depth) else { return nil }
        while let mark = take(oneOf: Self.ranks[rank]) {
            guard let right = try last ? term(depth) : chain(rank + 1, depth) else { throw incomplete(after: mark) }
            left = .binary(mark, left, right)
        }
        return left
    }

    private mutating func unary(_ depth: Int) throws -> Expression? {
        guard depth < Self.deepest else { throw UsageError("the expression nests more than \(Self.deepest) deep") }
        guard let mark = take(oneOf: ["-", "!", "~", "*"]) else { return try term(depth) }
        guard let operand = try unary(depth + 1) else { throw incomplete(after: mark) }
        return .unary(mark, operand)
    }

    private mutating func term(_ depth: Int) throws -> Expression? {
        switch token {
        case .number(let number):
            skip()
            return .number(number)
        case .identifier(let name):
            skip()
            return .symbol(name)
        case .mark(let mark):
            switch mark {
            case ".", "..", "+", "\"":
                skip()
                return .place(mark)
            case "$":
                skip()
                guard case .identifier(let name) = token else { throw UsageError("$ needs the name of a variable") }
                skip()
                return .variable(name)
            case "(":
                skip()
                guard depth < Self.deepest else {
                    throw UsageError("the expression nests more than \(Self.deepest) deep")
                }
                guard let inner = try expression(depth: depth + 1) else { throw incomplete(after: "(") }
                guard take(")") else { throw UsageError("a ) is missing in column \(column + 1)") }
                return inner
            default: return nil
            }
        case .end: return nil
        }
    }

    private func incomplete(after mark: String) -> UsageError {
        UsageError("an operand is missing after the \(mark) (column \(column + 1))")
    }
}

/// Gives expressions their values: 64 bits with a sign, as ddb's are.
struct Evaluation {
    let target: Target
    let variables: Variables
    /// The registers of the chosen thread, by name; empty when there are none.
    let registers: [String: UInt64]
    /// The CPU whose copy of a per-CPU variable a name means, where `$db_cpu` is not set.
    let cpu: Int

    func value(_ expression: Expression) throws -> Int64 {
        switch expression {
        case .number(let number): return number
        case .symbol(let name): return try Int64(bitPattern: address(of: name).rawValue)
        case .place(let mark): return variables.place(mark)
        case .variable(let name):
            guard let value = variables[name] ?? registers[name].map({ Int64(bitPattern: $0) }) ?? own(name) else {
                throw UsageError("there is no variable $\(Escaping.text(name))")
            }
            return value
        case .unary(let mark, let operand): return try unary(mark, value(operand))
        case .binary(let mark, let left, let right):
            // As in ddb both sides are always evaluated, also those of && and ||.
            return try Self.binary(mark, value(left), value(right))
        }
    }

    private func own(_ name: String) -> Int64? { name == "curcpu" ? Int64(cpu) : nil }

    /// The address of a symbol; of a per-CPU variable the copy of one CPU. `MODULE:NAME` asks one module, and
    /// `kernel:NAME` the kernel proper.
    func address(of name: String) throws -> VirtualAddress {
        guard let symbol = Self.symbol(name, target) else {
            let isNumber = !name.isEmpty && name.allSatisfy(\.isHexDigit)
            throw CommandError(
                "there is no symbol \(Escaping.text(name))" + (isNumber ? "; the number is 0x\(name)" : ""))
        }
        guard symbol.kind == .perCPU || target.isPerCPU(symbol) else { return symbol.address }
        let chosen = variables.chosenCPU ?? cpu
        guard chosen < target.perCPU.offsets.count, let offset = target.perCPU.offsets[chosen] else {
            throw CommandError("\(name) is a per-CPU variable, and there is no CPU \(chosen)")
        }
        return symbol.address.advanced(by: offset)
    }

    static func symbol(_ name: String, _ target: Target) -> Symbol? {
        if let symbol = target.symbols.symbol(named: name) { return symbol }
        guard let colon = name.lastIndex(of: ":") else { return nil }
        let table = name[..<colon]
        let plain = String(name[name.index(after: colon)...])
        return target.symbols.symbols(named: plain).first { $0.module.map { $0 == table } ?? (table == "kernel") }
    }

    private func unary(_ mark: String, _ value: Int64) throws -> Int64 {
        switch mark {
        case "-": return 0 &- value
        case "!": return value == 0 ? 1 : 0
        case "~": return ~value
        default:
            let address = VirtualAddress(UInt64(bitPattern: value))
            return Int64(bitPattern: try target.space.unsigned(address, size: 8))
        }
    }

    private static func binary(_ mark: String, _ left: Int64, _ right: Int64) throws -> Int64 {
        switch mark {
        case "+": return left &+ right
        case "-": return left &- right
        case "|": return left | right
        case "&": return left & right
        case "*": return left &* right
        case "/", "%", "#":
            guard right != 0 else { throw CommandError("division by 0") }
            if mark == "/" { return left.dividedReportingOverflow(by: right).partialValue }
            if mark == "%" { return left.remainderReportingOverflow(dividingBy: right).partialValue }
            return (left &+ (right &- 1)).dividedReportingOverflow(by: right).partialValue &* right
        case "<<", ">>":
            guard right >= 0 else { throw CommandError("a shift by \(right)") }
            guard right < 64 else { return 0 }
            return mark == "<<" ? left << right : Int64(bitPattern: UInt64(bitPattern: left) >> UInt64(right))
        case "==": return left == right ? 1 : 0
        case "!=": return left != right ? 1 : 0
        case ">": return left > right ? 1 : 0
        case ">=": return left >= right ? 1 : 0
        case "<": return left < right ? 1 : 0
        case "<=": return left <= right ? 1 : 0
        case "&&": return left != 0 && right != 0 ? 1 : 0
        default: return left != 0 || right != 0 ? 1 : 0
        }
    }
}

extension Expression {
    /// The names of symbols and variables in it.
    var names: [String] {
        switch self {
        case .number, .place, .variable: []
        case .symbol(let name): [name]
        case .unary(_, let operand): operand.names
        case .binary(_, let left, let right): left.names + right.names
        }
    }

    var variables: [String] {
        switch self {
        case .number, .place, .symbol: []
        case .variable(let name): [name]
        case .unary(_, let operand): operand.variables
        case .binary(_, let left, let right): left.variables + right.variables
        }
    }
}

// C's grammar of expressions (C11 6.5), without assignments and calls, with a few names of the kernel's that act like
// operators.

internal import DebugModel

struct ExpressionParser {
    private let tokens: [Token]
    private var position = 0
    let types: TypeGraph
    private var nesting = 0

    /// C promises 63 levels of parentheses (C11 5.2.4.1).
    private static let maximumNesting = 64

    init(tokens: [Token], types: TypeGraph) {
        self.tokens = tokens
        self.types = types
    }

    /// The whole text as one expression.
    static func parse(_ text: String, types: TypeGraph) throws -> Syntax {
        var parser = ExpressionParser(tokens: try Lexer.tokens(text), types: types)
        if case .end = parser.token.kind { throw ExpressionError("an expression is missing", column: 1) }
        let syntax = try parser.conditional()
        try parser.expectEnd()
        return syntax
    }

    /// The whole text as a type's name; nil when it does not begin like one.
    static func parseType(_ text: String, types: TypeGraph) throws -> TypeID? {
        var parser = ExpressionParser(tokens: try Lexer.tokens(text), types: types)
        guard try parser.beginsType(at: 0) else { return nil }
        let type = try parser.typeName()
        try parser.expectEnd()
        return type
    }

    // MARK: tokens

    var token: Token { tokens[min(position, tokens.count - 1)] }

    func token(ahead count: Int) -> Token { tokens[min(position + count, tokens.count - 1)] }

    mutating func advance() { position = min(position + 1, tokens.count - 1) }

    func isAt(_ text: String) -> Bool { token.kind == .punctuator(text) }

    mutating func take(_ text: String) -> Bool {
        guard isAt(text) else { return false }
        advance()
        return true
    }

    mutating func expect(_ text: String) throws {
        guard take(text) else {
            throw ExpressionError("expected \"\(text)\", found \(token.quoted)", column: token.column)
        }
    }

    mutating func name(_ what: String) throws -> String {
        guard case .name(let name) = token.kind else {
            throw ExpressionError("expected \(what), found \(token.quoted)", column: token.column)
        }
        advance()
        return name
    }

    func expectEnd() throws {
        guard token.kind != .end else { return }
        if case .punctuator(let text) = token.kind, text == "++" || text == "--" || text.hasSuffix("=") {
            throw ExpressionError("\(token.quoted) would change the target, which is only read", column: token.column)
        }
        throw ExpressionError("unexpected \(token.quoted)", column: token.column)
    }

    /// Guards each recursion of the grammar.
    mutating func nested<Result>(_ body: (inout Self) throws -> Result) throws -> Result {
        guard nesting < Self.maximumNesting else {
            throw ExpressionError("the expression is nested too deeply", column: token.column)
        }
        nesting += 1
        defer { nesting -= 1 }
        return try body(&self)
    }

    // MARK: operators

    mutating func conditional() throws -> Syntax {
        let condition = try binary(0)
        let column = token.column
        guard take("?") else { return condition }
        let yes = try nested { try $0.conditional() }
        try expect(":")
        let no = try nested { try $0.conditional() }
        return try Syntax(.conditional(condition, yes, no), column: column, over: [condition, yes, no])
    }

    /// From the loosest binding to the tightest.
    private static let levels: [[(String, Syntax.Binary)]] = [
        [("||", .or)], [("&&", .and)], [("|", .bitOr)], [("^", .bitXor)], [("&", .bitAnd)],
        [("==", .equal), ("!=", .notEqual)],
        [("<", .less), ("<=", .lessEqual), (">", .greater), (">=", .greaterEqual)],
        [("<<", .shiftLeft), (">>", .shiftRight)], [("+", .add), ("-", .subtract)],
        [("*", .multiply), ("/", .divide), ("%", .remainder)],
    ]

    private func binaryOperator() -> (level: Int, operation: Syntax.Binary)? {
        guard case .punctuator(let text) = token.kind else { return nil }
        for (level, operators) in Self.levels.enumerated() {
            if let match = operators.first(where: { $0.0 == text }) { return (level, match.1) }
        }
        return nil
    }

    /// Precedence climbing: one frame a level that is really used.
    private mutating func binary(_ level: Int) throws -> Syntax {
        var left = try unary()
        while let next = binaryOperator(), next.level >= level {
            let column = token.column
            advance()
            let right = try nested { try $0.binary(next.level + 1) }
            left = try Syntax(.binary(next.operation, left, right), column: column, over: [left, right])
        }
        return left
    }

    private mutating func unary() throws -> Syntax {
        let column = token.column
        let prefixes: [(String, Syntax.Prefix)] = [
            ("&", .address), ("*", .deref), ("-", .minus), ("+", .plus), ("~", .complement), ("!", .not),
        ]
        if case .punctuator(let text) = token.kind {
            if text == "&&" {
                throw ExpressionError("\"&&\" needs something before it", column: column)
            }
            if text == "--" || text == "++" {
                throw ExpressionError("\(token.quoted) would change the target, which is only read", column: column)
            }
            if let prefix = prefixes.first(where: { $0.0 == text }) {
                advance()
                let operand = try nested { try $0.unary() }
                return try Syntax(.prefix(prefix.1, operand), column: column, over: [operand])
            }
            if text == "(", try beginsType(at: 1) {
                advance()
                let type = try nested { try $0.typeName() }
                try expect(")")
                let operand = try nested { try $0.unary() }
                return try Syntax(.cast(type, operand), column: column, over: [operand])
            }
        }
        if case .name("sizeof") = token.kind { return try sizeof() }
        return try postfix()
    }

    private mutating func sizeof() throws -> Syntax {
        let column = token.column
        advance()
        if isAt("("), try beginsType(at: 1) {
            advance()
            let type = try typeName()
            try expect(")")
            return try Syntax(.sizeofType(type), column: column)
        }
        let operand = try nested { try $0.unary() }
        return try Syntax(.sizeofValue(operand), column: column, over: [operand])
    }

    private mutating func postfix() throws -> Syntax {
        var value = try primary()
        while true {
            let column = token.column
            if take(".") || take("->") {
                let memberColumn = token.column
                value = try Syntax(.member(value, try name("a member's name")), column: memberColumn, over: [value])
            } else if take("[") {
                let index = try nested { try $0.conditional() }
                try expect("]")
                value = try Syntax(.index(value, index), column: column, over: [value, index])
            } else if isAt("(") {
                throw ExpressionError("functions of the target cannot be called", column: column)
            } else {
                return value
            }
        }
    }

    private mutating func primary() throws -> Syntax {
        let column = token.column
        switch token.kind {
        case .number(let literal):
            advance()
            return try Syntax(.number(literal), column: column)
        case .character(let value):
            advance()
            return try Syntax(.character(value), column: column)
        case .name(let name):
            advance()
            if isAt("("), let call = try builtin(name, column) { return call }
            if ["struct", "union", "enum"].contains(name) {
                throw ExpressionError("a type is no value; a cast is (\(name) ...)", column: column)
            }
            return try Syntax(.name(name), column: column)
        case .punctuator("("):
            advance()
            let inner = try nested { try $0.conditional() }
            try expect(")")
            return inner
        default: throw ExpressionError("expected a value, found \(token.quoted)", column: column)
        }
    }

    /// What looks like a call and is an operator of the debugger's.
    private mutating func builtin(_ name: String, _ column: Int) throws -> Syntax? {
        guard ["per_cpu", "per_cpu_ptr", "container_of", "offsetof"].contains(name) else { return nil }
        try expect("(")
        if name == "offsetof" {
            let type = try typeName()
            try expect(",")
            let path = try memberPath()
            try expect(")")
            return try Syntax(.offsetof(type, path), column: column)
        }
        let value = try nested { try $0.conditional() }
        try expect(",")
        if name == "container_of" {
            let type = try typeName()
            try expect(",")
            let path = try memberPath()
            try expect(")")
            return try Syntax(.containerOf(value, type, path), column: column, over: [value])
        }
        let cpu = try nested { try $0.conditional() }
        try expect(")")
        let kind: Syntax.Kind = name == "per_cpu" ? .perCPU(value, cpu: cpu) : .perCPUPointer(value, cpu: cpu)
        return try Syntax(kind, column: column, over: [value, cpu])
    }

    /// `a.b[3].c`, subscripts being plain numbers.
    mutating func memberPath() throws -> MemberPath {
        var steps: [MemberPath.Step] = [.member(try name("a member's name"))]
        while steps.count < Syntax.maximumDepth {
            if take(".") {
                steps.append(.member(try name("a member's name")))
            } else if take("[") {
                guard case .number(let literal) = token.kind, let index = Int64(exactly: literal.value) else {
                    throw ExpressionError("expected a number, found \(token.quoted)", column: token.column)
                }
                advance()
                try expect("]")
                steps.append(.index(index))
            } else {
                break
            }
        }
        return MemberPath(steps)
    }
}

// Makes statements of tokens. Looks nothing up: whether a command exists is asked by `name`, when its name is met.

internal import Pipeline

struct Parser {
    private var lexer: Lexer
    private var token = Token.end
    /// Where `token` began and ended.
    private var start = 0
    private var end = 0
    private let source: [UInt8]
    /// Throws for a command that does not exist.
    private let check: (Token) throws -> Void
    private var nodes = 0
    private var depth = 0

    /// Operators and operands of one expression: what is longer nobody wrote.
    static let maximumNodes = 400
    static let maximumStatements = 100_000
    /// Open parentheses and prefixes.
    static let maximumDepth = 100

    private init(_ line: String, check: @escaping (Token) throws -> Void) throws {
        lexer = try Lexer(line)
        source = Array(line.utf8)
        self.check = check
    }

    /// The statements of a text, which may have several lines. `check` is asked about each command's token, in order,
    /// and throws when there is no such command. Throws `UsageError` for what is no mdb.
    static func statements(_ text: String, check: @escaping (Token) throws -> Void = { _ in }) throws -> [Statement] {
        var parser = try Parser(text, check: check)
        var statements: [Statement] = []
        while !parser.lexer.isAtEnd {
            try parser.advance()
            statements.append(try parser.statement())
            guard statements.count <= maximumStatements else {
                throw UsageError("more than \(maximumStatements) statements in one text")
            }
        }
        return statements
    }

    /// An expression and nothing else: a line that a command wrote into a pipe, an argument of `::grep`.
    static func expression(_ text: String) throws -> Expression {
        var parser = try Parser(text, check: { _ in })
        try parser.advance()
        parser.nodes = 0
        let expression = try parser.expression(0)
        guard parser.token == .end, parser.lexer.isAtEnd else { throw parser.unexpected() }
        return expression
    }

    private mutating func advance() throws {
        start = lexer.position
        while start < source.count, source[start] == 0x20 || source[start] == 9 { start += 1 }
        token = try lexer.next()
        end = lexer.position
    }

    private func unexpected() -> UsageError {
        let near = start < end ? String(decoding: source[start..<min(end, start + 40)], as: UTF8.self) : ""
        return lexer.failure(near == "\n" || near == ";" ? "" : near, at: start)
    }

    // MARK: statements

    private mutating func statement() throws -> Statement {
        var statement = Statement()
        nodes = 0
        if startsExpression { statement.address = try expression(0) }
        if token == .punctuator(",") {
            try advance()
            statement.count = try expression(0)
        }
        while true {
            guard let command = try command() else { break }
            statement.commands.append(command)
            guard token == .pipe else { break }
            try advance()
            guard startsCommand else { throw unexpected() }
        }
        if case .shell(let text) = token {
            // A command of the shell follows a pipeline or stands alone.
            guard !statement.commands.isEmpty || (statement.address == nil && statement.count == nil) else {
                throw unexpected()
            }
            statement.shell = text
            try advance()
        }
        guard token == .end else { throw unexpected() }
        return statement
    }

    private var startsCommand: Bool {
        switch token {
        case .dcmd, .verb, .assign, .modify, .format: true
        default: false
        }
    }

    private mutating func command() throws -> Command? {
        let first = token
        guard startsCommand else { return nil }
        try check(first)
        try advance()
        switch first {
        case .dcmd(let name), .verb(let name): return .dcmd(name, try arguments())
        case .assign(let name, let size): return .assign(name, size: size)
        case .modify(let verb, let letter): return .modify(verb, letter: letter, try arguments())
        case .format(let verb): return .format(verb, try format())
        default: return nil
        }
    }

    private mutating func arguments() throws -> [Argument] {
        var arguments: [Argument] = []
        while true {
            switch token {
            case .word(let text): arguments.append(.text(text))
            case .expressionOpen:
                arguments.append(.value(try bracketed()))
                continue
            default: return arguments
            }
            try advance()
        }
    }

    /// The expression of `$[...]`; goes past the bracket.
    private mutating func bracketed() throws -> Expression {
        try advance()
        nodes = 0
        let value = try expression(0)
        guard token == .expressionClose else { throw unexpected() }
        try advance()
        return value
    }

    private mutating func format() throws -> [FormatItem] {
        var items: [FormatItem] = []
        var count: FormatItem.Count?
        while true {
            switch token {
            case .count(let number):
                guard count == nil else { throw unexpected() }
                count = .number(number)
            case .expressionOpen:
                guard count == nil else { throw unexpected() }
                count = .expression(try bracketed())
                continue
            case .letter(let letter):
                items.append(FormatItem(count: count, content: .letter(letter)))
                count = nil
            case .string(let text):
                items.append(FormatItem(count: count, content: .text(text)))
                count = nil
            default:
                guard count == nil else { throw unexpected() }
                return items
            }
            try advance()
        }
    }

    // MARK: expressions

    private var startsExpression: Bool {
        switch token {
        case .number, .digits, .symbol, .variable, .sized: true
        case .punctuator(let text): text != "," && text != ")"
        default: false
        }
    }

    private static let operators: [String: Expression.Binary] = [
        "|": .or, "^": .xor, "&": .and, "==": .equal, "!=": .unequal, "<<": .shiftLeft, ">>": .shiftRight,
        "-": .subtract, "+": .add, "*": .multiply, "%": .divide, "#": .roundUp, "%%": .modulo,
    ]

    private mutating func count() throws {
        nodes += 1
        guard nodes <= Self.maximumNodes else {
            throw UsageError("the expression has more than \(Self.maximumNodes) parts (column \(start + 1))")
        }
    }

    /// Operators of rank `least` and above; those of one rank group to the left.
    private mutating func expression(_ least: Int) throws -> Expression {
        var left = try operand()
        while case .punctuator(let text) = token, let operation = Self.operators[text], operation.rank >= least {
            try count()
            try advance()
            left = .binary(operation, left, try expression(operation.rank + 1))
        }
        // `a*/l/b`: the multiplication of a by what `/l/b` would be is no mdb; the token alone says "read".
        return left
    }

    private mutating func operand() throws -> Expression {
        try count()
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else {
            throw UsageError("the expression is nested too deeply (column \(start + 1))")
        }
        let first = token
        switch first {
        case .number(let value):
            try advance()
            return .number(value)
        case .digits(let digits):
            try advance()
            return .digits(digits)
        case .symbol(let name):
            try advance()
            return .symbol(name)
        case .variable(let name):
            try advance()
            return .variable(name)
        case .sized(let isObject, let size):
            try advance()
            return .read(try operand(), size: size, isObject: isObject)
        case .punctuator(let text): return try punctuated(text)
        default: throw unexpected()
        }
    }

    private mutating func punctuated(_ text: String) throws -> Expression {
        switch text {
        case ".", "+", "^", "&":
            try advance()
            return text == "." ? .dot : text == "+" ? .next : text == "^" ? .previous : .last
        case "-", "~", "#":
            try advance()
            return .prefix(text == "-" ? .minus : text == "~" ? .complement : .not, try operand())
        case "*", "%":
            try advance()
            return .read(try operand(), size: 8, isObject: text == "%")
        case "(":
            try advance()
            let inner = try expression(0)
            guard token == .punctuator(")") else { throw unexpected() }
            try advance()
            return inner
        default: throw unexpected()
        }
    }
}

// The grammar of formulas: precedence climbing over a short list of tokens.

struct FormulaParser {
    private enum Token: Equatable {
        case number(UInt64)
        case text(String)
        case name(String)
        case sign(String)
        case end
    }

    private let tokens: [(token: Token, column: Int)]
    private var position = 0
    private var nesting = 0
    /// Deeper nesting is refused: nobody types it.
    private static let maximumNesting = 64
    /// Longer formulas are refused: the tree is walked recursively.
    private static let maximumTokens = 2_048

    init(_ text: String) throws {
        var lexer = FormulaLexer(text)
        var tokens: [(Token, Int)] = []
        while let lexeme = try lexer.next() {
            guard tokens.count < Self.maximumTokens else { throw UsageError("the formula is too long") }
            switch lexeme {
            case .number(let number, let column): tokens.append((.number(number), column))
            case .text(let text, let column): tokens.append((.text(text), column))
            case .name(let name, let column): tokens.append((.name(name), column))
            case .sign(let sign, let column): tokens.append((.sign(sign), column))
            }
        }
        tokens.append((.end, text.utf8.count + 1))
        self.tokens = tokens
    }

    mutating func formula() throws -> Formula.Node {
        let node = try binary(0)
        guard case .end = token else { throw unexpected() }
        return node
    }

    private var token: Token { tokens[min(position, tokens.count - 1)].token }
    private var column: Int { tokens[min(position, tokens.count - 1)].column }

    private func unexpected() -> UsageError {
        let what =
            switch token {
            case .number(let number): "\(number)"
            case .text(let text), .name(let text), .sign(let text): text
            case .end: "the end"
            }
        return UsageError("unexpected \(Escaping.text(what)) in the formula", column: column)
    }

    private mutating func take(_ sign: String) -> Bool {
        guard token == .sign(sign) else { return false }
        position += 1
        return true
    }

    private mutating func nested<Result>(_ body: (inout Self) throws -> Result) throws -> Result {
        guard nesting < Self.maximumNesting else {
            throw UsageError("the formula is nested too deeply", column: column)
        }
        nesting += 1
        defer { nesting -= 1 }
        return try body(&self)
    }

    private mutating func binary(_ level: Int) throws -> Formula.Node {
        var left = try unary()
        // A chain `a + b + c ...` grows to the left without nesting here, but deepens the tree.
        var links = 0
        while case .sign(let sign) = token, let operation = Formula.Operator(rawValue: sign), operation.level >= level {
            links += 1
            guard links <= 256 else { throw UsageError("the formula is too long", column: column) }
            position += 1
            let right = try nested { try $0.binary(operation.level + 1) }
            left = .binary(operation, left, right)
        }
        return left
    }

    private mutating func unary() throws -> Formula.Node {
        if take("!") { return .not(try nested { try $0.unary() }) }
        if take("-") { return .negate(try nested { try $0.unary() }) }
        if take("~") { return .complement(try nested { try $0.unary() }) }
        return try primary()
    }

    private mutating func primary() throws -> Formula.Node {
        let column = column
        switch token {
        case .number(let number):
            position += 1
            return .number(Int128(wide: number))
        case .text(let text):
            position += 1
            return .text(text)
        case .name(let name):
            position += 1
            // A word may itself go on: `mm.owner`, `cpus[0]`.
            if case .sign(let sign) = token, sign == "." || sign == "->" || sign == "[" {
                return .path(try steps([.member(name)]), column: column)
            }
            return .name(name, column: column)
        case .sign("."):
            position += 1
            guard case .name(let name) = token else { return .path([], column: column) }
            position += 1
            return .path(try steps([.member(name)]), column: column)
        case .sign("("):
            position += 1
            let inner = try nested { try $0.binary(0) }
            guard take(")") else { throw unexpected() }
            return inner
        default: throw unexpected()
        }
    }

    private mutating func steps(_ first: [Formula.Step]) throws -> [Formula.Step] {
        var steps = first
        while steps.count < 128 {
            if take(".") || take("->") {
                guard case .name(let name) = token else { throw unexpected() }
                position += 1
                steps.append(.member(name))
            } else if take("[") {
                let isNegative = take("-")
                guard case .number(let number) = token, let index = Int64(exactly: number) else { throw unexpected() }
                position += 1
                guard take("]") else { throw unexpected() }
                steps.append(.index(isNegative ? -index : index))
            } else {
                break
            }
        }
        return steps
    }
}

/// Takes a formula apart.
private struct FormulaLexer {
    enum Lexeme {
        case number(UInt64, Int)
        case text(String, Int)
        case name(String, Int)
        case sign(String, Int)
    }

    private let bytes: [UInt8]
    private var position = 0
    private static let signs = [
        "||", "&&", "==", "!=", "=~", "!~", "<=", ">=", "<<", ">>", "->", "<", ">", "+", "-", "*", "/", "%", "&", "|",
        "^", "~", "!", "(", ")", "[", "]", ".",
    ].map { ($0, Array($0.utf8)) }

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func next() throws -> Lexeme? {
        while position < bytes.count, bytes[position] == 0x20 || (9...13).contains(bytes[position]) { position += 1 }
        guard position < bytes.count else { return nil }
        let column = position + 1
        let first = bytes[position]
        if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") { return .text(try quoted(first), column) }
        if isWord(first) {
            let start = position
            while position < bytes.count, isWord(bytes[position]) { position += 1 }
            let word = String(decoding: bytes[start..<position], as: UTF8.self)
            return try word.utf8.first.map(isDigit) == true
                ? .number(number(word, column), column) : .name(word, column)
        }
        for (text, sign) in Self.signs where bytes[position...].starts(with: sign) {
            position += sign.count
            return .sign(text, column)
        }
        throw UsageError("this character means nothing in a formula", column: column)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    /// Letters, digits, `_`, `$`, `@`, `:` and everything beyond ASCII: `kworker/0:1` needs quotes.
    private func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$") || byte == UInt8(ascii: "@")
            || byte == UInt8(ascii: ":") || byte >= 0x80
    }

    /// Decimal, `0x`, `0b`, octal with a leading zero; sixteen digits or letters are an address without its `0x`. `4k`,
    /// `2M`, `1G` and `3ms`, `5s` are not numbers: fields say their unit in their name.
    private func number(_ word: String, _ column: Int) throws -> UInt64 {
        let lower = word.lowercased()
        if lower.hasPrefix("0x"), let value = UInt64(lower.dropFirst(2), radix: 16) { return value }
        if lower.hasPrefix("0b"), let value = UInt64(lower.dropFirst(2), radix: 2) { return value }
        if lower.utf8.count >= 9, lower.utf8.contains(where: { !isDigit($0) }), let value = UInt64(lower, radix: 16) {
            return value
        }
        if let value = UInt64(lower) { return value }
        throw UsageError("\(Escaping.text(word)) is not a number", column: column)
    }

    private mutating func quoted(_ mark: UInt8) throws -> String {
        let start = position
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == mark { return String(decoding: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), position < bytes.count {
                text.append(bytes[position])
                position += 1
            } else {
                text.append(byte)
            }
        }
        throw UsageError("the quote in column \(start + 1) has no end", column: start + 1)
    }
}

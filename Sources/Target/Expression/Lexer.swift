// A C expression taken apart into tokens.

/// Why an expression has no value, and where in its text.
package struct ExpressionError: Error, Sendable, Equatable, CustomStringConvertible {
    package let message: String
    /// Counted from 1, in bytes of UTF-8.
    package let column: Int
    /// The name that is not known, if that is what is wrong.
    package let cause: ValueError?
    /// The whole expression, where whoever reads it knew it.
    package private(set) var text: String?

    package init(_ message: String, column: Int, cause: ValueError? = nil) {
        self.message = message
        self.column = column
        self.cause = cause
    }

    /// Runs `body`, which reads `text`; what it throws knows the text.
    static func reading<Result>(_ text: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch var error as ExpressionError {
            error.text = error.text ?? text
            throw error
        }
    }

    /// What is said is compared, not what it is said for.
    package static func == (left: ExpressionError, right: ExpressionError) -> Bool {
        left.message == right.message && left.column == right.column
    }

    package var description: String { "column \(column): \(message)" }
}

struct Token: Sendable {
    enum Kind: Sendable, Equatable {
        case name(String)
        case number(IntegerLiteral)
        case character(Int64)
        case punctuator(String)
        case end
    }

    let kind: Kind
    let column: Int

    /// As an error quotes it.
    var quoted: String {
        switch kind {
        case .name(let name): "\"\(name)\""
        case .number: "a number"
        case .character: "a character"
        case .punctuator(let text): "\"\(text)\""
        case .end: "the end"
        }
    }
}

/// An integer constant with what C's suffixes and radix say of its type (C11 6.4.4.1).
struct IntegerLiteral: Sendable, Equatable {
    let value: UInt64
    let isDecimal: Bool
    var isUnsigned = false
    var isLong = false
}

struct Lexer {
    private let bytes: [UInt8]
    private var position = 0

    /// Longer lines are refused: nobody types them.
    private static let maximum = 64 << 10

    private init(_ text: String) { bytes = Array(text.utf8) }

    static func tokens(_ text: String) throws -> [Token] {
        guard text.utf8.count <= maximum else { throw ExpressionError("the expression is too long", column: 1) }
        var lexer = Lexer(text)
        var tokens: [Token] = []
        while let token = try lexer.next() { tokens.append(token) }
        tokens.append(Token(kind: .end, column: lexer.bytes.count + 1))
        return tokens
    }

    private static let operators = [
        "<<=", ">>=", "...", "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=",
        "%=", "&=", "|=", "^=", "(", ")", "[", "]", "{", "}", ".", ",", "&", "|", "^", "~", "!", "+", "-", "*", "/",
        "%", "<", ">", "?", ":", "=", ";",
    ].map { Array($0.utf8) }

    private mutating func next() throws -> Token? {
        while position < bytes.count, bytes[position] == 0x20 || (9...13).contains(bytes[position]) { position += 1 }
        guard position < bytes.count else { return nil }
        let start = position
        let column = start + 1
        let first = bytes[start]
        if isNameByte(first) {
            while position < bytes.count, isNameByte(bytes[position]) { position += 1 }
            let word = String(decoding: bytes[start..<position], as: UTF8.self)
            guard isDigit(first) else { return Token(kind: .name(word), column: column) }
            return Token(kind: .number(try Self.number(word, column: column)), column: column)
        }
        if first == UInt8(ascii: "'") { return Token(kind: .character(try character(column)), column: column) }
        for text in Self.operators where bytes[start...].starts(with: text) {
            position += text.count
            return Token(kind: .punctuator(String(decoding: text, as: UTF8.self)), column: column)
        }
        let shown = first > 0x20 && first < 0x7f ? "\"\(Character(Unicode.Scalar(first)))\"" : "this character"
        throw ExpressionError("\(shown) means nothing here", column: column)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private func isNameByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$")
    }

    /// An address as a kernel prints it: 9 to 16 hexadecimal digits without `0x`. Only words that mean nothing else.
    static func bareHex(_ word: String) -> UInt64? {
        guard (9...16).contains(word.utf8.count) else { return nil }
        // Signs are not digits.
        guard word.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        return UInt64(word, radix: 16)
    }

    /// A constant with its suffix. A word of more than 8 digits that is no decimal or octal number, and one of 16
    /// digits that begins with a zero, is an address without its `0x`.
    static func number(_ word: String, column: Int) throws -> IntegerLiteral {
        let lower = word.lowercased()
        let isAllDecimal = lower.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        if !isAllDecimal || (lower.utf8.count == 16 && lower.hasPrefix("0")), let address = bareHex(lower) {
            return IntegerLiteral(value: address, isDecimal: false, isUnsigned: true, isLong: true)
        }
        var digits = Substring(lower)
        var isUnsigned = false
        var longs = 0
        while let last = digits.last, last == "u" || last == "l" {
            if last == "u" {
                guard !isUnsigned else { break }
                isUnsigned = true
            } else {
                guard longs < 2 else { break }
                longs += 1
            }
            digits.removeLast()
        }
        var radix = 10
        if digits.hasPrefix("0x") {
            radix = 16
            digits.removeFirst(2)
        } else if digits.hasPrefix("0b") {
            radix = 2
            digits.removeFirst(2)
        } else if digits.count > 1, digits.hasPrefix("0") {
            radix = 8
            digits.removeFirst()
        }
        guard !digits.isEmpty, let value = UInt64(digits, radix: radix) else {
            let isNumber = !digits.isEmpty && digits.allSatisfy { $0.hexDigitValue.map { $0 < radix } ?? false }
            throw ExpressionError(
                isNumber ? "\(word) has more than 64 bits" : "\(word) is not a number", column: column)
        }
        return IntegerLiteral(value: value, isDecimal: radix == 10, isUnsigned: isUnsigned, isLong: longs > 0)
    }

    private mutating func character(_ column: Int) throws -> Int64 {
        position += 1
        let unfinished = ExpressionError("a character constant is one character between ' and '", column: column)
        guard position < bytes.count, bytes[position] != UInt8(ascii: "'") else { throw unfinished }
        var value = bytes[position]
        position += 1
        if value == UInt8(ascii: "\\") {
            guard position < bytes.count else { throw unfinished }
            value = try escape(unfinished)
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "'") else { throw unfinished }
        position += 1
        // `char` is signed on x86; so are the constants made of it.
        return Int64(Int8(bitPattern: value))
    }

    private mutating func escape(_ unfinished: ExpressionError) throws -> UInt8 {
        let letter = bytes[position]
        position += 1
        let simple: [(String, UInt8)] = [
            ("n", 10), ("t", 9), ("r", 13), ("a", 7), ("b", 8), ("f", 12), ("v", 11), ("e", 27), ("\\", 92), ("'", 39),
            ("\"", 34), ("?", 63),
        ]
        if let known = simple.first(where: { $0.0.utf8.first == letter }) { return known.1 }
        let isHex = letter == UInt8(ascii: "x")
        if !isHex { position -= 1 }
        var digits = ""
        while position < bytes.count, digits.utf8.count < 3, bytes[position] != UInt8(ascii: "'") {
            digits.unicodeScalars.append(Unicode.Scalar(bytes[position]))
            position += 1
        }
        guard !digits.hasPrefix("+"), let value = UInt8(digits, radix: isHex ? 16 : 8) else { throw unfinished }
        return value
    }
}

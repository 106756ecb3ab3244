// Takes an mdb line apart. What a character means depends on the state, which the tokens themselves change.

internal import Pipeline

/// A token with its meaning.
enum Token: Sendable, Equatable {
    case dcmd(String)
    /// `$c` and `:c`; `$` alone is `$?`.
    case verb(String)
    case assign(String, size: Int?)
    case modify(FormatVerb, UInt8)
    case format(FormatVerb)
    case number(UInt64)
    case digits(String)
    case symbol(String)
    case variable(String)
    /// An operator, a parenthesis, a comma.
    case punctuator(String)
    /// `*/l/`, `%/s/`: the bytes to read.
    case sized(isObject: Bool, Int)
    case string(String)
    /// A word of a command's arguments.
    case word(String)
    /// A letter of a format; `count` is decimal.
    case letter(UInt8)
    case count(UInt64)
    case expressionOpen
    case expressionClose
    case shell(String)
    case pipe
    case end
}

struct Lexer {
    private enum State: Equatable {
        case initial
        case format
        case arguments
        case expression
    }

    private let bytes: [UInt8]
    private(set) var position = 0
    private var state = State.initial
    /// The states that `$[` left.
    private var outer: [State] = []

    /// Nobody types more than this in a line, and no file of commands has such a line.
    static let longest = 1 << 20
    /// More than any number has.
    private static let longestNumber = 128

    init(_ line: String) throws {
        bytes = Array(line.utf8)
        guard bytes.count <= Self.longest else {
            throw UsageError("the line has \(bytes.count) bytes, more than the \(Self.longest) that are read")
        }
    }

    var isAtEnd: Bool { position >= bytes.count }

    private func byte(_ ahead: Int = 0) -> UInt8? {
        let index = position + ahead
        return index < bytes.count ? bytes[index] : nil
    }

    private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// "syntax error near ...", as mdb words it, with the column.
    func failure(_ what: String, at column: Int) -> UsageError {
        let near = what.isEmpty ? "the end of the line" : "\"\(Escaping.text(what))\""
        return UsageError("syntax error near \(near) (column \(column + 1))")
    }

    /// The next token; `.end` for a newline, a semicolon and the end of the text.
    mutating func next() throws -> Token {
        while let blank = byte(), blank == 0x20 || blank == 9 || blank == 13 { position += 1 }
        guard let first = byte() else { return finish() }
        if first == UInt8(ascii: ";") || first == 0x0a {
            position += 1
            return finish()
        }
        if state != .expression, first == UInt8(ascii: "/"), byte(1) == UInt8(ascii: "/") {
            while let next = byte(), next != 0x0a { position += 1 }
            return finish()
        }
        if first == UInt8(ascii: "\""), state != .arguments {
            return .string(String(decoding: try quoted(first), as: UTF8.self))
        }
        switch state {
        case .initial: return try initial(first)
        case .expression: return try operand(first)
        case .format: return try format(first)
        case .arguments: return try argument(first)
        }
    }

    private mutating func finish() -> Token {
        state = .initial
        outer = []
        return .end
    }

    // MARK: commands

    private mutating func initial(_ first: UInt8) throws -> Token {
        let start = position
        switch first {
        case UInt8(ascii: ":"):
            if byte(1) == UInt8(ascii: ":") {
                position += 2
                let name = take(while: Self.isNamePart)
                guard let head = name.utf8.first, !Self.isDigit(head) else { throw failure("::", at: start) }
                state = .arguments
                return .dcmd(name)
            }
            guard let letter = byte(1), Self.isVerb(letter) else { throw failure(":", at: start) }
            position += 2
            state = .arguments
            return .verb(text(start..<position))
        case UInt8(ascii: "$"):
            state = .arguments
            if byte(1) == UInt8(ascii: "[") { throw failure("$[", at: start) }
            if byte(1) == UInt8(ascii: "<") {
                position += byte(2) == UInt8(ascii: "<") ? 3 : 2
            } else if let letter = byte(1), letter == UInt8(ascii: ">") || Self.isVerb(letter) {
                position += 2
            } else {
                position += 1
                return .verb("$?")
            }
            return .verb(text(start..<position))
        case UInt8(ascii: "!"):
            if byte(1) == UInt8(ascii: "=") { return try operand(first) }
            return shell()
        case UInt8(ascii: ">"):
            if byte(1) == UInt8(ascii: ">") { return try operand(first) }
            return try assignment()
        case UInt8(ascii: "="):
            if byte(1) == UInt8(ascii: "=") { return try operand(first) }
            position += 1
            state = .format
            return .format(.value)
        case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: "?"):
            guard let verb = FormatVerb(rawValue: first) else { throw failure(text(start..<start + 1), at: start) }
            var ahead = 1
            while byte(ahead) == 0x20 || byte(ahead) == 9 { ahead += 1 }
            if let letter = byte(ahead), "vwzWZlLM".utf8.contains(letter) {
                position += ahead + 1
                state = .arguments
                return .modify(verb, letter)
            }
            position += 1
            state = .format
            return .format(verb)
        case UInt8(ascii: "@"):
            position += 1
            state = .format
            return .format(.physical)
        default: return try operand(first)
        }
    }

    /// `>x`, `>/l/x`.
    private mutating func assignment() throws -> Token {
        let start = position
        position += 1
        var size: Int?
        if byte() == UInt8(ascii: "/") {
            guard let letter = byte(1), let bytes = Self.sizes[letter], byte(2) == UInt8(ascii: "/") else {
                throw failure(">/", at: start)
            }
            size = bytes
            position += 3
        }
        let name = take { Self.isNamePart($0) && $0 != UInt8(ascii: "`") }
        guard !name.isEmpty else { throw failure(">", at: start) }
        return .assign(name, size: size)
    }

    /// What follows `!` up to a semicolon or the end.
    private mutating func shell() -> Token {
        position += 1
        let start = position
        while let next = byte(), next != UInt8(ascii: ";"), next != 0x0a { position += 1 }
        return .shell(text(start..<position))
    }

    // MARK: expressions

    private mutating func operand(_ first: UInt8) throws -> Token {
        let start = position
        if Self.isDigit(first) { return try number() }
        if first == UInt8(ascii: "'") { return .number(try character()) }
        if Self.isNamePart(first) {
            let name = take(while: Self.isNamePart)
            return name == "." ? .punctuator(".") : .symbol(name)
        }
        if first == UInt8(ascii: "<"), byte(1) != UInt8(ascii: "<") {
            position += 1
            if let digit = byte(), Self.isDigit(digit) {
                position += 1
                return .variable(text(start + 1..<position))
            }
            let name = take { Self.isNamePart($0) && $0 != UInt8(ascii: "`") && $0 != UInt8(ascii: ".") }
            guard !name.isEmpty else { throw failure("<", at: start) }
            return .variable(name)
        }
        if first == UInt8(ascii: "*") || first == UInt8(ascii: "%"), byte(1) == UInt8(ascii: "/"),
            let letter = byte(2), let size = Self.sizes[letter], byte(3) == UInt8(ascii: "/")
        {
            position += 4
            return .sized(isObject: first == UInt8(ascii: "%"), size)
        }
        for long in ["<<", ">>", "==", "!=", "%%"] where Array(long.utf8) == [first, byte(1) ?? 0] {
            position += 2
            return .punctuator(long)
        }
        if first == UInt8(ascii: "]"), state == .expression {
            position += 1
            state = outer.popLast() ?? .initial
            return .expressionClose
        }
        if "|^&-+*%#~(),".utf8.contains(first) {
            position += 1
            return .punctuator(text(start..<position))
        }
        var end = start + 1
        while end < bytes.count, bytes[end] & 0xc0 == 0x80 { end += 1 }
        throw failure(text(start..<end), at: start)
    }

    private mutating func number() throws -> Token {
        let start = position
        if byte() == UInt8(ascii: "0"), let letter = byte(1), let radix = Self.radixes[letter | 0x20],
            let digit = byte(2), Self.value(digit).map({ $0 < radix }) == true
        {
            position += 2
            let digits = take { Self.value($0).map { $0 < radix } == true || $0 == UInt8(ascii: "_") }
            if radix == 10, byte() == UInt8(ascii: "."), let next = byte(1), Self.isDigit(next) {
                return .number(try double(from: start + 2))
            }
            guard digits.utf8.count <= Self.longestNumber, let value = Self.number(digits, radix: radix) else {
                throw UsageError("\(text(start..<position)) is more than 64 bits hold (column \(start + 1))")
            }
            return .number(value)
        }
        let digits = take { Self.value($0) != nil || $0 == UInt8(ascii: "_") }
        guard digits.utf8.count <= Self.longestNumber else { throw failure(String(digits.prefix(24)), at: start) }
        return .digits(digits)
    }

    /// The bits of a double: `0t1.5`, `0t1.5e3`.
    private mutating func double(from start: Int) throws -> UInt64 {
        position += 1
        _ = take(while: Self.isDigit)
        if let e = byte(), e | 0x20 == UInt8(ascii: "e") {
            let sign = byte(1) == UInt8(ascii: "-") || byte(1) == UInt8(ascii: "+") ? 2 : 1
            if let digit = byte(sign), Self.isDigit(digit) {
                position += sign
                _ = take(while: Self.isDigit)
            }
        }
        let written = text(start..<position)
        guard written.utf8.count <= Self.longestNumber, !written.contains("_"), let value = Double(written) else {
            throw failure(written, at: start)
        }
        return value.bitPattern
    }

    /// `'ab'` is 0x6162: the first character is the most significant.
    private mutating func character() throws -> UInt64 {
        let start = position
        let characters = try quoted(UInt8(ascii: "'"))
        guard (1...8).contains(characters.count) else {
            throw UsageError("a character constant has 1 to 8 bytes (column \(start + 1))")
        }
        return characters.reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: formats and arguments

    private mutating func format(_ first: UInt8) throws -> Token {
        let start = position
        switch first {
        case UInt8(ascii: "|"):
            position += 1
            state = .initial
            return .pipe
        case UInt8(ascii: "!"): return shell()
        case UInt8(ascii: "$"):
            guard byte(1) == UInt8(ascii: "[") else { throw failure("$", at: start) }
            return openExpression()
        case _ where Self.isDigit(first):
            let digits = take(while: Self.isDigit)
            guard let value = Self.number(digits, radix: 10) else {
                throw failure(String(digits.prefix(24)), at: start)
            }
            return .count(value)
        default:
            position += 1
            guard first > 0x20, first < 0x7f else { throw failure(text(start..<position), at: start) }
            return .letter(first)
        }
    }

    private mutating func argument(_ first: UInt8) throws -> Token {
        switch first {
        case UInt8(ascii: "|"):
            position += 1
            state = .initial
            return .pipe
        case UInt8(ascii: "!"): return shell()
        case UInt8(ascii: "$") where byte(1) == UInt8(ascii: "["): return openExpression()
        default: return .word(String(decoding: try word(), as: UTF8.self))
        }
    }

    private mutating func openExpression() -> Token {
        position += 2
        outer.append(state)
        state = .expression
        return .expressionOpen
    }

    /// Up to a blank or a character that means something; quotes keep what is between them and are dropped.
    private mutating func word() throws -> [UInt8] {
        let start = position
        var word: [UInt8] = []
        while let next = byte() {
            switch next {
            case 0x20, 9, 0x0a, 13, UInt8(ascii: ";"), UInt8(ascii: "!"), UInt8(ascii: "|"): return word
            case UInt8(ascii: "\""): word += try quoted(next)
            case UInt8(ascii: "'"):
                position += 1
                let inside = position
                while let character = byte(), character != next { position += 1 }
                guard byte() == next else { throw failure("'", at: start) }
                word += bytes[inside..<position]
                position += 1
            case UInt8(ascii: "$"):
                if byte(1) == UInt8(ascii: "["), !word.isEmpty { return word }
                throw failure("$", at: position)
            default:
                word.append(next)
                position += 1
            }
        }
        return word
    }

    /// The bytes between two `quote`s, with C's escapes.
    private mutating func quoted(_ quote: UInt8) throws -> [UInt8] {
        let start = position
        position += 1
        var result: [UInt8] = []
        while let next = byte() {
            position += 1
            if next == quote { return result }
            if next == 0x0a { break }
            guard next == UInt8(ascii: "\\"), let escaped = byte() else {
                result.append(next)
                continue
            }
            position += 1
            result.append(escape(escaped))
        }
        throw failure(String(UnicodeScalar(quote)), at: start)
    }

    private mutating func escape(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "a"): return 7
        case UInt8(ascii: "b"): return 8
        case UInt8(ascii: "f"): return 12
        case UInt8(ascii: "v"): return 11
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value = letter - UInt8(ascii: "0")
            for _ in 0..<2 {
                guard let digit = byte(), let number = Self.value(digit), number < 8 else { break }
                value = value &* 8 &+ UInt8(truncatingIfNeeded: number)
                position += 1
            }
            return value
        case UInt8(ascii: "x"):
            var value: UInt8 = 0
            var count = 0
            while count < 2, let digit = byte(), let number = Self.value(digit) {
                value = value << 4 | UInt8(truncatingIfNeeded: number)
                position += 1
                count += 1
            }
            return value
        default: return letter
        }
    }
}

extension Lexer {
    private mutating func take(while belongs: (UInt8) -> Bool) -> String {
        let start = position
        while let next = byte(), belongs(next) { position += 1 }
        return text(start..<position)
    }

    /// `[csil1248]` between slashes.
    private static let sizes: [UInt8: Int] = [
        UInt8(ascii: "c"): 1, UInt8(ascii: "s"): 2, UInt8(ascii: "i"): 4, UInt8(ascii: "l"): 8, UInt8(ascii: "1"): 1,
        UInt8(ascii: "2"): 2, UInt8(ascii: "4"): 4, UInt8(ascii: "8"): 8,
    ]
    private static let radixes: [UInt8: UInt64] = [
        UInt8(ascii: "i"): 2, UInt8(ascii: "o"): 8, UInt8(ascii: "t"): 10, UInt8(ascii: "x"): 16,
    ]

    static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    static func isNamePart(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "`")
    }

    /// The letters that make a command with `$` or `:` before them.
    private static func isVerb(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || "?%@^_`".utf8.contains(byte)
    }

    /// What a digit up to `f` is worth.
    static func value(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x41...0x46: UInt64(byte - 0x41 + 10)
        case 0x61...0x66: UInt64(byte - 0x61 + 10)
        default: nil
        }
    }

    /// The number that these digits (with `_` between them) make; nil when there is none, one is wrong, or 64 bits do
    /// not hold it.
    static func number(_ digits: String, radix: UInt64) -> UInt64? {
        var result: UInt64 = 0
        var any = false
        for byte in digits.utf8 where byte != UInt8(ascii: "_") {
            guard let digit = value(byte), digit < radix else { return nil }
            let (product, over) = result.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard !over, !carry else { return nil }
            result = sum
            any = true
        }
        return any ? result : nil
    }
}

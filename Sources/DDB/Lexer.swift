// ddb's words: numbers in the current radix, identifiers, operators.

internal import Pipeline

/// One word of a line.
enum Token: Equatable {
    case number(Int64)
    case identifier(String)
    /// Any operator: "+", "..", "<<".
    case mark(String)
    case end
}

/// A word with where it stood, counted in UTF-8.
struct PlacedToken: Equatable {
    let token: Token
    let range: Range<Int>
}

/// ddb's lexer (sys/ddb/db_lex.c of FreeBSD 13.2). A number begins with a digit and is in the radix of the session
/// unless `0x`, `0t` or `0o` says otherwise; below sixteen every decimal digit counts, whatever the radix. What begins
/// with a letter is a name, also `ffff8880`: names may hold colons and points, and `\` takes any character.
enum Lexer {
    /// The words of a line, `end` last. Throws `UsageError` with the column of what cannot be read.
    /// Words stand `column` further in the line that the user typed.
    static func tokens(_ line: [UInt8], radix: Int64, column: Int = 0) throws -> [PlacedToken] {
        var scanner = Scanner(bytes: line, radix: radix, column: column)
        var tokens: [PlacedToken] = []
        while true {
            let placed = try scanner.next()
            tokens.append(placed)
            if placed.token == .end { return tokens }
        }
    }

    /// Longest first, so that the first that fits is the right one.
    fileprivate static let marks: [[UInt8]] = [
        "..", "==", "!=", "::", "&&", "||", "<<", "<=", ">>", ">=", "+", "-", ".", "*", "/", "=", "%", "#", "(", ")",
        ",", "\"", "$", "!", ":", ";", "&", "|", "<", ">", "?", "~",
    ].map { Array($0.utf8) }
}

private struct Scanner {
    let bytes: [UInt8]
    let radix: Int64
    let column: Int
    private var position = 0

    init(bytes: [UInt8], radix: Int64, column: Int) {
        self.bytes = bytes
        self.radix = radix
        self.column = column
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func next() throws -> PlacedToken {
        // What is not printable ASCII separates words.
        while let byte = current, byte <= 0x20 || byte > 0x7e { position += 1 }
        let start = position
        guard let byte = current else { return PlacedToken(token: .end, range: (start + column)..<(start + column)) }
        let token: Token
        if isDigit(byte) {
            token = try number()
        } else if isLetter(byte) || byte == UInt8(ascii: "\\") {
            token = try identifier()
        } else {
            guard let mark = Lexer.marks.first(where: { bytes[position...].starts(with: $0) }) else {
                throw UsageError("ddb knows no character \(Escaping.text([byte])) (column \(start + column + 1))")
            }
            position += mark.count
            token = .mark(String(decoding: mark, as: UTF8.self))
        }
        return PlacedToken(token: token, range: (start + column)..<(position + column))
    }

    private mutating func number() throws -> Token {
        let start = position
        var radix = radix
        if current == UInt8(ascii: "0"), position + 1 < bytes.count {
            let known: [UInt8: Int64] = [UInt8(ascii: "x"): 16, UInt8(ascii: "t"): 10, UInt8(ascii: "o"): 8]
            if let chosen = known[bytes[position + 1] | 0x20] {
                radix = chosen
                position += 2
            }
        }
        var value: Int64 = 0
        while let byte = current, let digit = digit(byte, radix) {
            value = value &* radix &+ digit
            position += 1
        }
        if let byte = current, isDigit(byte) || isLetter(byte) {
            throw UsageError(
                "\(Escaping.text([byte])) is no digit of the number in column \(start + column + 1); $radix is \(self.radix)"
            )
        }
        return .number(value)
    }

    private func digit(_ byte: UInt8, _ radix: Int64) -> Int64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "7"): return Int64(byte) - 0x30
        case UInt8(ascii: "8"), UInt8(ascii: "9"): return radix == 8 ? nil : Int64(byte) - 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f") where radix == 16: return Int64(byte) - 0x61 + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F") where radix == 16: return Int64(byte) - 0x41 + 10
        default: return nil
        }
    }

    private mutating func identifier() throws -> Token {
        var name: [UInt8] = []
        while let byte = current {
            if byte == UInt8(ascii: "\\") {
                guard position + 1 < bytes.count else { throw UsageError("the \\ at the end escapes nothing") }
                name.append(bytes[position + 1])
                position += 2
            } else if isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") {
                name.append(byte)
                position += 1
            } else {
                break
            }
        }
        return .identifier(String(decoding: name, as: UTF8.self))
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_") }
}

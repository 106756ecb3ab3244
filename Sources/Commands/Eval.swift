// eval: arithmetic, shown in four bases.

internal import Bytes
package import Pipeline

package struct Eval: Stage {
    package static let manual = Manual(
        name: "eval", synopsis: "[-b] [-l] EXPRESSION",
        summary: "arithmetic, in hexadecimal, decimal, octal and binary",
        text: """
            Numbers are decimal; those with 0x or with a digit from a to f are hexadecimal. k, m and g behind a number \
            multiply it by 1024, 1024 squared and cubed. There are + - * / % & | ^ << >> ~ and parentheses, with C's \
            precedence, on 64 bits without a sign.
            """,
        options: [.init("-b", "The numbers of the bits that are set"), .init("-l", "64 bits, which it always is")],
        examples: [
            .init("eval 0x1000 + 4", "a sum"), .init("eval (1 << 32)", "a shift, in parentheses"),
            .init("eval -b 41dc", "which bits are set"),
        ], takesExpression: true)

    private let text: String
    private let showsBits: Bool

    package init(_ arguments: Arguments) throws {
        text = arguments.text
        guard !text.isEmpty else { throw UsageError("eval: an expression is missing; see: help eval") }
        showsBits = arguments.has("-b")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let value = try PlainArithmetic.value(text)
        var units = ""
        for (shift, name) in [(UInt64(30), "GB"), (20, "MB"), (10, "KB")]
        where value != 0 && value & ((1 << shift) - 1) == 0 && units.isEmpty {
            units = "  (\(value >> shift)\(name))"
        }
        let signed = Int64(bitPattern: value)
        let binary = String(value, radix: 2)
        let bits = (0..<64).reversed().filter { value >> UInt64($0) & 1 == 1 }
        var lines = [
            "hexadecimal: \(hex(value))\(units)", "    decimal: \(value)" + (signed < 0 ? "  (\(signed))" : ""),
            "      octal: \(String(value, radix: 8))",
            "     binary: \(String(repeating: "0", count: 64 - binary.utf8.count))\(binary)",
        ]
        if showsBits { lines.append("   bits set: \(bits.map { "\($0)" }.joined(separator: " "))") }
        let fields = [
            Field("value", nil, .unsigned(value)), Field("hexadecimal", nil, .address(value)),
            Field("octal", nil, .text(String(value, radix: 8))), Field("binary", nil, .text(binary)),
            Field("bits", nil, .list(bits.map { .unsigned(UInt64($0)) })),
        ]
        try emit(.record(Record("number", fields, presentation: .block(lines))))
    }
}

/// Arithmetic on numbers alone: no symbol and no type is looked up.
enum PlainArithmetic {
    static func value(_ text: String) throws -> UInt64 {
        var parser = Parser(bytes: Array(text.utf8))
        let value = try parser.chain(0, 0)
        parser.skipBlanks()
        guard parser.isAtEnd else { throw UsageError("eval: what is in column \(parser.position + 1) of \(text)?") }
        return value
    }

    /// A number as crash takes them: decimal, or hexadecimal with 0x or a digit from a to f; k, m, g multiply.
    static func number(_ word: String) -> UInt64? {
        var digits = word[...]
        var factor: UInt64 = 1
        let factors: [Character: UInt64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
        if let last = digits.last, let known = factors[Character(last.lowercased())] {
            factor = known
            digits = digits.dropLast()
        }
        guard !digits.isEmpty else { return nil }
        let value: UInt64?
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            value = UInt64(digits.dropFirst(2), radix: 16)
        } else if digits.allSatisfy({ $0.isASCII && $0.isNumber }) {
            value = UInt64(digits)
        } else if digits.allSatisfy(\.isHexDigit) {
            value = UInt64(digits, radix: 16)
        } else {
            value = nil
        }
        guard let value else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    private struct Parser {
        let bytes: [UInt8]
        private(set) var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { position >= bytes.count }

        private static let ranks: [[String]] = [["|"], ["^"], ["&"], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]]

        mutating func skipBlanks() { while !isAtEnd, bytes[position] <= 0x20 { position += 1 } }

        private mutating func take(_ mark: String) -> Bool {
            skipBlanks()
            guard bytes[position...].starts(with: mark.utf8) else { return false }
            position += mark.utf8.count
            return true
        }

        mutating func chain(_ rank: Int, _ depth: Int) throws -> UInt64 {
            guard rank < Self.ranks.count else { return try operand(depth) }
            var left = try chain(rank + 1, depth)
            while let mark = Self.ranks[rank].first(where: { take($0) }) {
                let right = try chain(rank + 1, depth)
                switch mark {
                case "|": left |= right
                case "^": left ^= right
                case "&": left &= right
                case "<<": left = right < 64 ? left << right : 0
                case ">>": left = right < 64 ? left >> right : 0
                case "+": left &+= right
                case "-": left &-= right
                case "*": left &*= right
                default:
                    guard right != 0 else { throw CommandError("eval: division by 0") }
                    left = mark == "/" ? left / right : left % right
                }
            }
            return left
        }

        private mutating func operand(_ depth: Int) throws -> UInt64 {
            guard depth < 64 else { throw UsageError("eval: the expression nests too deep") }
            if take("~") { return ~(try operand(depth + 1)) }
            if take("-") { return 0 &- (try operand(depth + 1)) }
            if take("(") {
                let inner = try chain(0, depth + 1)
                guard take(")") else { throw UsageError("eval: a ) is missing") }
                return inner
            }
            skipBlanks()
            let start = position
            while !isAtEnd,
                Character(Unicode.Scalar(bytes[position])).isLetter || (0x30...0x39).contains(bytes[position])
            {
                position += 1
            }
            let word = String(decoding: bytes[start..<position], as: UTF8.self)
            guard let value = PlainArithmetic.number(word) else {
                throw UsageError("eval: a number is missing in column \(start + 1)")
            }
            return value
        }
    }
}

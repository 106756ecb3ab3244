// The letters of `/`, `\`, `?`, `@` and `=`: how many bytes each reads, and what it makes of them.

internal import Bytes

/// A letter of a format.
struct FormatLetter: Sendable {
    enum Action: Sendable {
        /// Reads `size` bytes as a little-endian number and shows it.
        case number(size: Int, width: Int, @Sendable (UInt64, Names) -> String)
        /// A character: as it is, or as in a C constant. No column of its own.
        case character(escaped: Bool)
        /// Text up to a NUL.
        case string(escaped: Bool)
        /// A machine instruction, with or without its address and bytes.
        case instruction(verbose: Bool)
        /// Bars under the bits that are set.
        case bits
        /// Dot as a symbol with a colon.
        case place
        case newline, blank, tab
        /// Moves dot by the count, or by the increment times the count.
        case forward, backward, back
        /// Only as the first letter after `/`.
        case match(size: Int)
        case write
    }
    let letter: Character
    let action: Action
    let meaning: String
    /// As `::formats` tells it.
    let bytes: String

    private init(_ letter: Character, _ bytes: String, _ meaning: String, _ action: Action) {
        self.letter = letter
        self.bytes = bytes
        self.meaning = meaning
        self.action = action
    }

    /// A number of `size` bytes. Columns are as wide as mdb has them: 8 for 1 and 2 bytes, 16 for 4, 24 for 8.
    private static func number(
        _ letter: Character, _ size: Int, _ meaning: String, width: Int? = nil,
        _ show: @escaping @Sendable (UInt64) -> String
    ) -> FormatLetter {
        let usual = size <= 2 ? 8 : size == 4 ? 16 : 24
        return FormatLetter(
            letter, "\(size)", meaning, .number(size: size, width: width ?? usual) { value, _ in show(value) })
    }

    private static func signed(_ letter: Character, _ size: Int, _ meaning: String) -> FormatLetter {
        number(letter, size, meaning) { "\(Spelling.signed($0, size: size))" }
    }

    /// In the radix that `$d` says.
    private static func radix(_ letter: Character, _ size: Int, _ meaning: String) -> FormatLetter {
        let width = size <= 2 ? 8 : size == 4 ? 16 : 24
        return FormatLetter(
            letter, "\(size)", meaning,
            .number(size: size, width: width) { Spelling.radix($0, $1.state.radix) })
    }

    private static func seconds(_ letter: Character, _ size: Int, _ meaning: String) -> FormatLetter {
        number(letter, size, meaning, width: 24) { value in
            let seconds = size == 4 ? Int64(value) : Int64(bitPattern: value)
            return Spelling.time(seconds) ?? "\(seconds)"
        }
    }

    private static func symbolic(_ letter: Character) -> FormatLetter {
        FormatLetter(letter, "8", "symbol and offset", .number(size: 8, width: 16) { $1.label($0) })
    }

    /// Every letter, in ASCII's order.
    static let all: [FormatLetter] = [
        .init("+", "-", "dot += count", .forward),
        .init("-", "-", "dot -= count", .backward),
        number("B", 1, "hexadecimal") { hex($0) },
        .init("C", "1", "character, with C escapes", .character(escaped: true)),
        signed("D", 4, "signed decimal"),
        number("E", 8, "unsigned decimal") { "\($0)" },
        number("F", 8, "double") { Spelling.scientific(Double(bitPattern: $0), digits: 16) },
        number("G", 8, "unsigned octal") { Spelling.octal($0) },
        number("H", 4, "hexadecimal, bytes and shorts swapped") {
            hex(UInt64(UInt32(truncatingIfNeeded: $0).byteSwapped))
        },
        .init("I", "var", "instruction with its address and bytes", .instruction(verbose: true)),
        number("J", 8, "hexadecimal") { hex($0) },
        number("K", 8, "pointer, hexadecimal") { hex($0) },
        .init("L", "4", "match 4 bytes", .match(size: 4)),
        .init("M", "8", "match 8 bytes", .match(size: 8)),
        .init("N", "0", "newline", .newline),
        number("O", 4, "unsigned octal") { Spelling.octal($0) },
        symbolic("P"),
        number("Q", 4, "signed octal") { Spelling.octal(signed: Spelling.signed($0, size: 4)) },
        number("R", 8, "binary", width: 72) { String($0, radix: 2) },
        .init("S", "var", "string, with C escapes", .string(escaped: true)),
        .init("T", "0", "tab to the next multiple of count", .tab),
        number("U", 4, "unsigned decimal") { "\($0)" },
        number("V", 1, "unsigned decimal") { "\($0)" },
        radix("W", 4, "default radix; after / writes 4 bytes"),
        number("X", 4, "hexadecimal") { hex($0) },
        seconds("Y", 4, "time of 4 bytes"),
        number("Z", 8, "hexadecimal; after / writes 8 bytes") { hex($0) },
        .init("^", "-", "dot -= increment * count", .back),
        .init("a", "0", "dot as symbol and offset", .place),
        number("b", 1, "unsigned octal") { Spelling.octal($0) },
        .init("c", "1", "character, as it is", .character(escaped: false)),
        signed("d", 2, "signed decimal"),
        signed("e", 8, "signed decimal"),
        number("f", 4, "float") {
            Spelling.scientific(Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0))), digits: 7)
        },
        number("g", 8, "signed octal") { Spelling.octal(signed: Int64(bitPattern: $0)) },
        number("h", 2, "hexadecimal, bytes swapped") { hex(UInt64(UInt16(truncatingIfNeeded: $0).byteSwapped)) },
        .init("i", "var", "instruction", .instruction(verbose: false)),
        .init("j", "8", "bits, each with its number and mask", .bits),
        .init("l", "2", "match 2 bytes", .match(size: 2)),
        .init("n", "0", "newline", .newline),
        number("o", 2, "unsigned octal") { Spelling.octal($0) },
        symbolic("p"),
        number("q", 2, "signed octal") { Spelling.octal(signed: Spelling.signed($0, size: 2)) },
        .init("r", "0", "blank", .blank),
        .init("s", "var", "string, as it is", .string(escaped: false)),
        .init("t", "0", "tab to the next multiple of count", .tab),
        number("u", 2, "unsigned decimal") { "\($0)" },
        signed("v", 1, "signed decimal; after / writes 1 byte"),
        radix("w", 2, "default radix; after / writes 2 bytes"),
        number("x", 2, "hexadecimal") { hex($0) },
        seconds("y", 8, "time of 8 bytes"),
        .init("z", "var", "writes as many bytes as the symbol's type has", .write),
    ]

    private static let byLetter: [UInt8: FormatLetter] = Dictionary(
        uniqueKeysWithValues: all.compactMap { row in row.letter.asciiValue.map { ($0, row) } })

    static func letter(_ byte: UInt8) -> FormatLetter? { byLetter[byte] }
}

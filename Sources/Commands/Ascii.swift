// ascii: the characters of hexadecimal numbers.

internal import Bytes
package import Pipeline

package struct Ascii: Stage {
    package static let manual = Manual(
        name: "ascii", synopsis: "[VALUE]...", summary: "the characters of numbers, or the table of all characters",
        text: "VALUE is hexadecimal; its characters are shown in the order in which they lie in memory.",
        examples: [
            .init("ascii 62696c2f7273752f", "a word that looks like text"), .init("ascii", "the table"),
        ])
    private let words: [String]

    package init(_ arguments: Arguments) throws { words = arguments.operands }

    private static let controls = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
        "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US", "SP",
    ]

    package func finish(_ context: Context, _ emit: Emit) throws {
        for word in words {
            let digits = word.hasPrefix("0x") ? word.dropFirst(2) : word[...]
            guard digits.utf8.count <= 16, let value = UInt64(digits, radix: 16) else {
                throw UsageError("ascii: \(Escaping.text(word)) is no hexadecimal number of 64 bits")
            }
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
            let count = max((digits.utf8.count + 1) / 2, 1)
            let text = bytes.prefix(count).map(Self.name).joined()
            let fields = [Field("value", nil, .address(value)), Field("text", nil, .text(text))]
            try emit(.record(Record("characters", fields, presentation: .block(["\(hex(value)): \(text)"]))))
        }
        guard words.isEmpty else { return }
        var lines = ["      0    1   2   3   4   5   6   7", "    +-------------------------------"]
        for low in UInt8(0)..<16 {
            let row = (UInt8(0)..<8).map { high -> String in
                let name = high * 16 + low == 0x7f ? "DEL" : Self.cell(high * 16 + low)
                return String(repeating: " ", count: max(3 - name.utf8.count, 0)) + name
            }
            lines.append("  \(hex(UInt64(low)).uppercased()) | \(row.joined(separator: " "))")
        }
        try emit(.record(Record("table", [], presentation: .block(lines))))
    }

    private static func cell(_ byte: UInt8) -> String {
        Int(byte) < controls.count ? controls[Int(byte)] : String(Unicode.Scalar(byte))
    }

    private static func name(_ byte: UInt8) -> String {
        switch byte {
        case 0x20...0x7e: String(Unicode.Scalar(byte))
        case 0x7f: "<DEL>"
        case 0..<0x20: "<\(controls[Int(byte)])>"
        default: "<\(hex(UInt64(byte), width: 2))>"
        }
    }
}

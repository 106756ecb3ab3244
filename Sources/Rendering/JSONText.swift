// JSON (RFC 8259) as text: strings and numbers, nothing of what they mean.

package enum JSONText {
    /// A string with its quotes. Control characters, DEL and the C1 ones are escaped, so that a line of output is safe on
    /// a terminal too; so are U+2028 and U+2029, which end a line in JavaScript.
    package static func string(_ text: String) -> String {
        // Nearly every string is plain: those are taken as they are.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }) { return "\"\(text)\"" }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: result += "\\\""
            case 0x5c: result += "\\\\"
            case 0x0a: result += "\\n"
            case 0x0d: result += "\\r"
            case 0x09: result += "\\t"
            case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029: result += "\\u" + digits(scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// A number, or a string where a reader that keeps numbers as doubles would change it: beyond 2^53.
    package static func integer(_ value: UInt64) -> String { value > 1 << 53 ? "\"\(value)\"" : "\(value)" }

    package static func integer(_ value: Int64) -> String { value.magnitude > 1 << 53 ? "\"\(value)\"" : "\(value)" }

    private static func digits(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(4 - digits.utf8.count, 0)) + digits
    }
}

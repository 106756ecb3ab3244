// Numbers, characters and times as mdb spells them.

internal import Bytes

enum Spelling {
    /// Octal with a `0` before it. A negative number has its sign behind that: mdb's own slip, kept for its readers.
    static func octal(_ value: UInt64) -> String { value == 0 ? "0" : "0" + String(value, radix: 8) }
    static func octal(signed value: Int64) -> String { value == 0 ? "0" : "0" + String(value, radix: 8) }

    /// The low `size` bytes with their sign.
    static func signed(_ value: UInt64, size: Int) -> Int64 {
        let shift = Int64(64 - max(1, min(size, 8)) * 8)
        return (Int64(bitPattern: value) << shift) >> shift
    }

    static func masked(_ value: UInt64, size: Int) -> UInt64 {
        size >= 8 ? value : value & (1 << UInt64(size * 8) &- 1)
    }

    static func radix(_ value: UInt64, _ radix: UInt64) -> String {
        String(value, radix: Int(clamping: min(max(radix, 2), 16)))
    }

    /// `0x1f`; 0 is `0`.
    static func prefixed(_ value: UInt64) -> String { value == 0 ? "0" : "0x" + hex(value) }

    /// A byte as it stands in a C constant: `a`, `\n`, `\0`, `\377`.
    static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case 0: return "\\0"
        case 7: return "\\a"
        case 8: return "\\b"
        case 9: return "\\t"
        case 10: return "\\n"
        case 11: return "\\v"
        case 12: return "\\f"
        case 13: return "\\r"
        case UInt8(ascii: "\\"): return "\\\\"
        case 0x20..<0x7f: return String(UnicodeScalar(byte))
        default:
            let digits = String(byte, radix: 8)
            return "\\" + String(repeating: "0", count: max(0, 3 - digits.utf8.count)) + digits
        }
    }

    static func escaped(_ bytes: some Sequence<UInt8>) -> String { bytes.map { escaped($0) }.joined() }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `2013 Jul 10 23:36:02` of seconds since 1970, in universal time. Nil for times that no calendar has.
    static func time(_ seconds: Int64) -> String? {
        guard seconds > -62_167_219_200, seconds < 253_402_300_800 else { return nil }
        let days = seconds >= 0 ? seconds / 86400 : -((-seconds + 86399) / 86400)
        let rest = seconds - days * 86400
        // Days counted from 1 March of the year 0: the leap day is the last of its year.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let day = shifted - era * 146_097
        let yearOfEra = (day - day / 1460 + day / 36524 - day / 146_096) / 365
        let dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * march + 2) / 5 + 1
        let month = march < 10 ? march + 3 : march - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        guard month >= 1, month <= 12 else { return nil }
        return "\(year) \(months[Int(month) - 1]) \(two(dayOfMonth, " ")) \(two(rest / 3600)):\(two(rest / 60 % 60)):"
            + two(rest % 60)
    }

    private static func two(_ number: Int64, _ fill: String = "0") -> String {
        number < 10 ? fill + "\(number)" : "\(number)"
    }

    /// `+1.5000000000000000e+00`: one digit, `digits` more, and the exponent. The digits are the shortest that mean the
    /// number, filled up with zeros.
    static func scientific(_ value: Double, digits: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "+Infinity" }
        // Swift writes "1234.5" or "1.2345e+20".
        let parts = "\(value.magnitude)".split(separator: "e")
        let halves = (parts.first ?? "0").split(separator: ".", omittingEmptySubsequences: false)
        let whole = Array((halves.first ?? "0").utf8)
        let all = whole + Array((halves.count > 1 ? halves[1] : "").utf8)
        let zeros = all.prefix { $0 == UInt8(ascii: "0") }.count
        let significant = all.dropFirst(zeros)
        var power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        power += whole.count - 1 - zeros
        if significant.isEmpty { power = 0 }
        let filled = Array(significant) + [UInt8](repeating: UInt8(ascii: "0"), count: digits + 1)
        let text = String(decoding: filled.prefix(digits + 1), as: UTF8.self)
        let magnitude = power.magnitude < 10 ? "0\(power.magnitude)" : "\(power.magnitude)"
        return (value.sign == .minus ? "-" : "+") + text.prefix(1) + "." + text.dropFirst() + "e"
            + (power < 0 ? "-" : "+") + magnitude
    }
}

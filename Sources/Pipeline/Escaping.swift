// Text from a dump, made harmless: what could move a cursor, hide a line or confuse a reader is spelled out.

package enum Escaping {
    /// `text` with control characters (tabs too) as `\n`, `\t` or `\xNN`, and with characters that are invisible or
    /// reorder text as `\u{...}`. Doing it twice changes nothing; a backslash stays one.
    package static func text(_ text: String, keepingTabs: Bool = false) -> String {
        if text.utf8.allSatisfy({ ($0 >= 0x20 && $0 < 0x7f) || (keepingTabs && $0 == 9) }) { return text }
        var result = ""
        for scalar in text.unicodeScalars { append(scalar, to: &result, keepingTabs: keepingTabs) }
        return result
    }

    /// The same for bytes: what is not valid UTF-8 becomes `\xNN`, byte by byte.
    package static func text(_ bytes: some Sequence<UInt8>, keepingTabs: Bool = false) -> String {
        var result = ""
        var decoder = UTF8Pieces(bytes: Array(bytes))
        while let piece = decoder.next() {
            switch piece {
            case .scalar(let scalar): append(scalar, to: &result, keepingTabs: keepingTabs)
            case .invalid(let byte): result += backslash(UInt32(byte))
            }
        }
        return result
    }

    private static func append(_ scalar: Unicode.Scalar, to result: inout String, keepingTabs: Bool) {
        switch scalar.value {
        case 0x09 where keepingTabs: result.unicodeScalars.append(scalar)
        case 0x09: result += "\\t"
        case 0x0a: result += "\\n"
        case 0x0d: result += "\\r"
        case 0..<0x20, 0x7f..<0xa0: result += backslash(scalar.value)
        default:
            if isDeceptive(scalar) {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }

    /// Formatting characters (bidirectional overrides, zero-width ones), line and paragraph separators, and code
    /// points that mean nothing to anybody.
    private static func isDeceptive(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .control, .surrogate: true
        default: false
        }
    }

    private static func backslash(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "\\x" + (digits.utf8.count < 2 ? "0" + digits : digits)
    }
}

/// Takes bytes apart into scalars and the bytes that belong to none (Unicode 15, table 3-7).
private struct UTF8Pieces {
    enum Piece {
        case scalar(Unicode.Scalar)
        case invalid(UInt8)
    }

    let bytes: [UInt8]
    var position = 0

    mutating func next() -> Piece? {
        guard position < bytes.count else { return nil }
        let first = bytes[position]
        let length =
            switch first {
            case 0..<0x80: 1
            case 0xc2..<0xe0: 2
            case 0xe0..<0xf0: 3
            case 0xf0..<0xf5: 4
            default: 0
            }
        if length > 0, let scalar = scalar(length) {
            position += length
            return .scalar(scalar)
        }
        position += 1
        return .invalid(first)
    }

    private func scalar(_ length: Int) -> Unicode.Scalar? {
        guard length <= bytes.count - position else { return nil }
        var value = UInt32(bytes[position])
        if length > 1 {
            value &= 0x7f >> UInt32(length)
            for index in 1..<length {
                let byte = bytes[position + index]
                guard byte & 0xc0 == 0x80 else { return nil }
                value = value << 6 | UInt32(byte & 0x3f)
            }
        }
        // Overlong forms; surrogates and what lies beyond U+10FFFF are refused by `Unicode.Scalar`.
        let least: [UInt32] = [0, 0, 0x80, 0x800, 0x10000]
        return value < least[length] ? nil : Unicode.Scalar(value)
    }
}

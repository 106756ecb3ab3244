// Addresses and counts as commands take them.

package import Bytes
internal import DebugModel
package import Target

package enum AddressOperand {
    /// Whether the lines of this session are crash's.
    package static func isCrash(_ context: Context) -> Bool { context.session.dialect == "crash" }

    /// The address that a command is about. The name of a symbol stands for its address, as `rd jiffies` reads the
    /// variable; of any other expression it is what a pointer or a number holds, or where a structure, an array or a
    /// function is.
    /// With `inCrash` a number without 0x is hexadecimal, as crash takes addresses.
    package static func address(_ text: String, _ target: Target, inCrash: Bool = false) throws -> VirtualAddress {
        if let plain = plain(text) { return plain }
        if inCrash, text.first?.isNumber == true, text.allSatisfy(\.isHexDigit), let number = UInt64(text, radix: 16) {
            return VirtualAddress(number)
        }
        if let symbol = target.symbols.symbol(named: text) {
            guard !target.isPerCPU(symbol) else {
                throw CommandError("\(text) is a per-CPU variable; say of which CPU: &per_cpu(\(text), 0)")
            }
            return symbol.address
        }
        return try number(text, target)
    }

    /// A number that can be nothing else: with `0x`, or of more than eight hexadecimal digits. Read without asking for
    /// symbols and types, which may take an index over a symbol file.
    private static func plain(_ text: String) -> VirtualAddress? {
        let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
        guard digits.count < text.count || digits.count > 8, digits.allSatisfy(\.isHexDigit) else { return nil }
        return UInt64(digits, radix: 16).map { VirtualAddress($0) }
    }

    /// The digits of an address or of flags, hexadecimal with `0x` or without; nil when it is no such number.
    package static func hexadecimal(_ word: String) -> UInt64? {
        let digits = word.hasPrefix("0x") || word.hasPrefix("0X") ? word.dropFirst(2) : word[...]
        return digits.allSatisfy(\.isHexDigit) ? UInt64(digits, radix: 16) : nil
    }

    /// The value of an expression as 64 bits; structures, arrays and functions are their addresses.
    package static func number(_ text: String, _ target: Target) throws -> VirtualAddress {
        if let plain = plain(text) { return plain }
        let value = try target.evaluate(text)
        if value.isUntyped {
            throw CommandError("the type of \(text) is unknown: say &\(text) for its address, or (TYPE)\(text)")
        }
        switch try value.strippedType {
        case .aggregate, .array, .function, .incomplete: return try value.address
        default: return VirtualAddress(UInt64(bitPattern: try value.signed()))
        }
    }

    /// A plain number, as a count: decimal, or hexadecimal with `0x`.
    package static func count(_ word: String) -> Int? {
        let value = word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : UInt64(word)
        return value.flatMap { Int(exactly: $0) }
    }

    /// The words of an expression and the count behind it: `&init_task 4`. The last of several words is a count when it
    /// is a number and the one before it does not want an operand.
    package static func splitCount(_ words: [String]) -> (text: String, count: Int?) {
        guard words.count > 1, let last = words.last, let count = count(last),
            let before = words[words.count - 2].last, !"+-*/%&|^<>=!~?:,([.".contains(before)
        else { return (words.joined(separator: " "), nil) }
        return (words.dropLast().joined(separator: " "), count)
    }
}

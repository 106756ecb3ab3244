// Shows a value as C: members by name, pointers with their symbols, strings as strings.

internal import Bytes

/// Reads a value with all that is in it, and writes it down.
package struct ValueFormatter: Sendable {
    package let options: FormatOptions

    package init(_ options: FormatOptions = FormatOptions()) { self.options = options }

    /// Everything in the value. Never throws: what cannot be read is a gap in its place.
    package func tree(_ value: Value) -> ValueTree {
        var reader = ValueReader(options: options)
        return reader.read(value, depth: 0)
    }

    /// The value as lines of C; a scalar is one line.
    package func lines(_ value: Value) -> [String] { lines(tree(value)) }

    /// Several lines only for structures and for arrays of them.
    package func text(_ value: Value) -> String { lines(value).joined(separator: "\n") }

    package func lines(_ tree: ValueTree) -> [String] {
        var lines: [String] = []
        write(tree, prefix: "", suffix: "", indent: 0, &lines)
        return lines
    }

    private static func margin(_ indent: Int) -> String { String(repeating: "  ", count: indent) }

    private func write(_ tree: ValueTree, prefix: String, suffix: String, indent: Int, _ lines: inout [String]) {
        let margin = Self.margin(indent)
        switch tree {
        case .record(_, let fields):
            guard !fields.isEmpty else {
                lines.append("\(margin)\(prefix){}\(suffix)")
                return
            }
            lines.append("\(margin)\(prefix){")
            for (index, field) in fields.enumerated() {
                let end = index + 1 < fields.count ? "," : ""
                write(field.value, prefix: field.name + " = ", suffix: end, indent: indent + 1, &lines)
            }
            lines.append("\(margin)}\(suffix)")
        case .list(let runs, let omitted) where !runs.allSatisfy({ Self.isOneLine($0.value) }):
            lines.append("\(margin)\(prefix){")
            for (index, run) in runs.enumerated() {
                let end = index + 1 < runs.count || omitted > 0 ? "," : ""
                write(run.value, prefix: "", suffix: Self.repeats(run) + end, indent: indent + 1, &lines)
            }
            if omitted > 0 { lines.append(Self.margin(indent + 1) + "... \(omitted) more") }
            lines.append("\(margin)}\(suffix)")
        default: lines.append(margin + prefix + oneLine(tree) + suffix)
        }
    }

    private static func isOneLine(_ tree: ValueTree) -> Bool {
        switch tree {
        case .record(_, let fields): fields.isEmpty
        case .list(let runs, _): runs.allSatisfy { isOneLine($0.value) }
        default: true
        }
    }

    private static func repeats(_ run: ValueTree.Run) -> String {
        run.count > 1 ? " <repeats \(run.count) times>" : ""
    }

    /// A value without structures.
    package func oneLine(_ tree: ValueTree) -> String {
        switch tree {
        case .signed(let number, let size):
            options.hexadecimal ? "0x" + hex(Self.bits(number, size)) : "\(number)"
        case .unsigned(let number): options.hexadecimal ? "0x" + hex(number) : "\(number)"
        case .wide(let high, let low): "0x" + (high == 0 ? hex(low) : hex(high) + hex(low, width: 16))
        case .boolean(let flag): flag ? "true" : "false"
        case .character(let number): Self.character(number, options.hexadecimal)
        case .float(let number): "\(number)"
        case .enumeration(let name, let value): name ?? "\(value)"
        case .pointer(let address, let symbol, let text): pointer(address, symbol, text)
        case .string(let bytes): CText.quoted(bytes)
        case .record(_, let fields):
            "{" + fields.map { "\($0.name) = \(oneLine($0.value))" }.joined(separator: ", ") + "}"
        case .list(let runs, let omitted):
            "{"
                + (runs.map { oneLine($0.value) + Self.repeats($0) } + (omitted > 0 ? ["... \(omitted) more"] : []))
                .joined(separator: ", ") + "}"
        case .opaque(let text): text
        case .gap(let reason): "<unreadable: \(reason)>"
        }
    }

    private func pointer(_ address: VirtualAddress, _ symbol: String?, _ text: ValueTree.StringPointee?) -> String {
        var result = "\(address)"
        if let symbol { result += " <\(symbol)>" }
        switch text {
        case .text(let bytes, let isCut): result += " " + CText.quoted(bytes) + (isCut ? "..." : "")
        case .unreadable: result += " <unreadable>"
        case nil: break
        }
        return result
    }

    /// The two's complement of a number in `size` bytes.
    private static func bits(_ number: Int64, _ size: Int) -> UInt64 {
        let all = UInt64(bitPattern: number)
        return size >= 8 || size <= 0 ? all : all & (1 << UInt64(size * 8) - 1)
    }

    private static func character(_ number: Int64, _ hexadecimal: Bool) -> String {
        let digits = hexadecimal && number >= 0 ? "0x" + hex(UInt64(number)) : "\(number)"
        guard (0x20..<0x7f).contains(number) else { return digits }
        let letter = Character(Unicode.Scalar(UInt8(number)))
        return letter == "'" || letter == "\\" ? "\(digits) '\\\(letter)'" : "\(digits) '\(letter)'"
    }
}

/// C's string constants.
package enum CText {
    /// `"text"`, everything but printable ASCII as `\n` or in octal, which unlike `\x` cannot run into what follows.
    package static func quoted(_ bytes: some Sequence<UInt8>) -> String {
        var text = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\\"): text += "\\\\"
            case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
            case 9: text += "\\t"
            case 10: text += "\\n"
            case 13: text += "\\r"
            default:
                let digits = String(byte, radix: 8)
                text += "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
            }
        }
        return text + "\""
    }
}

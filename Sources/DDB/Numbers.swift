// How ddb writes numbers and addresses.

internal import Bytes
internal import DebugModel
internal import Target

/// One line while it is put together: ddb breaks lines by how far they have come.
struct LineBuffer {
    private(set) var text = ""
    /// Columns so far; blanks at the end count.
    var column: Int { text.utf8.count }

    mutating func add(_ piece: String, width: Int = 0) {
        text += piece
        let missing = width - piece.utf8.count
        if missing > 0 { text += String(repeating: " ", count: missing) }
    }

    /// To the next multiple of eight.
    mutating func tab() { text += String(repeating: " ", count: 8 - column % 8) }

    /// The line without the blanks at its end, which ddb never writes.
    mutating func take() -> String {
        defer { text = "" }
        var line = text[...]
        while line.last == " " { line.removeLast() }
        return String(line)
    }
}

struct NumberText {
    let radix: Int64

    /// In the current radix, with the mark of C for hexadecimal and octal.
    func marked(_ value: UInt64) -> String {
        let digits = String(value, radix: Int(clamping: max(min(radix, 36), 2)))
        return value == 0 ? digits : (radix == 16 ? "0x" : radix == 8 ? "0" : "") + digits
    }

    func signed(_ value: Int64) -> String { String(value, radix: Int(clamping: max(min(radix, 36), 2))) }

    /// A number as one letter of a format shows it.
    func text(_ letter: Character, _ raw: UInt64, size: Int) -> String {
        let value = Self.extended(raw, size)
        switch letter {
        case "r": return signed(value)
        case "z": return String(value, radix: 16)
        case "d": return "\(value)"
        case "u": return "\(raw)"
        case "o": return String(raw, radix: 8)
        default: return hex(raw)
        }
    }

    /// The value with the sign of its `size` bytes.
    static func extended(_ raw: UInt64, _ size: Int) -> Int64 {
        guard size > 0, size < 8 else { return Int64(bitPattern: raw) }
        let shift = Int64(64 - size * 8)
        return (Int64(bitPattern: raw) << shift) >> shift
    }

    /// A character, or its octal code.
    static func character(_ byte: UInt8) -> String {
        guard !(0x20...0x7e).contains(byte) else { return String(Unicode.Scalar(byte)) }
        let digits = String(byte, radix: 8)
        return "\\" + String(repeating: "0", count: max(3 - digits.utf8.count, 0)) + digits
    }

    /// `symbol+0x3b`, or the number where no symbol is near (`$maxoff`), as ddb shows addresses. The first page never
    /// has symbols; small negative numbers are numbers.
    func symbol(_ address: UInt64, _ target: Target, maximumOffset: Int64) -> String {
        let value = Int64(bitPattern: address)
        if value < 0, maximumOffset > 0, value >= 0 &- maximumOffset {
            return "-" + marked(UInt64(bitPattern: 0 &- value))
        }
        guard address >= 4096, let symbol = target.symbols.symbol(covering: VirtualAddress(address)),
            symbol.kind != .perCPU
        else { return marked(address) }
        let offset = VirtualAddress(address).distance(from: symbol.address)
        guard maximumOffset > 0, offset < UInt64(maximumOffset) else { return marked(address) }
        return symbol.name + (offset == 0 ? "" : "+" + marked(offset))
    }
}

// The names of x86-64's registers and of their parts, and the numbers behind them.

internal import DebugModel

package enum X86_64Names {
    /// Control registers follow from here, 16 of them, then debug registers: DWARF has no numbers for them.
    static let control: UInt16 = 0x1000
    static let debug: UInt16 = 0x1010
    /// AVX-512's mask registers (psABI figure 3.36).
    static let mask: UInt16 = 118

    private static let legacy = ["ax", "dx", "cx", "bx", "si", "di", "bp", "sp"]
    /// From 50 on in the psABI's numbering.
    private static let segments = ["es", "cs", "ss", "ds", "fs", "gs"]

    /// The part of a register that an assembler's name means (`eax`, `r10d`, `ah`, `xmm3`, `cr0`); nil for names of none.
    package static func part(named name: String) -> RegisterPart? { parts[name] }

    /// How a part of a register is written, without the `%` of AT&T's notation; `?` for what is none.
    package static func name(of part: RegisterPart) -> String { names[part] ?? "?" }

    private static let names: [RegisterPart: String] = {
        var names: [RegisterPart: String] = [:]
        for (name, part) in parts { names[part] = name }
        return names
    }()

    private static let parts: [String: RegisterPart] = {
        var parts: [String: RegisterPart] = [:]
        func add(_ name: String, _ number: UInt16, _ width: UInt8, high: Bool = false) {
            parts[name] = RegisterPart(RegisterNumber(number), width: width, isHighByte: high)
        }
        for (index, name) in legacy.enumerated() {
            let number = UInt16(index)
            add("r" + name, number, 8)
            add("e" + name, number, 4)
            add(name, number, 2)
            // si, di, bp and sp have `sil` ..., and no second byte.
            add(index < 4 ? name.dropLast() + "l" : name + "l", number, 1)
            if index < 4 { add(name.dropLast() + "h", number, 1, high: true) }
        }
        for number in UInt16(8)...15 {
            add("r\(number)", number, 8)
            add("r\(number)d", number, 4)
            add("r\(number)w", number, 2)
            add("r\(number)b", number, 1)
        }
        add("rip", 16, 8)
        add("eip", 16, 4)
        add("eflags", 49, 4)
        add("rflags", 49, 8)
        add("mxcsr", 64, 4)
        for (index, name) in segments.enumerated() { add(name, UInt16(50 + index), 2) }
        for index in UInt16(0)..<32 {
            let number = index < 16 ? 17 + index : 67 + index - 16
            for (name, width) in [("xmm", UInt8(16)), ("ymm", 32), ("zmm", 64)] {
                add(name + "\(index)", number, width)
            }
        }
        for index in UInt16(0)..<8 {
            add("st(\(index))", 33 + index, 10)
            add("mm\(index)", 41 + index, 8)
            add("k\(index)", mask + index, 8)
        }
        for index in UInt16(0)..<16 {
            add("cr\(index)", control + index, 8)
            add("dr\(index)", debug + index, 8)
        }
        return parts
    }()
}

// The parts of an x86-64 instruction's bytes: prefixes, opcode map, opcode, ModRM. What a listing needs beyond the meaning.

/// Source: Intel SDM volume 2, chapter 2 (instruction format).
struct X86_64Encoding {
    enum Map { case one, two, three38, three3A, vex, evex }

    /// Legacy prefixes in order, without REX.
    private(set) var prefixes: [UInt8] = []
    private(set) var rex: UInt8 = 0
    private(set) var map = Map.one
    private(set) var opcode: UInt8 = 0
    /// The ModRM byte and the one behind it, which is the SIB byte where there is one.
    private(set) var modrm: UInt8 = 0
    private(set) var sib: UInt8 = 0

    init(_ bytes: InstructionBytes) {
        var at = 0
        while at < bytes.count, Self.isPrefix(bytes[at]) {
            prefixes.append(bytes[at])
            at += 1
        }
        if bytes[at] & 0xf0 == 0x40 {
            rex = bytes[at]
            at += 1
        }
        switch bytes[at] {
        case 0x0f:
            switch bytes[at + 1] {
            case 0x38: (map, at) = (.three38, at + 2)
            case 0x3a: (map, at) = (.three3A, at + 2)
            default: (map, at) = (.two, at + 1)
            }
        case 0xc5: (map, at) = (.vex, at + 2)
        case 0xc4: (map, at) = (.vex, at + 3)
        case 0x62: (map, at) = (.evex, at + 4)
        default: break
        }
        opcode = bytes[at]
        modrm = bytes[at + 1]
        sib = bytes[at + 2]
    }

    private static func isPrefix(_ byte: UInt8) -> Bool {
        switch byte {
        case 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x66, 0x67: true
        default: false
        }
    }

    /// REX.W: operands of eight bytes.
    var isWide: Bool { rex & 8 != 0 }
    /// Meaningful for instructions with a memory operand in ModRM: a displacement is spelt out, be it zero.
    var hasDisplacement: Bool {
        let mode = modrm >> 6
        if mode == 1 || mode == 2 { return true }
        return mode == 0 && hasIndexByte && sib & 7 == 5
    }
    var hasIndexByte: Bool { modrm >> 6 != 3 && modrm & 7 == 4 }
    var scaleBits: UInt8 { sib >> 6 }
}

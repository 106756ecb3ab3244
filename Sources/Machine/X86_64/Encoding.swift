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
    /// Where the ModRM byte is.
    private(set) var modrmOffset = 0
    private let bytes: InstructionBytes

    init(_ bytes: InstructionBytes) {
        self.bytes = bytes
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
        modrmOffset = at + 1
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
    /// An operand-size prefix with nothing that overrules it: operands of two bytes.
    var isHalved: Bool { prefixes.contains(0x66) && !isWide }
    /// Meaningful for instructions with a memory operand in ModRM: a displacement is spelt out, be it zero.
    var hasDisplacement: Bool {
        let mode = modrm >> 6
        if mode == 1 || mode == 2 { return true }
        return mode == 0 && hasIndexByte && sib & 7 == 5
    }
    var hasIndexByte: Bool { modrm >> 6 != 3 && modrm & 7 == 4 }
    var scaleBits: UInt8 { sib >> 6 }

    /// The bytes of the displacement of a memory operand.
    private var displacementLength: Int {
        switch modrm >> 6 {
        case 1: 1
        case 2: 4
        case 0: modrm & 7 == 5 || hasDisplacement ? 4 : 0
        default: 0
        }
    }

    /// ModRM, SIB and displacement of a memory operand together.
    var memoryLength: Int { 1 + (hasIndexByte ? 1 : 0) + displacementLength }

    var displacement: Int64 {
        let at = modrmOffset + (hasIndexByte ? 2 : 1)
        if displacementLength == 1 { return Int64(Int8(bitPattern: bytes[at])) }
        var value: UInt32 = 0
        for index in 0..<displacementLength { value |= UInt32(bytes[at + index]) << (8 * UInt32(index)) }
        return Int64(Int32(bitPattern: value))
    }
}

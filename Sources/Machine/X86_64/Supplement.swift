// Instructions that kernels use and that the decoding library does not know, or takes for others, in some version.
//
// Mostly newer ones behind `0f 01` and `0f ae`: memory protection keys, confidential guests, shadow stacks, waiting. Source:
// Intel SDM volume 2 (opcode maps in appendix A), AMD APM volume 3 (SNP instructions), Intel CET and FRED specifications.

internal import Bytes
internal import DebugModel

enum X86_64Supplement {
    /// How the operands are encoded.
    private enum Form {
        /// The whole ModRM byte is part of the opcode.
        case fixed(UInt8)
        /// One general register in ModRM.rm; ModRM.reg is part of the opcode.
        case register(UInt8, OperandAccess)
        /// One place in memory in ModRM.rm; ModRM.reg is part of the opcode.
        case memory(UInt8, OperandAccess)
        /// Register, then register or memory: both read.
        case pair
        /// Memory from a register.
        case store
        /// A register holds the place to write 64 bytes to, memory is what is written.
        case line
    }

    private struct Row {
        /// The mandatory prefix, 0 for none.
        let prefix: UInt8
        let map: X86_64Encoding.Map
        let opcode: UInt8
        let form: Form
        let name: String
    }

    /// Instructions of the library's that may be one of these: they are looked up here first.
    static let mistaken: Set<String> = ["vmmcall", "ud2b", "ud1", "ud0", "nop", "vmcall"]

    /// The instruction that `bytes` (at least as many as there are of it, 15 at most) begin with; nil when it is none of these.
    static func decode(_ bytes: InstructionBytes, at address: VirtualAddress) -> Instruction? {
        let encoding = X86_64Encoding(bytes)
        if encoding.map == .vex { return tileRelease(bytes, encoding, at: address) }
        guard let rows = table[Key(map: encoding.map, opcode: encoding.opcode)] else { return nil }
        let mandatory =
            encoding.prefixes.last { $0 == 0xf2 || $0 == 0xf3 } ?? encoding.prefixes.last { $0 == 0x66 } ?? 0
        for row in rows where row.prefix == mandatory {
            guard let found = match(row, encoding) else { continue }
            let length = encoding.modrmOffset + found.length
            guard length <= bytes.count, length <= 15 else { return nil }
            return make(row.name, found.operands(address, length), bytes.prefix(length), at: address)
        }
        return nil
    }

    /// AMX's `tilerelease`, alone among those with a VEX prefix: c4 e2 78 49 c0.
    private static func tileRelease(
        _ bytes: InstructionBytes, _ encoding: X86_64Encoding, at address: VirtualAddress
    ) -> Instruction? {
        guard bytes.count >= 5, bytes.prefix(5).array == [0xc4, 0xe2, 0x78, 0x49, 0xc0] else { return nil }
        return make("tilerelease", [], bytes.prefix(5), at: address)
    }

    private static func make(
        _ name: String, _ operands: [Operand], _ bytes: InstructionBytes, at address: VirtualAddress
    ) -> Instruction {
        let effects = X86_64Effects(name: name)
        return Instruction(
            address: address, bytes: bytes, opcode: effects.opcode, operands: operands, implicitReads: effects.reads,
            implicitWrites: effects.writes, readsFlags: effects.reads.contains(X86_64.rflags),
            writesFlags: effects.writes.contains(X86_64.rflags), flow: effects.flow([]))
    }

    // MARK: Operands

    private struct Found {
        /// From the ModRM byte on.
        var length: Int
        /// Given the address and length of the instruction: what is relative to its end needs them.
        var operands: (VirtualAddress, Int) -> [Operand]
    }

    private static func match(_ row: Row, _ encoding: X86_64Encoding) -> Found? {
        let digit = (encoding.modrm >> 3) & 7
        let isRegister = encoding.modrm >> 6 == 3
        let wide: UInt8 = encoding.isWide ? 8 : 4
        let register = part(digit | (encoding.rex & 4) << 1, width: wide)
        let other = part((encoding.modrm & 7) | (encoding.rex & 1) << 3, width: wide)
        func value(_ end: (VirtualAddress, Int)) -> Operand.Value {
            isRegister ? .register(other) : .memory(memory(encoding, end: end.0.advanced(by: UInt64(end.1))))
        }
        let length = isRegister ? 1 : encoding.memoryLength
        switch row.form {
        case .fixed(let modrm):
            return encoding.modrm == modrm ? Found(length: 1) { _, _ in [] } : nil
        case .register(let wanted, let access):
            guard isRegister, digit == wanted else { return nil }
            return Found(length: 1) { _, _ in [Operand(.register(other), size: wide, access: access)] }
        case .memory(let wanted, let access):
            guard !isRegister, digit == wanted else { return nil }
            return Found(length: length) { [Operand(value(($0, $1)), size: 8, access: access)] }
        case .pair:
            return Found(length: length) {
                [
                    Operand(.register(register), size: wide, access: .read),
                    Operand(value(($0, $1)), size: wide, access: isRegister ? .read : []),
                ]
            }
        case .store:
            guard !isRegister else { return nil }
            return Found(length: length) {
                [
                    Operand(value(($0, $1)), size: wide, access: .write),
                    Operand(.register(register), size: wide, access: .read),
                ]
            }
        case .line:
            guard !isRegister else { return nil }
            let place = RegisterPart(register.number, width: 8)
            return Found(length: length) {
                [
                    Operand(.register(place), size: 8, access: .read),
                    Operand(value(($0, $1)), size: 64, access: .read),
                ]
            }
        }
    }

    /// The processor's number of a general register to DWARF's.
    private static func part(_ number: UInt8, width: UInt8) -> RegisterPart {
        let order: [UInt16] = [0, 2, 1, 3, 7, 6, 4, 5]
        let index = Int(number & 15)
        return RegisterPart(RegisterNumber(index < 8 ? order[index] : UInt16(index)), width: width)
    }

    /// SDM volume 2, tables 2-2 and 2-3.
    private static func memory(_ encoding: X86_64Encoding, end: VirtualAddress) -> MemoryOperand {
        let mode = encoding.modrm >> 6
        let width: UInt8 = encoding.prefixes.contains(0x67) ? 4 : 8
        let segment: RegisterNumber? =
            encoding.prefixes.contains(0x65)
            ? RegisterNumber(55) : encoding.prefixes.contains(0x64) ? RegisterNumber(54) : nil
        let displacement = encoding.displacement
        var result = MemoryOperand(segment: segment, displacement: displacement)
        if !encoding.hasIndexByte {
            if mode == 0, encoding.modrm & 7 == 5 {
                result.absolute = end.advanced(by: displacement)
            } else {
                result.base = part((encoding.modrm & 7) | (encoding.rex & 1) << 3, width: width)
            }
            return result
        }
        let index = ((encoding.sib >> 3) & 7) | (encoding.rex & 2) << 2
        if index != 4 {
            result.index = part(index, width: width)
            result.scale = 1 << encoding.scaleBits
        }
        if !(mode == 0 && encoding.sib & 7 == 5) {
            result.base = part((encoding.sib & 7) | (encoding.rex & 1) << 3, width: width)
        }
        return result
    }

    // MARK: The table

    private struct Key: Hashable {
        let map: X86_64Encoding.Map
        let opcode: UInt8
    }

    private static let table: [Key: [Row]] = Dictionary(grouping: rows) { Key(map: $0.map, opcode: $0.opcode) }

    private static func row(
        _ prefix: UInt8, _ map: X86_64Encoding.Map, _ opcode: UInt8, _ form: Form, _ name: String
    ) -> Row { Row(prefix: prefix, map: map, opcode: opcode, form: form, name: name) }

    private static let rows: [Row] = [
        row(0, .two, 0x01, .fixed(0xc0), "enclv"), row(0, .two, 0x01, .fixed(0xc5), "pconfig"),
        row(0, .two, 0x01, .fixed(0xc6), "wrmsrns"), row(0xf3, .two, 0x01, .fixed(0xca), "eretu"),
        row(0xf2, .two, 0x01, .fixed(0xca), "erets"), row(0x66, .two, 0x01, .fixed(0xcc), "tdcall"),
        row(0x66, .two, 0x01, .fixed(0xcd), "seamret"), row(0x66, .two, 0x01, .fixed(0xce), "seamops"),
        row(0x66, .two, 0x01, .fixed(0xcf), "seamcall"), row(0xf3, .two, 0x01, .fixed(0xd9), "vmgexit"),
        row(0xf2, .two, 0x01, .fixed(0xd9), "vmgexit"), row(0, .two, 0x01, .fixed(0xe8), "serialize"),
        row(0xf3, .two, 0x01, .fixed(0xe8), "setssbsy"), row(0xf2, .two, 0x01, .fixed(0xe8), "xsusldtrk"),
        row(0xf2, .two, 0x01, .fixed(0xe9), "xresldtrk"), row(0xf3, .two, 0x01, .fixed(0xea), "saveprevssp"),
        row(0xf3, .two, 0x01, .fixed(0xec), "uiret"), row(0xf3, .two, 0x01, .fixed(0xed), "testui"),
        row(0, .two, 0x01, .fixed(0xee), "rdpkru"), row(0xf3, .two, 0x01, .fixed(0xee), "clui"),
        row(0, .two, 0x01, .fixed(0xef), "wrpkru"), row(0xf3, .two, 0x01, .fixed(0xef), "stui"),
        row(0, .two, 0x01, .fixed(0xfa), "monitorx"), row(0, .two, 0x01, .fixed(0xfb), "mwaitx"),
        row(0, .two, 0x01, .fixed(0xfc), "clzero"), row(0, .two, 0x01, .fixed(0xfd), "rdpru"),
        row(0, .two, 0x01, .fixed(0xfe), "invlpgb"), row(0xf3, .two, 0x01, .fixed(0xfe), "rmpadjust"),
        row(0xf2, .two, 0x01, .fixed(0xfe), "rmpupdate"), row(0, .two, 0x01, .fixed(0xff), "tlbsync"),
        row(0xf3, .two, 0x01, .fixed(0xff), "psmash"), row(0xf2, .two, 0x01, .fixed(0xff), "pvalidate"),
        row(0xf3, .two, 0x01, .memory(5, [.read, .write]), "rstorssp"),
        row(0, .two, 0x1c, .memory(0, .read), "cldemote"),
        row(0xf3, .two, 0x1e, .register(1, [.read, .write]), "rdssp"),
        row(0xf3, .two, 0xae, .register(4, .read), "ptwrite"), row(0xf3, .two, 0xae, .memory(4, .read), "ptwrite"),
        row(0xf3, .two, 0xae, .register(5, .read), "incssp"),
        row(0x66, .two, 0xae, .register(6, .read), "tpause"), row(0xf2, .two, 0xae, .register(6, .read), "umwait"),
        row(0xf3, .two, 0xae, .register(6, .read), "umonitor"),
        row(0xf3, .two, 0xae, .memory(6, [.read, .write]), "clrssbsy"),
        row(0, .two, 0xb9, .pair, "ud1"), row(0, .two, 0xff, .pair, "ud0"),
        row(0xf3, .two, 0xc7, .register(6, .read), "senduipi"),
        row(0x66, .three38, 0xf5, .store, "wruss"), row(0, .three38, 0xf6, .store, "wrss"),
        row(0, .three38, 0xf9, .store, "movdiri"), row(0x66, .three38, 0xf8, .line, "movdir64b"),
        row(0xf2, .three38, 0xf8, .line, "enqcmd"), row(0xf3, .three38, 0xf8, .line, "enqcmds"),
    ]
}

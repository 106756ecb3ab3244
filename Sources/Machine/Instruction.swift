// One machine instruction as static analysis needs it: what it does to which registers and memory, and where it goes.

package import Bytes
package import DebugModel

/// What an instruction does, without the sizes of its operands: the manufacturer's mnemonic in lower case ("mov", "movzx",
/// "lea", "call", "je"), whatever syntax it is shown in. `bad` stands for a byte that is no instruction.
package struct Opcode: Hashable, Sendable {
    package let name: String

    package init(_ name: String) { self.name = name }

    package static let bad = Opcode("(bad)")
}

/// What happens to an operand.
package struct OperandAccess: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let read = OperandAccess(rawValue: 1)
    package static let write = OperandAccess(rawValue: 2)
}

/// A register or a part of one: `al`, `ah`, `eax` and `rax` are parts of one register.
package struct RegisterPart: Hashable, Sendable {
    /// The whole register, as `Registers` and DWARF number it. Registers that DWARF gives no number (control and debug
    /// registers) are numbered from 0x1000 on by the machine, and are in no `RegisterSet`.
    package let number: RegisterNumber
    /// The bytes of it that are meant: 8 for `rax`, 4 for `eax`, 1 for `al` and `ah`.
    package let width: UInt8
    /// The second byte of the register is meant: `ah`, `bh`, `ch`, `dh`.
    package let isHighByte: Bool

    package init(_ number: RegisterNumber, width: UInt8, isHighByte: Bool = false) {
        self.number = number
        self.width = width
        self.isHighByte = isHighByte
    }
}

/// The place in memory that an operand names: segment base + base + index * scale + displacement.
package struct MemoryOperand: Hashable, Sendable {
    package var segment: RegisterNumber?
    /// Nil also where the base is the program counter: the displacement alone says the place then.
    package var base: RegisterPart?
    package var index: RegisterPart?
    /// 1, 2, 4 or 8.
    package var scale: UInt8
    /// Sign-extended as the machine does it.
    package var displacement: Int64
    /// The place when it is relative to the program counter, resolved (the segment's base left out).
    package var absolute: VirtualAddress?

    package init(
        segment: RegisterNumber? = nil, base: RegisterPart? = nil, index: RegisterPart? = nil, scale: UInt8 = 1,
        displacement: Int64, absolute: VirtualAddress? = nil
    ) {
        self.segment = segment
        self.base = base
        self.index = index
        self.scale = scale
        self.displacement = displacement
        self.absolute = absolute
    }
}

/// One operand of an instruction, with what happens to it.
package struct Operand: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        case register(RegisterPart)
        /// Sign-extended to 64 bits. The target of a direct jump or call is resolved, and an immediate too.
        case immediate(Int64)
        case memory(MemoryOperand)
    }

    package let value: Value
    /// In bytes; 0 where the machine gives none (the operand of `invlpg`).
    package let size: UInt8
    /// Empty when only the address of a memory operand is taken (`lea`), or nothing is done with it (`nop`). The
    /// registers that make up an address are read in every case and not told apart here.
    package let access: OperandAccess

    package init(_ value: Value, size: UInt8, access: OperandAccess) {
        self.value = value
        self.size = size
        self.access = access
    }
}

/// A set of registers by their DWARF numbers below 128; others are never in it.
package struct RegisterSet: Hashable, Sendable, ExpressibleByArrayLiteral {
    private var bits: UInt128 = 0

    package init() {}
    package init(arrayLiteral elements: RegisterNumber...) { elements.forEach { insert($0) } }

    package func contains(_ number: RegisterNumber) -> Bool {
        number.rawValue < 128 && bits & (1 << UInt128(number.rawValue)) != 0
    }

    package mutating func insert(_ number: RegisterNumber) {
        if number.rawValue < 128 { bits |= 1 << UInt128(number.rawValue) }
    }

    package mutating func formUnion(_ other: Self) { bits |= other.bits }

    package var isEmpty: Bool { bits == 0 }

    /// The members in ascending order.
    package var members: [RegisterNumber] {
        var rest = bits
        var found: [RegisterNumber] = []
        while rest != 0 {
            found.append(RegisterNumber(UInt16(truncatingIfNeeded: rest.trailingZeroBitCount)))
            rest &= rest &- 1
        }
        return found
    }
}

/// Where execution goes after an instruction. A target is nil when a register or memory holds it.
package enum ControlFlow: Hashable, Sendable {
    /// To the next instruction; also system calls and software interrupts, which come back there.
    case next
    case jump(target: VirtualAddress?)
    /// Either to the target or to the next instruction.
    case branch(target: VirtualAddress?)
    case call(target: VirtualAddress?)
    /// From a function, an interrupt or a system call.
    case `return`
    /// Into the exception handler by intention (`ud2`, `int3`). A kernel's WARN comes back to the next instruction, its
    /// BUG does not.
    case trap
    /// Waits; goes on with the next instruction after an interrupt.
    case halt
}

/// The machine code of one instruction, in place: at most 15 bytes on x86, 4 on ARM64.
package struct InstructionBytes: Hashable, Sendable {
    private let low: UInt64
    private let high: UInt64
    package let count: Int

    /// The first `count` of `low`'s bytes and then `high`'s, least significant first.
    package init(low: UInt64, high: UInt64, count: Int) {
        self.count = min(max(count, 0), 16)
        // What lies behind is no part of it: two equal instructions are equal.
        self.low = low & Self.mask(self.count)
        self.high = high & Self.mask(self.count - 8)
    }

    private static func mask(_ count: Int) -> UInt64 {
        count >= 8 ? .max : count <= 0 ? 0 : (1 << UInt64(8 * count)) &- 1
    }

    package subscript(index: Int) -> UInt8 {
        guard index >= 0, index < count else { return 0 }
        return UInt8(truncatingIfNeeded: index < 8 ? low >> (8 * UInt64(index)) : high >> (8 * UInt64(index & 7)))
    }

    /// The first `length` of these.
    package func prefix(_ length: Int) -> Self { Self(low: low, high: high, count: min(length, count)) }

    package var array: [UInt8] { (0..<count).map { self[$0] } }
}

/// A decoded instruction.
package struct Instruction: Hashable, Sendable {
    package let address: VirtualAddress
    package let bytes: InstructionBytes
    package let opcode: Opcode
    /// In the manufacturer's order: the destination first.
    package let operands: [Operand]
    /// Registers that are read or written without being operands: `rsp` by `push`, `rax` by `cpuid`. What a called
    /// function does to registers is the ABI's matter and not said here.
    package let implicitReads: RegisterSet
    package let implicitWrites: RegisterSet
    /// Whether the flags register decides what the instruction does, and whether any flag may change.
    package let readsFlags: Bool
    package let writesFlags: Bool
    package let flow: ControlFlow

    package init(
        address: VirtualAddress, bytes: InstructionBytes, opcode: Opcode, operands: [Operand],
        implicitReads: RegisterSet, implicitWrites: RegisterSet, readsFlags: Bool, writesFlags: Bool, flow: ControlFlow
    ) {
        self.address = address
        self.bytes = bytes
        self.opcode = opcode
        self.operands = operands
        self.implicitReads = implicitReads
        self.implicitWrites = implicitWrites
        self.readsFlags = readsFlags
        self.writesFlags = writesFlags
        self.flow = flow
    }

    /// In bytes.
    package var length: Int { bytes.count }
    /// The address after this instruction: where a call returns to.
    package var end: VirtualAddress { address.advanced(by: UInt64(truncatingIfNeeded: bytes.count)) }

    /// Every register that the instruction may change, whole or in part, named or implied.
    package var writtenRegisters: RegisterSet {
        var written = implicitWrites
        for operand in operands where operand.access.contains(.write) {
            if case .register(let part) = operand.value { written.insert(part.number) }
        }
        return written
    }

    /// Every register whose value the instruction uses: as an operand, in an address, or implied.
    package var readRegisters: RegisterSet {
        var read = implicitReads
        for operand in operands {
            switch operand.value {
            case .register(let part): if operand.access.contains(.read) { read.insert(part.number) }
            case .memory(let memory):
                if let base = memory.base { read.insert(base.number) }
                if let index = memory.index { read.insert(index.number) }
            case .immediate: break
            }
        }
        return read
    }
}

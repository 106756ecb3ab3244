// How to find the caller's registers from a frame's: one row for DWARF CFI, ORC and frame pointers alike.

package import Bytes

/// A register by the number that the architecture's DWARF mapping gives it (x86-64: psABI figure 3.36; 16 is the return address).
package struct RegisterNumber: Hashable, Sendable {
    package let rawValue: UInt16

    package init(_ rawValue: UInt16) { self.rawValue = rawValue }
}

/// How the canonical frame address is computed.
package enum CFARule: Sendable, Equatable {
    /// register + offset
    case register(RegisterNumber, offset: Int64)
    /// *(register + offset) + addend: ORC's indirect forms.
    case indirect(RegisterNumber, offset: Int64, addend: Int64)
    /// A DWARF expression (bytes of the operations).
    case expression(ByteSlice)

    package static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.register(let a, let b), .register(let c, let d)): a == c && b == d
        case (.indirect(let a, let b, let c), .indirect(let d, let e, let f)): a == d && b == e && c == f
        case (.expression(let a), .expression(let b)): a.array == b.array
        default: false
        }
    }
}

/// How one register of the caller is found.
package enum RegisterRule: Sendable {
    case undefined
    case sameValue
    /// Saved at CFA + offset.
    case atCFA(Int64)
    /// Is CFA + offset.
    case cfaPlus(Int64)
    /// Saved at register + offset (ORC's BP rule).
    case atRegister(RegisterNumber, Int64)
    case inRegister(RegisterNumber)
    /// Saved at the address that the DWARF expression yields (the CFA is on its stack first).
    case atExpression(ByteSlice)
    case isExpression(ByteSlice)
}

/// What kind of frame the row describes.
package enum FrameKind: Sendable, Equatable {
    /// The caller's return address lies where the rules say.
    case call
    /// A full `struct pt_regs` lies at the CFA: an interrupt, exception or system call.
    case registers
    /// Only the hardware's part (ip, cs, flags, sp, ss) lies at the CFA.
    case partialRegisters
    /// The frame pointer leads to the caller's, and to the return address above it. Of the row nothing else counts.
    case framePointer
    /// Nothing is above: the first function of a task.
    case end
}

package struct UnwindRow: Sendable {
    package let kind: FrameKind
    package let cfa: CFARule
    package let registers: [RegisterNumber: RegisterRule]
    /// The frame was interrupted, not called from: its caller's address is looked up as it is, not minus one.
    package let isSignalFrame: Bool
    /// The register number that holds the return address (16 on x86-64).
    package let returnAddress: RegisterNumber
    /// A callee-saved register without a rule still has its caller's value, as DWARF CFI promises. ORC does not: it
    /// follows the frame only, and what it does not mention may have been pushed and overwritten.
    package let preservesUnmentioned: Bool
    /// For the journal and `bt -v`: "ORC", "DWARF CFI", "frame pointer".
    package let source: String

    package init(
        kind: FrameKind, cfa: CFARule, registers: [RegisterNumber: RegisterRule], isSignalFrame: Bool,
        returnAddress: RegisterNumber = RegisterNumber(16), preservesUnmentioned: Bool = false, source: String
    ) {
        self.kind = kind
        self.cfa = cfa
        self.registers = registers
        self.isSignalFrame = isSignalFrame
        self.returnAddress = returnAddress
        self.preservesUnmentioned = preservesUnmentioned
        self.source = source
    }
}

/// Tables that say how to unwind.
package protocol UnwindSource: Sendable {
    /// The row for the code at `address` (already adjusted: minus one for return addresses), or nil when this
    /// source knows nothing there. Throws when its tables are broken.
    func row(at address: VirtualAddress) throws -> UnwindRow?
}

// A set of register values, any of which may be unknown.

package import DebugModel

/// The registers of a frame or of a CPU, numbered as DWARF numbers them for the machine. A register that is not
/// here is unknown, which is not zero.
package struct Registers: Sendable, Equatable {
    /// The general registers and the program counter of every machine known here; 0 where unknown. They are held within:
    /// frames are copied often, and each has a set.
    private var first = InlineArray<32, UInt64>(repeating: 0)
    private var isKnown: UInt32 = 0
    /// Those with numbers from 32 on.
    private var others: [RegisterNumber: UInt64] = [:]

    package init() {}

    package subscript(number: RegisterNumber) -> UInt64? {
        get {
            guard number.rawValue < 32 else { return others[number] }
            return isKnown >> UInt32(number.rawValue) & 1 == 1 ? first[Int(number.rawValue)] : nil
        }
        set {
            guard number.rawValue < 32 else {
                others[number] = newValue
                return
            }
            first[Int(number.rawValue)] = newValue ?? 0
            let bit: UInt32 = 1 << UInt32(number.rawValue)
            isKnown = newValue == nil ? isKnown & ~bit : isKnown | bit
        }
    }

    /// The numbers of the registers that are known, in ascending order.
    package var known: [RegisterNumber] {
        (0..<UInt16(32)).filter { isKnown >> UInt32($0) & 1 == 1 }.map { RegisterNumber($0) }
            + others.keys.sorted { $0.rawValue < $1.rawValue }
    }

    package static func == (left: Registers, right: Registers) -> Bool {
        left.isKnown == right.isKnown && left.others == right.others
            && left.first.indices.allSatisfy { left.first[$0] == right.first[$0] }
    }
}

/// One CPU as a dump's notes describe it.
package struct CPUState: Sendable {
    /// General registers and the program counter.
    package var registers: Registers
    /// The CPU ran user code, as its privilege level says; nil when unknown.
    package var isUserMode: Bool?
    /// The page-table base register, when the note has it.
    package var pageTableRoot: UInt64?
    /// The base of the kernel's per-CPU area of this CPU, when the note tells.
    package var perCPUBase: UInt64?
    /// The process id that the note carries; of the task on the CPU, or of nothing (QEMU writes CPU + 1).
    package var pid: Int32?
    /// Further registers by name, in the order in which they are shown: segment and control registers, flags.
    package var others: [(name: String, value: UInt64)]
    /// Which note said so: "NT_PRSTATUS", "QEMU".
    package var source: String

    package init(registers: Registers, source: String) {
        self.registers = registers
        self.source = source
        others = []
    }
}

// A set of register values, any of which may be unknown.

package import DebugModel

/// The registers of a frame or of a CPU, numbered as DWARF numbers them for the machine. A register that is not
/// here is unknown, which is not zero.
package struct Registers: Sendable, Equatable {
    private var values: [RegisterNumber: UInt64] = [:]

    package init() {}

    package subscript(number: RegisterNumber) -> UInt64? {
        get { values[number] }
        set { values[number] = newValue }
    }

    /// The numbers of the registers that are known, in ascending order.
    package var known: [RegisterNumber] { values.keys.sorted { $0.rawValue < $1.rawValue } }
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

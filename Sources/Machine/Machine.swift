// What a CPU architecture is, to the rest of the debugger.

package import Bytes
package import DebugModel
package import Memory

/// One architecture. Adding one is a folder with the same file names as the others and a line in `Registry.swift`.
package protocol Machine: Sendable {
    /// As `uname -m` prints it.
    var name: String { get }
    /// Names, numbers and roles of the registers.
    var layout: RegisterLayout { get }
    /// The CPUs of a dump, in the order of its notes; kinds of notes that are not known are passed over.
    func cpus(notes: [RawNote]) -> [CPUState]
    /// A decoder of this machine's code; nil when there is none. Making one takes microseconds: keep it for a whole question.
    func disassembler() -> (any Disassembler)?
    /// The registers that an interrupt or system call saved at `address`: a whole `struct pt_regs`, or only what
    /// the hardware pushed, which then lies at `address`. `interruptedUser` tells whether it came from user mode.
    func exceptionFrame(
        at address: VirtualAddress, partial: Bool, in space: AddressSpace
    ) throws(MemoryFault) -> (registers: Registers, interruptedUser: Bool)
    /// What an entry of the lowest page table says: the frame that it maps, nil when none, and the flags that are set.
    /// Nil when the machine's entries are not known.
    func describe(pageEntry: UInt64) -> (frame: PhysicalAddress?, flags: [String])?
}

extension Machine {
    package func describe(pageEntry: UInt64) -> (frame: PhysicalAddress?, flags: [String])? { nil }
}

/// The registers of a machine and what each is for.
package struct RegisterLayout: Sendable {
    /// The name of each register by its DWARF number.
    package let names: [RegisterNumber: String]
    package let programCounter: RegisterNumber
    package let stackPointer: RegisterNumber
    package let framePointer: RegisterNumber
    /// The registers that a called function leaves as they were (the ABI's callee-saved ones).
    package let calleeSaved: [RegisterNumber]
    /// The registers of the first integer arguments, in order.
    package let arguments: [RegisterNumber]

    package init(
        names: [RegisterNumber: String], programCounter: RegisterNumber, stackPointer: RegisterNumber,
        framePointer: RegisterNumber, calleeSaved: [RegisterNumber], arguments: [RegisterNumber]
    ) {
        self.names = names
        self.programCounter = programCounter
        self.stackPointer = stackPointer
        self.framePointer = framePointer
        self.calleeSaved = calleeSaved
        self.arguments = arguments
    }
}

/// One step of a page-table walk, for `vtop`.
package struct TranslationStep: Sendable, Equatable {
    /// The table's name on this machine: "PGD", "P4D", "PUD", "PMD", "PTE".
    package let table: String
    /// Where the entry is.
    package let entryAddress: PhysicalAddress
    package let entry: UInt64
    /// The flags of the entry that are set, in the machine's words.
    package let flags: [String]

    package init(table: String, entryAddress: PhysicalAddress, entry: UInt64, flags: [String]) {
        self.table = table
        self.entryAddress = entryAddress
        self.entry = entry
        self.flags = flags
    }
}

/// Page tables: a translation that can explain itself and list what it maps.
package protocol PageTable: AddressTranslation {
    /// Every step of the walk for `address` as far as it goes; the last one is the leaf or the entry that ended it.
    func walk(_ address: VirtualAddress) -> (steps: [TranslationStep], result: Result<PhysicalExtent, MemoryFault>)
    /// Every mapped run of `range`, in order: virtual start and the physical extent. Tables that cannot be read are
    /// told to `fault` and passed over.
    func mappings(
        in range: ClosedRange<VirtualAddress>, fault: (MemoryFault) -> Void,
        _ body: (VirtualAddress, PhysicalExtent) throws -> Void
    ) rethrows
}

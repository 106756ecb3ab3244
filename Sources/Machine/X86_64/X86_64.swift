// x86-64: registers by the psABI's numbers (System V psABI AMD64, figure 3.36).

package import Bytes
package import DebugModel
package import Memory

package struct X86_64: Machine {
    package init() {}

    package var name: String { "x86_64" }

    package static let rax = RegisterNumber(0)
    package static let rdx = RegisterNumber(1)
    package static let rcx = RegisterNumber(2)
    package static let rbx = RegisterNumber(3)
    package static let rsi = RegisterNumber(4)
    package static let rdi = RegisterNumber(5)
    package static let rbp = RegisterNumber(6)
    package static let rsp = RegisterNumber(7)
    package static let r8 = RegisterNumber(8)
    package static let r9 = RegisterNumber(9)
    package static let r10 = RegisterNumber(10)
    package static let r11 = RegisterNumber(11)
    package static let r12 = RegisterNumber(12)
    package static let r13 = RegisterNumber(13)
    package static let r14 = RegisterNumber(14)
    package static let r15 = RegisterNumber(15)
    /// The return-address column, which stands for the program counter.
    package static let rip = RegisterNumber(16)
    package static let rflags = RegisterNumber(49)

    private static let ordered = [
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rip",
    ]

    private static let names: [RegisterNumber: String] = {
        var names: [RegisterNumber: String] = [rflags: "rflags"]
        for (index, name) in ordered.enumerated() { names[RegisterNumber(UInt16(index))] = name }
        return names
    }()

    package var layout: RegisterLayout {
        RegisterLayout(
            names: Self.names, programCounter: Self.rip, stackPointer: Self.rsp, framePointer: Self.rbp,
            calleeSaved: [Self.rbx, Self.rbp, Self.r12, Self.r13, Self.r14, Self.r15],
            arguments: [Self.rdi, Self.rsi, Self.rdx, Self.rcx, Self.r8, Self.r9])
    }

    package func disassembler() -> (any Disassembler)? { X86_64Disassembler() }

    package func describe(pageEntry: UInt64) -> (frame: PhysicalAddress?, flags: [String])? {
        X86_64PageTable.describe(pageEntry)
    }

    package func cpus(notes: [RawNote]) -> [CPUState] { X86_64Notes.cpus(notes) }

    /// Offsets within `struct pt_regs` (arch/x86/include/asm/ptrace.h), in the order of the structure.
    private static let frameOrder: [RegisterNumber] = [
        r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi,
    ]

    package func exceptionFrame(
        at address: VirtualAddress, partial: Bool, in space: AddressSpace
    ) throws(MemoryFault) -> (registers: Registers, interruptedUser: Bool) {
        // The hardware's part (ip, cs, flags, sp, ss) follows 15 registers and orig_ax.
        let hardware = partial ? address : address.advanced(by: UInt64(16 * 8))
        var registers = Registers()
        if !partial {
            for (index, number) in Self.frameOrder.enumerated() {
                registers[number] = try space.word(address.advanced(by: UInt64(index * 8)))
            }
        }
        registers[Self.rip] = try space.word(hardware)
        let selector = try space.word(hardware.advanced(by: UInt64(8)))
        registers[Self.rflags] = try space.word(hardware.advanced(by: UInt64(16)))
        registers[Self.rsp] = try space.word(hardware.advanced(by: UInt64(24)))
        return (registers, selector & 3 == 3)
    }
}

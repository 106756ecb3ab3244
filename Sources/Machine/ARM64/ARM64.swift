// AArch64: registers by the ABI's numbers (DWARF for the Arm 64-bit Architecture, section 4.1).
//
// Page tables are not here yet, and so no dump of this machine opens; its registers decode.

package import Bytes
internal import DebugModel
package import Memory

package struct ARM64: Machine {
    package init() {}

    package var name: String { "aarch64" }

    private static let stackPointer = RegisterNumber(31)
    private static let programCounter = RegisterNumber(32)
    private static let framePointer = RegisterNumber(29)

    private static let names: [RegisterNumber: String] = {
        var names: [RegisterNumber: String] = [stackPointer: "sp", programCounter: "pc"]
        for number in UInt16(0)...30 { names[RegisterNumber(number)] = "x\(number)" }
        return names
    }()

    package var layout: RegisterLayout {
        RegisterLayout(
            names: Self.names, programCounter: Self.programCounter, stackPointer: Self.stackPointer,
            framePointer: Self.framePointer, calleeSaved: (19...29).map { RegisterNumber($0) },
            arguments: (0...7).map { RegisterNumber($0) })
    }

    package func disassembler() -> (any Disassembler)? { nil }

    package func cpus(notes: [RawNote]) -> [CPUState] {
        notes.filter { $0.name == "CORE" && $0.type == 1 }.compactMap { try? Self.status($0.description) }
    }

    /// `struct elf_prstatus` with `struct user_pt_regs` (arch/arm64/include/uapi/asm/ptrace.h) at 112: x0 to x30,
    /// sp, pc, pstate.
    private static func status(_ description: ByteSlice) throws(ParseFault) -> CPUState {
        var cursor = Cursor(description)
        try cursor.skip(32, "elf_prstatus")
        let pid = try cursor.s32("pr_pid")
        try cursor.seek(112, "pr_reg")
        var registers = Registers()
        for number in UInt16(0)...32 { registers[RegisterNumber(number)] = try cursor.u64("pr_reg") }
        let state = try cursor.u64("pstate")
        var cpu = CPUState(registers: registers, source: "NT_PRSTATUS")
        cpu.pid = pid
        // PSTATE.M[3:0]: 0 is EL0.
        cpu.isUserMode = state & 0xf == 0
        cpu.others = [("pstate", state)]
        return cpu
    }

    /// `struct pt_regs` begins with `struct user_pt_regs`; the hardware pushes nothing, so that there are no partial ones.
    package func exceptionFrame(
        at address: VirtualAddress, partial: Bool, in space: AddressSpace
    ) throws(MemoryFault) -> (registers: Registers, interruptedUser: Bool) {
        var registers = Registers()
        for number in UInt16(0)...32 {
            registers[RegisterNumber(number)] = try space.word(address.advanced(by: UInt64(number) * 8))
        }
        let state = try space.word(address.advanced(by: UInt64(33 * 8)))
        return (registers, state & 0xf == 0)
    }
}

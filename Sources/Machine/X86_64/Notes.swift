// Registers of a dump's CPUs: NT_PRSTATUS notes (kexec and QEMU) and QEMU's own notes.

internal import Bytes
internal import DebugModel
internal import Memory

enum X86_64Notes {
    private static let prstatus: UInt32 = 1

    /// The CPUs in the order of the notes. QEMU writes all NT_PRSTATUS notes first and its own after them: the
    /// n-th of each belong to the same CPU, and its own has what the other lacks.
    static func cpus(_ notes: [RawNote]) -> [CPUState] {
        let statuses = notes.filter { $0.name == "CORE" && $0.type == prstatus }
            .compactMap { try? status($0.description) }
        let owns = notes.filter { $0.name == "QEMU" }.compactMap { try? qemu($0.description) }
        guard !owns.isEmpty, owns.count == statuses.count || statuses.isEmpty else { return statuses }
        return owns.enumerated().map { index, own in
            var cpu = own
            if index < statuses.count { cpu.pid = statuses[index].pid }
            return cpu
        }
    }

    /// `struct elf_prstatus` (include/linux/elfcore.h): pr_pid at 32, pr_reg at 112.
    private static func status(_ description: ByteSlice) throws(ParseFault) -> CPUState {
        var cursor = Cursor(description)
        try cursor.skip(32, "elf_prstatus")
        let pid = try cursor.s32("pr_pid")
        try cursor.seek(112, "pr_reg")
        var registers = Registers()
        // struct user_regs_struct (arch/x86/include/asm/user_64.h).
        for number in [
            X86_64.r15, X86_64.r14, X86_64.r13, X86_64.r12, X86_64.rbp, X86_64.rbx, X86_64.r11, X86_64.r10,
            X86_64.r9, X86_64.r8, X86_64.rax, X86_64.rcx, X86_64.rdx, X86_64.rsi, X86_64.rdi,
        ] {
            registers[number] = try cursor.u64("pr_reg")
        }
        _ = try cursor.u64("orig_rax")
        registers[X86_64.rip] = try cursor.u64("rip")
        let cs = try cursor.u64("cs")
        let flags = try cursor.u64("eflags")
        registers[X86_64.rflags] = flags
        registers[X86_64.rsp] = try cursor.u64("rsp")
        let ss = try cursor.u64("ss")
        var cpu = CPUState(registers: registers, source: "NT_PRSTATUS")
        cpu.pid = pid
        cpu.isUserMode = cs & 3 == 3
        cpu.others = [("cs", cs), ("ss", ss), ("rflags", flags)]
        return cpu
    }

    /// `QEMUCPUState` (QEMU, target/i386/arch_dump.c), version 1.
    private static func qemu(_ description: ByteSlice) throws(ParseFault) -> CPUState {
        var cursor = Cursor(description)
        let version = try cursor.u32("QEMU note version")
        guard version == 1 else { throw cursor.fault("QEMU note version", .unsupported("version \(version)")) }
        _ = try cursor.u32("QEMU note size")
        var registers = Registers()
        for number in [
            X86_64.rax, X86_64.rbx, X86_64.rcx, X86_64.rdx, X86_64.rsi, X86_64.rdi, X86_64.rsp, X86_64.rbp,
            X86_64.r8, X86_64.r9, X86_64.r10, X86_64.r11, X86_64.r12, X86_64.r13, X86_64.r14, X86_64.r15,
            X86_64.rip, X86_64.rflags,
        ] {
            registers[number] = try cursor.u64("QEMU register")
        }
        var cpu = CPUState(registers: registers, source: "QEMU")
        var bases: [String: UInt64] = [:]
        for name in ["cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"] {
            let selector = try cursor.u32("segment selector")
            try cursor.skip(12, "segment limit and flags")
            bases[name] = try cursor.u64("segment base")
            if name == "cs" { cpu.isUserMode = selector & 3 == 3 }
            if ["cs", "ds", "es", "fs", "gs", "ss"].contains(name) { cpu.others.append((name, UInt64(selector))) }
        }
        for name in ["cr0", "cr1", "cr2", "cr3", "cr4"] {
            let value = try cursor.u64("control register")
            if name == "cr3" { cpu.pageTableRoot = value }
            if name != "cr1" { cpu.others.append((name, value)) }
        }
        // In user mode the kernel's base waits in the swapped register; old QEMU does not save it.
        let swapped = try? cursor.u64("kernel_gs_base")
        cpu.perCPUBase = cpu.isUserMode == true ? swapped : bases["gs"]
        for (name, value) in [("fs_base", bases["fs"]), ("gs_base", bases["gs"]), ("kernel_gs_base", swapped)] {
            if let value { cpu.others.append((name, value)) }
        }
        return cpu
    }
}

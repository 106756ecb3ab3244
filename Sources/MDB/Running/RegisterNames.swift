// mdb's names for registers: whole ones, and the narrow parts of them.

internal import Bytes
internal import Capabilities

enum RegisterNames {
    /// The registers of the thread that a kernel offers first; empty when the dump has none.
    static func all(_ kernel: any Kernel) -> [String: UInt64] {
        guard let source = kernel.capability((any ThreadSource).self), let thread = source.representative,
            let cpu = source.cpus().first(where: { $0.thread == thread })
        else { return [:] }
        return names(of: cpu)
    }

    /// One CPU's registers with mdb's other names for them.
    static func names(of cpu: CPUSnapshot) -> [String: UInt64] {
        var names: [String: UInt64] = [:]
        for (name, value) in cpu.registers { names[name] = value }
        if let flags = names["rflags"] { names["rfl"] = flags }
        for (ours, theirs) in [("fs_base", "fsbase"), ("gs_base", "gsbase"), ("kernel_gs_base", "kgsbase")] {
            if let value = names.removeValue(forKey: ours) { names[theirs] = value }
        }
        for letter in ["a", "b", "c", "d"] {
            guard let value = names["r\(letter)x"] else { continue }
            narrow(value, "e\(letter)x", "\(letter)x", "\(letter)l", &names)
            names["\(letter)h"] = value >> 8 & 0xff
        }
        for name in ["si", "di", "bp", "sp"] {
            guard let value = names["r\(name)"] else { continue }
            narrow(value, "e\(name)", name, "\(name)l", &names)
        }
        for number in 8...15 {
            guard let value = names["r\(number)"] else { continue }
            narrow(value, "r\(number)d", "r\(number)w", "r\(number)l", &names)
        }
        return names
    }

    /// Every name that a register may have, whether or not a dump has its value.
    static let known: Set<String> = {
        let whole =
            ["rip", "rflags", "rfl", "cs", "ds", "es", "fs", "gs", "ss", "fsbase", "gsbase", "kgsbase"]
            + ["cr0", "cr2", "cr3", "cr4", "trapno", "err", "savfp", "savpc"]
        let general =
            ["ax", "bx", "cx", "dx", "si", "di", "bp", "sp"].map { ("r\($0)", UInt64(0)) }
            + (8...15).map { ("r\($0)", UInt64(0)) }
        let cpu = CPUSnapshot(number: 0, thread: VirtualAddress(0), registers: general, isUserMode: nil)
        return Set(whole).union(names(of: cpu).keys)
    }()

    private static func narrow(
        _ value: UInt64, _ double: String, _ word: String, _ byte: String, _ names: inout [String: UInt64]
    ) {
        names[double] = value & 0xffff_ffff
        names[word] = value & 0xffff
        names[byte] = value & 0xff
    }
}

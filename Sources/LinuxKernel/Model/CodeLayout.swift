// Linux's code, as the recovery of values asks for it: functions by address, and those that behave unlike others.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Synchronization
internal import Recovery
internal import Target

/// Answers from the symbols and the memory of one kernel.
struct LinuxCodeLayout: CodeLayout {
    private let symbols: SymbolTable
    private let space: AddressSpace

    private let jumps: JumpTargets
    private let probes: ProbedCode
    private var thunks: [VirtualAddress: RegisterNumber] = [:]
    private var ends: Set<VirtualAddress> = []

    init(_ target: Target, _ modules: ModuleTable) {
        probes = ProbedCode(target)
        symbols = target.symbols
        space = target.space
        for prefix in Self.thunks {
            for number in Self.thunkRegisters {
                let name = prefix + X86_64Names.name(of: RegisterPart(number, width: 8))
                for symbol in target.symbols.symbols(named: name) { thunks[symbol.address] = number }
            }
        }
        for name in Self.noReturn {
            for symbol in target.symbols.symbols(named: name) { ends.insert(symbol.address) }
        }
        jumps = JumpTargets(
            space: target.space, symbols: target.symbols, text: TextRanges(target, modules).ranges)
    }

    func jumps(to entry: VirtualAddress) -> [VirtualAddress] { jumps.sources(of: entry) }

    /// The compiler moves rarely used parts of `f` into `f.cold`, which is no function of its own.
    private static let cold = ".cold"

    func function(at address: VirtualAddress) -> CodeExtent? {
        guard var symbol = symbols.symbol(covering: address), isCode(symbol) else { return nil }
        if symbol.name.hasSuffix(Self.cold) {
            let name = String(symbol.name.dropLast(Self.cold.count))
            let parents = symbols.symbols(named: name).filter { isCode($0) && $0.module == symbol.module }
            guard parents.count == 1, let parent = parents.first else { return nil }
            symbol = parent
        }
        guard let own = range(symbol) else { return nil }
        // Of several static functions of one name all moved parts are taken: those that nothing jumps to do no harm.
        let moved = symbols.symbols(named: symbol.name + Self.cold).filter { $0.module == symbol.module }
        return CodeExtent(name: symbol.name, entry: symbol.address, parts: [own] + moved.compactMap { range($0) })
    }

    private func isCode(_ symbol: Symbol) -> Bool { symbol.kind == .function || symbol.kind == .unspecified }

    private func range(_ symbol: Symbol) -> Range<UInt64>? {
        let (end, overflow) = symbol.address.rawValue.addingReportingOverflow(symbol.size)
        return overflow || symbol.size == 0 ? nil : symbol.address.rawValue..<end
    }

    func neverReturns(_ entry: VirtualAddress) -> Bool { ends.contains(entry) }

    /// Functions that are declared not to return (tools/objtool/noreturns.h).
    private static let noReturn: Set<String> = [
        "__fortify_panic", "__ia32_sys_exit", "__ia32_sys_exit_group", "__kunit_abort", "__module_put_and_kthread_exit",
        "__stack_chk_fail", "__tdx_hypercall_failed", "__ubsan_handle_builtin_unreachable", "__x64_sys_exit",
        "__x64_sys_exit_group", "arch_cpu_idle_dead", "bch2_trans_in_restart_error", "bch2_trans_restart_error",
        "bch2_trans_unlocked_error", "complete_and_exit", "cpu_bringup_and_idle", "cpu_startup_entry", "do_exit",
        "do_group_exit", "do_task_dead", "ex_handler_msr_mce", "fortify_panic", "hlt_play_dead", "hv_ghcb_terminate",
        "kthread_complete_and_exit", "kthread_exit", "kunit_try_catch_throw", "lbug_with_loc",
        "machine_real_restart", "make_task_dead", "mpt_halt_firmware", "nmi_panic_self_stop", "panic",
        "panic_smp_self_stop", "rest_init", "rewind_stack_and_make_dead", "rewind_stack_do_exit",
        "rust_begin_unwind", "rust_helper_BUG", "sev_es_terminate", "snp_abort", "start_kernel", "stop_this_cpu",
        "usercopy_abort", "x86_64_start_kernel", "x86_64_start_reservations", "xen_cpu_bringup_again",
        "xen_start_kernel",
    ]

    /// `__fentry__`, or what ftrace put in its place: its own trampolines are in no symbol table.
    func isTracer(_ target: VirtualAddress) -> Bool {
        guard let symbol = symbols.symbol(covering: target), symbol.address == target else { return true }
        return symbol.name == "__fentry__" || symbol.name.hasPrefix("ftrace_") || symbol.name == "return_to_handler"
    }

    private static let thunks = [
        "__x86_indirect_thunk_", "__x86_indirect_call_thunk_", "__x86_indirect_jump_thunk_",
    ]

    private static let thunkRegisters: [RegisterNumber] = (0..<16).map { RegisterNumber($0) }

    func isIndirectThunk(_ target: VirtualAddress) -> Bool { thunks[target] != nil }

    func thunkRegister(_ target: VirtualAddress) -> RegisterNumber? { thunks[target] }

    func code(at address: VirtualAddress, count: Int) -> [UInt8]? {
        (try? space.read(address, count: count)).map { probes.restored($0.array, at: address.rawValue) }
    }
}

/// Every direct jump of the kernel's code to the beginning of a function. Bytes are looked at wherever they stand, so that
/// no jump is missed; what only looks like one is found too.
final class JumpTargets: Sendable {
    private let space: AddressSpace
    private let symbols: SymbolTable
    private let text: [Range<UInt64>]
    private let found = Mutex<[UInt64: [UInt64]]?>(nil)

    /// A stock kernel has 20 MB of code, its modules as much again.
    private static let mostBytes: UInt64 = 128 << 20

    init(space: AddressSpace, symbols: SymbolTable, text: [Range<UInt64>]) {
        self.space = space
        self.symbols = symbols
        var total: UInt64 = 0
        self.text = text.filter { range in
            total &+= range.upperBound &- range.lowerBound
            return total <= Self.mostBytes
        }
    }

    func sources(of entry: VirtualAddress) -> [VirtualAddress] {
        found.withLock { found in
            let known = found ?? scan()
            found = known
            return (known[entry.rawValue] ?? []).map { VirtualAddress($0) }
        }
    }

    private func scan() -> [UInt64: [UInt64]] {
        // A bit for each address at which a function begins.
        var entries = text.map { Array(repeating: UInt64(0), count: Int(($0.upperBound &- $0.lowerBound) / 64 + 1)) }
        for source in symbols.sources {
            source.forEach { symbol in
                guard symbol.kind == .function,
                    let number = text.firstIndex(where: { $0.contains(symbol.address.rawValue) })
                else { return }
                let offset = symbol.address.rawValue &- text[number].lowerBound
                entries[number][Int(offset / 64)] |= 1 << (offset % 64)
            }
        }
        var jumps: [UInt64: [UInt64]] = [:]
        for range in text {
            var start = range.lowerBound
            while start < range.upperBound {
                let count = min(range.upperBound &- start, 1 << 20)
                // Code that cannot be read cannot be shown to be jumped from.
                if let bytes = try? space.read(VirtualAddress(start), count: Int(count)) {
                    scan(bytes, at: start, entries, &jumps)
                }
                // Pieces overlap by the length of a jump.
                start &+= count > 8 ? count &- 5 : count
            }
        }
        return jumps
    }

    /// `e9` and `0f 80` to `0f 8f` with 32 bits behind them (Intel SDM volume 2: JMP, Jcc).
    private func scan(
        _ bytes: ByteSlice, at start: UInt64, _ entries: [[UInt64]], _ jumps: inout [UInt64: [UInt64]]
    ) {
        let text = text
        bytes.withBytes { span in
            var index = 0
            let last = span.byteCount &- 5
            while index <= last {
                let byte = span.u8(index)
                if byte == 0xe9 || byte & 0xf0 == 0x80 && index > 0 && span.u8(index &- 1) == 0x0f,
                    let distance = span.integer(index &+ 1, .little, as: Int32.self)
                {
                    let target = start &+ UInt64(truncatingIfNeeded: index &+ 5) &+ UInt64(bitPattern: Int64(distance))
                    for number in text.indices where text[number].contains(target) {
                        let offset = target &- text[number].lowerBound
                        guard entries[number][Int(offset / 64)] & 1 << (offset % 64) != 0 else { continue }
                        jumps[target, default: []].append(start &+ UInt64(truncatingIfNeeded: index))
                    }
                }
                index &+= 1
            }
        }
    }
}

// Code that the kernel made while it ran: BPF programs, ftrace's trampolines, pages of probed instructions.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Synchronization
internal import Target

/// Names and frames of generated code, as /proc/kallsyms shows it behind the modules (kernel/kallsyms.c), read when a
/// name or an address is first asked for that the tables before do not have.
final class GeneratedCode: Sendable {
    private struct Table {
        /// Ascending by address; none overlap but for what is damaged.
        var symbols: [Symbol] = []
        /// Programs that keep a frame pointer, as all that the JIT makes do.
        var framed: Set<VirtualAddress> = []
        /// Copies of ftrace's caller: where each begins, and the function that it is a copy of.
        var copies: [VirtualAddress: String] = [:]
    }

    private let target: Target
    private let journal: Journal
    private let table = Mutex<Table?>(nil)

    /// More programs and trampolines than any host has.
    private static let most = 1 << 16
    /// A program, and a trampoline, is a few pages long.
    private static let largest: UInt64 = 16 << 20

    /// `target` has the kernel's own sources alone, so that looking for the lists does not ask here.
    init(_ target: Target, journal: Journal) {
        self.target = target
        self.journal = journal
    }

    private var known: Table {
        table.withLock { known in
            if let known { return known }
            let made = read()
            known = made
            return made
        }
    }

    /// Whether generated code is at an address.
    func contains(_ address: VirtualAddress) -> Bool { symbol(covering: address) != nil }

    // MARK: Reading

    private func read() -> Table {
        var table = Table()
        list("bpf_kallsyms", "bpf_ksym", "lnode") { try bpf($0, &table) }
        list("ftrace_ops_trampoline_list", "ftrace_ops", "list") { try trampoline($0, &table) }
        for name in ["kprobe_insn_slots", "kprobe_optinsn_slots"] { probes(name, &table) }
        table.symbols.sort { ($0.address, $0.size) < ($1.address, $1.size) }
        return table
    }

    /// Kernels without the list, or without the type of its nodes, have nothing of the kind or are older than 5.8.
    private func list(_ name: String, _ type: String, _ link: String, _ body: (Value) throws -> Void) {
        guard target.symbols.symbol(named: name) != nil,
            (try? target.types.lookup(.structure, type)).flatMap({ $0 }) != nil
        else { return }
        do { try walk(try target.variable(name), type, link, body) } catch {
            journal.remark("\(name) cannot be listed: \(error)")
        }
    }

    private func walk(_ head: Value, _ type: String, _ link: String, _ body: (Value) throws -> Void) throws {
        var count = 0
        try ListWalk.entries(head, type, link, anomaly: { journal.remark("generated code: \($0)") }) { value in
            count += 1
            guard count <= Self.most else { throw ValueError.absent("more than \(Self.most) entries") }
            do { try body(value) } catch {
                let place = (try? value.address).map { "\($0)" } ?? "?"
                journal.remark("the \(type) at \(place) cannot be read: \(error)")
            }
        }
    }

    private func add(
        _ name: String, _ start: VirtualAddress, _ size: UInt64, _ module: String, _ table: inout Table
    ) -> Bool {
        guard !start.isNull, size > 0, size <= Self.largest,
            start.rawValue.addingReportingOverflow(size).overflow == false
        else { return false }
        table.symbols.append(
            Symbol(name: name, address: start, size: size, kind: .function, binding: .local, module: module))
        return true
    }

    /// `struct bpf_ksym` (5.7, ca4424c920f5): programs, and with `prog` unset trampolines and dispatchers.
    private func bpf(_ value: Value, _ table: inout Table) throws {
        let (start, end) = (try value["start"].pointer(), try value["end"].pointer())
        if add(try value["name"].text(limit: 512), start, end.distance(from: start), "bpf", &table) {
            table.framed.insert(start)
        }
    }

    /// `ftrace_ops.trampoline` (4.0), on its list since 5.9 (fc0ea795f53c). The code is a copy of ftrace's caller
    /// (create_trampoline, arch/x86/kernel/ftrace.c).
    private func trampoline(_ value: Value, _ table: inout Table) throws {
        let start = try value["trampoline"].pointer()
        guard add("ftrace_trampoline", start, try value["trampoline_size"].unsigned(), "__builtin__ftrace", &table)
        else {
            return
        }
        let saves = (try? value["flags"].unsigned()).map { $0 & Self.savesRegisters != 0 } ?? false
        table.copies[start] = saves ? "ftrace_regs_caller" : "ftrace_caller"
    }

    /// `FTRACE_OPS_FL_SAVE_REGS` (include/linux/ftrace.h), bit 2 since 4.13.
    private static let savesRegisters: UInt64 = 1 << 2

    /// Pages of `struct kprobe_insn_cache`, which says what its symbols are called.
    private func probes(_ name: String, _ table: inout Table) {
        guard target.symbols.symbol(named: name) != nil, let cache = try? target.variable(name), cache.has("sym") else {
            return
        }
        do {
            let symbol = try cache["sym"].text(limit: 128)
            var pages: [VirtualAddress] = []
            try walk(try cache["pages"], "kprobe_insn_page", "list") { pages.append(try $0["insns"].pointer()) }
            for page in pages { _ = add(symbol, page, 4096, "__builtin__kprobes", &table) }
        } catch {
            journal.remark("\(name) cannot be listed: \(error)")
        }
    }
}

extension GeneratedCode: SymbolSource {
    func symbols(named name: String) -> [Symbol] { known.symbols.filter { $0.name == name } }

    func symbol(covering address: VirtualAddress) -> Symbol? {
        let symbols = known.symbols
        var (low, high) = (0, symbols.count)
        while low < high {
            let middle = (low + high) / 2
            if symbols[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, address.distance(from: symbols[low - 1].address) < symbols[low - 1].size else { return nil }
        return symbols[low - 1]
    }

    func forEach(_ body: (Symbol) throws -> Void) rethrows {
        for symbol in known.symbols { try body(symbol) }
    }
}

extension GeneratedCode: UnwindSource {
    func row(at address: VirtualAddress) throws -> UnwindRow? {
        guard let symbol = symbol(covering: address) else { return nil }
        let table = known
        if table.framed.contains(symbol.address) {
            return UnwindRow(
                kind: .framePointer, cfa: .register(RegisterNumber(6), offset: 16), registers: [:],
                isSignalFrame: false, source: "frame pointer")
        }
        guard let original = table.copies[symbol.address], let code = target.symbols.symbol(named: original) else {
            return nil
        }
        let same = code.address.advanced(by: address.distance(from: symbol.address))
        for file in target.debug {
            for source in file.sources.unwind { if let row = try source.row(at: same) { return row } }
        }
        return nil
    }
}

// What a kernel says of itself in its own memory: kallsyms, BTF and ORC, for dumps without a symbol file.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Memory
internal import Target

/// Reads the kernel's own tables through its page tables.
struct MemorySources {
    let space: AddressSpace
    let ground: Ground
    let journal: Journal

    /// The sources that the kernel's memory holds. Throws when there are no symbols, without which nothing works.
    func load() throws -> DebugSources {
        let symbols = try ground.kallsyms ?? kallsyms()
        journal.note("kallsyms: \(symbols.count) symbols" + (symbols.remark.map { "; " + $0 } ?? ""))
        var sources = DebugSources(name: "the kernel's own kallsyms, BTF and ORC", symbols: symbols)
        do {
            let btf = try btf(symbols)
            let types = KernelBTF(btf, symbols: symbols)
            sources.types = types
            sources.variables = types
            journal.note("BTF: \(btf.endID - 1) types" + (btf.remark.map { "; \($0)" } ?? ""))
            let graph = TypeGraph()
            graph.add(btf)
            if let orc = orc(symbols, graph) { sources.unwind = [orc] }
        } catch {
            journal.note("BTF cannot be used: \(error)")
        }
        return sources
    }

    private var info: VMCoreInfo? { ground.info }

    private func read(_ address: VirtualAddress, _ count: UInt64) throws -> ByteSlice {
        guard let size = Int(exactly: count), size < 1 << 28 else {
            throw ValueError.absent("a table of \(count) bytes at \(address)")
        }
        return try space.read(address, count: size)
    }

    /// The tables that VMCOREINFO names (5fd8fea935a1, 6.0).
    private func kallsyms() throws -> Kallsyms {
        guard let names = info?.symbol("kallsyms_names"), let number = info?.symbol("kallsyms_num_syms"),
            let tokens = info?.symbol("kallsyms_token_table"), let index = info?.symbol("kallsyms_token_index")
        else {
            // Before 6.0 it does not say. The image is the first place to look, and all memory the second.
            let image = try? space.translate(VirtualAddress((info?.symbol("_stext")?.rawValue ?? 0) & ~0xfff))
            let search = KallsymsSearch(memory: space.memory)
            guard let hit = image.flatMap({ search.find(from: $0) }) ?? search.find() else {
                throw OpeningError("kallsyms is nowhere in memory")
            }
            journal.note("VMCOREINFO does not name kallsyms; its token table is around \(hit.place)")
            return hit.symbols
        }
        let count = try space.unsigned(number, size: 4)
        guard count > 0, count < 1 << 24, tokens > names else { throw OpeningError("kallsyms_num_syms is \(count)") }
        var tables = KallsymsTables(
            count: Int(count), names: try read(names, tokens.distance(from: names)),
            tokens: try read(tokens, index.distance(from: tokens)), tokenIndex: try read(index, 512), offsets: .empty,
            relativeBase: 0)
        if let offsets = info?.symbol("kallsyms_offsets"), let base = info?.symbol("kallsyms_relative_base") {
            tables.offsets = try read(offsets, count * 4)
            tables.relativeBase = try space.word(base)
        } else if let addresses = info?.symbol("kallsyms_addresses") {
            tables.offsets = try read(addresses, count * 8)
            tables.isAbsolute = true
        } else {
            throw OpeningError("VMCOREINFO names no addresses of kallsyms")
        }
        return try Kallsyms(tables)
    }

    /// Types and variables of the kernel's own BTF, for a kernel whose symbols come from a file; nil when it has none
    /// or it is damaged.
    func types(_ symbols: any SymbolSource) -> DebugSources? {
        do {
            let btf = try btf(symbols)
            if let remark = btf.remark { throw remark }
            let types = KernelBTF(btf, symbols: symbols)
            return DebugSources(name: "the kernel's own BTF (\(btf.endID - 1) types)", types: types, variables: types)
        } catch {
            journal.note("BTF cannot be used: \(error)")
            return nil
        }
    }

    private func btf(_ symbols: any SymbolSource) throws -> BTFTypes {
        guard let start = symbols.symbols(named: "__start_BTF").first?.address,
            let stop = symbols.symbols(named: "__stop_BTF").first?.address
        else { throw OpeningError("kallsyms has no __start_BTF: the kernel was built without BTF") }
        return try BTFTypes(try read(start, stop.distance(from: start)))
    }

    /// The kernel's ORC table as it is in memory: sorted, and with what was patched at run time. Nil, with the reason
    /// in the journal, when there is none or it cannot be used.
    func orc(_ symbols: any SymbolSource, _ types: TypeGraph) -> ORCTable? {
        func address(_ name: String) -> VirtualAddress? { symbols.symbols(named: name).first?.address }
        guard let places = address("__start_orc_unwind_ip"), let placesEnd = address("__stop_orc_unwind_ip"),
            let entries = address("__start_orc_unwind"), let entriesEnd = address("__stop_orc_unwind")
        else {
            journal.note("no symbol __start_orc_unwind: the kernel was built without ORC")
            return nil
        }
        let header = address("__start_orc_header").flatMap { try? space.read($0, count: 20) }
        let decided = ORCFormat.decide(members: ORCFormat.EntryMembers(types), header: header)
        journal.note("ORC: \(decided.why)")
        guard let format = decided.format else { return nil }
        do {
            return ORCTable(
                places: try read(places, placesEnd.distance(from: places)), at: places,
                entries: try read(entries, entriesEnd.distance(from: entries)), format: format)
        } catch {
            journal.note("ORC cannot be read: \(error)")
            return nil
        }
    }
}

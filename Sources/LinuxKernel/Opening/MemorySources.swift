// What a kernel says of itself in its own memory: kallsyms, BTF and ORC, for dumps without a symbol file.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Memory
internal import Target

/// Reads the kernel's own tables through its page tables.
struct MemorySources: Sendable {
    let space: AddressSpace
    let ground: Ground
    let journal: Journal
    /// BTF in a file that the user named.
    var given: TypeFile?
    /// BTF in the symbol file: for a kernel whose own cannot be read.
    var ofImage: TypeFile?

    /// The sources that the kernel's memory holds. Throws when there are no symbols, without which nothing works.
    func load() throws -> DebugSources {
        let symbols = try ground.kallsyms ?? kallsyms()
        journal.note("kallsyms: \(symbols.count) symbols")
        for remark in symbols.remarks { journal.remark(remark) }
        var sources = DebugSources(name: "the kernel's own kallsyms, BTF and ORC", symbols: symbols)
        do {
            let btf = try btf(SymbolTable([symbols]))
            let types = KernelBTF(btf, symbols: symbols)
            sources.types = types
            sources.variables = types
            journal.note("BTF: \(btf.count) types")
            for remark in btf.remarks { journal.remark(remark) }
            let graph = TypeGraph()
            graph.add(btf)
            sources.unwind = unwinding(symbols, graph)
        } catch {
            journal.remark("BTF cannot be used, so that types are unknown: \(error)")
        }
        return sources
    }

    private var info: VMCoreInfo? { ground.info }

    private func read(_ address: VirtualAddress, _ count: UInt64) throws -> ByteSlice {
        guard let size = Int(exactly: count), size < 1 << 26 else {
            throw ValueError.absent("a table of \(count) bytes at \(address)")
        }
        return try space.read(address, count: size)
    }

    /// The tables that VMCOREINFO names (5fd8fea935a1, 6.0).
    private func kallsyms() throws -> Kallsyms {
        guard let names = info?.symbol("kallsyms_names"), let number = info?.symbol("kallsyms_num_syms"),
            let tokens = info?.symbol("kallsyms_token_table"), let index = info?.symbol("kallsyms_token_index")
        else {
            return try search()
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
    func types(_ symbols: any SymbolSource, evenDamaged: Bool = false) -> DebugSources? {
        do {
            let btf = try btf(SymbolTable([symbols]))
            for remark in btf.remarks { journal.remark(remark) }
            if !btf.remarks.isEmpty, !evenDamaged { return nil }
            let types = KernelBTF(btf, symbols: symbols)
            return DebugSources(name: "the kernel's BTF (\(btf.count) types)", types: types, variables: types)
        } catch {
            journal.note("the kernel's own BTF cannot be used: \(error)")
            return nil
        }
    }

    /// Before 6.0 VMCOREINFO does not say where they are. The image is the first place to look, and all memory the
    /// second; tables whose `_stext` is elsewhere are an earlier kernel's.
    private func search() throws -> Kallsyms {
        let text = info?.symbol("_stext")
        let image = text.flatMap { try? space.translate(VirtualAddress($0.rawValue & ~0xfff)) }
        let search = KallsymsSearch(memory: space.memory)
        var found: Kallsyms?
        for start in [image, PhysicalAddress(0)].compactMap({ $0 }) where found == nil {
            search.find(from: start) { symbols, place in
                if let text, let own = symbols.symbols(named: "_stext").first, own.address != text {
                    journal.note("the kallsyms around \(place) are not the running kernel's")
                    return false
                }
                journal.note("VMCOREINFO does not name kallsyms; its token table is around \(place)")
                found = symbols
                return true
            }
        }
        if let remark = search.remark { journal.note(remark) }
        guard let found else { throw OpeningError("kallsyms is nowhere in memory") }
        return found
    }

    /// The kernel's BTF: as the file that the user named has it, unless the kernel's memory shows that it is another
    /// kernel's; else from memory; else from the symbol file, when memory has none or only a damaged one.
    func btf(_ symbols: SymbolTable) throws -> BTFTypes {
        if let given, let types = try accepted(given, symbols) { return types }
        guard let ofImage else { return try inMemory(symbols) }
        let problem: String
        do {
            let own = try inMemory(symbols)
            guard let remark = own.remarks.first else { return own }
            problem = remark
        } catch {
            problem = "\(error)"
        }
        journal.note("the kernel's own BTF cannot be used: \(problem); BTF of \(ofImage.path) is")
        return try BTFTypes(ofImage.bytes)
    }

    /// The BTF of the kernel's image.
    private func inMemory(_ symbols: SymbolTable) throws -> BTFTypes {
        if symbols.symbol(named: "__start_BTF") != nil { return try BTFTypes(blob(symbols)) }
        // Without CONFIG_KALLSYMS_ALL, or with a damaged table of names, nothing names the place.
        guard let found = BTFSearch(space: space).find() else {
            throw OpeningError("no symbol __start_BTF, and no BTF in the image: the kernel was built without it")
        }
        journal.note("no symbol __start_BTF; BTF is in the image at \(found.place)")
        return found.types
    }

    /// What lies between the symbols that bound the kernel's BTF.
    private func blob(_ symbols: SymbolTable) throws -> ByteSlice {
        guard let start = symbols.symbol(named: "__start_BTF")?.address,
            let stop = symbols.symbol(named: "__stop_BTF")?.address
        else { throw OpeningError("kallsyms has no __start_BTF: the kernel was built without BTF") }
        return try read(start, stop.distance(from: start))
    }

    /// The types of a file of BTF, which no build-id ties to this kernel: its bytes have to be those in memory. Nil when
    /// they are not. Where memory cannot tell, it is believed.
    private func accepted(_ file: TypeFile, _ symbols: SymbolTable) throws -> BTFTypes? {
        let own = try? blob(symbols)
        let isEqual = own.map { $0.count == file.bytes.count && $0.hasBytes(file.bytes.array) } ?? false
        let isSound = own.flatMap { try? BTFTypes($0) }?.remarks.isEmpty ?? false
        if !isEqual, isSound, !file.isForced {
            journal.remark("\(file.path) was not used: it is not the BTF in the kernel's memory (--force takes it)")
            return nil
        }
        do {
            let types = try BTFTypes(file.bytes)
            journal.note(
                "BTF of \(file.path): "
                    + (isEqual
                        ? "equal to the kernel's own"
                        : isSound ? "taken by force" : "not verified, the kernel's own cannot be read"))
            return types
        } catch {
            journal.remark("\(file.path) was not used: \(error)")
            return nil
        }
    }

    /// The kernel's ORC; of a kernel without it, its frame pointers.
    func unwinding(_ symbols: any SymbolSource, _ types: TypeGraph) -> [any UnwindSource] {
        if let orc = orc(symbols, types) { return [orc] }
        return framePointers(symbols).map { [$0] } ?? []
    }

    /// Nil, with the reason in the journal, when the kernel has none.
    func framePointers(_ symbols: any SymbolSource) -> FramePointers? {
        guard symbols.symbols(named: "__start_orc_unwind_ip").isEmpty else { return nil }
        guard let pointers = FramePointers(space, symbols) else {
            journal.note("nor do its functions keep frame pointers: stacks cannot be followed")
            return nil
        }
        journal.note("its functions keep frame pointers: stacks are followed by them")
        return pointers
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
            let table = ORCTable(
                places: try read(places, placesEnd.distance(from: places)), at: places,
                entries: try read(entries, entriesEnd.distance(from: entries)), format: format, isFinal: true)
            if let remark = table.remark { journal.remark(remark) }
            return table
        } catch {
            journal.remark("ORC cannot be read: \(error)")
            return nil
        }
    }
}

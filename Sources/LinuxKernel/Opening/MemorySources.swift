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
        var sources = DebugSources(name: "the kernel's own kallsyms", symbols: symbols)
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
            journal.remark(
                "types are unknown, so that tasks, CPUs, modules, memory and locks cannot be told without the kernel's "
                    + "vmlinux (-s FILE): its BTF cannot be used: \(error)")
            if let types = info.flatMap({ VMCoreInfoTypes($0) }) {
                sources.types = types
                journal.note("the structures of the log by VMCOREINFO")
            }
            // The header alone tells the layout of ORC entries since 6.3, and before that the entries do.
            sources.unwind = unwinding(symbols, TypeGraph())
        }
        let unwinds = sources.unwind.first.map { $0 is ORCTable ? "ORC" : "frame pointers" }
        let parts = ["kallsyms"] + (sources.types is KernelBTF ? ["BTF"] : []) + (unwinds.map { [$0] } ?? [])
        let all = parts.dropLast().joined(separator: ", ") + (parts.count > 1 ? " and " : "") + (parts.last ?? "")
        sources.name = "the kernel's own \(all)"
        return sources
    }

    private var info: VMCoreInfo? { ground.info }

    private func read(_ address: VirtualAddress, _ count: UInt64) throws -> ByteSlice {
        guard let size = Int(exactly: count), size < 1 << 26 else {
            throw ValueError.absent("a table of \(count) bytes at \(address)")
        }
        return try space.read(address, count: size)
    }

    /// The same where some pages may be missing: they are zeros, and holes. Throws when there is not one.
    private func readPartly(_ address: VirtualAddress, _ count: UInt64, _ what: String) throws -> (ByteSlice, Holes) {
        if let whole = try? read(address, count) { return (whole, Holes()) }
        guard let size = Int(exactly: count), size < 1 << 26 else { return (try read(address, count), Holes()) }
        var bytes: [UInt8] = []
        var holes: [Range<Int>] = []
        var fault: (any Error)?
        while bytes.count < size {
            let place = address.advanced(by: UInt64(bytes.count))
            let room = min(size - bytes.count, 4096 - Int(place.rawValue & 4095))
            do throws(MemoryFault) { bytes += try space.read(place, count: room).array } catch {
                fault = fault ?? error
                if holes.last?.upperBound == bytes.count, let last = holes.popLast() {
                    holes.append(last.lowerBound..<bytes.count + room)
                } else {
                    holes.append(bytes.count..<bytes.count + room)
                }
                bytes += [UInt8](repeating: 0, count: room)
            }
        }
        let all = Holes(holes)
        guard all.count < size, let fault else {
            throw OpeningError("\(what) cannot be read" + (fault.map { ": \($0)" } ?? ""))
        }
        journal.remark("\(all.count) of \(size) bytes of \(what) cannot be read, the first: \(fault)")
        return (ByteSlice(bytes, name: what), all)
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
        let (nameBytes, nameHoles) = try readPartly(names, tokens.distance(from: names), "kallsyms_names")
        let (tokenBytes, tokenHoles) = try readPartly(tokens, index.distance(from: tokens), "kallsyms_token_table")
        var tables = KallsymsTables(
            count: Int(count), names: nameBytes, tokens: tokenBytes, tokenIndex: (try? read(index, 512)) ?? .empty,
            offsets: .empty, relativeBase: 0)
        tables.nameHoles = nameHoles
        tables.tokenHoles = tokenHoles
        if tables.tokenIndex.isEmpty { journal.remark("kallsyms_token_index cannot be read") }
        if let offsets = info?.symbol("kallsyms_offsets") {
            (tables.offsets, tables.offsetHoles) = try readPartly(offsets, count * 4, "kallsyms_offsets")
            if let base = info?.symbol("kallsyms_relative_base") {
                tables.relativeBase = try space.word(base)
            } else {
                tables.offsetsAddress = offsets
            }
        } else if let addresses = info?.symbol("kallsyms_addresses") {
            (tables.offsets, tables.offsetHoles) = try readPartly(addresses, count * 8, "kallsyms_addresses")
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
        if symbols.symbol(named: "__start_BTF") != nil {
            let (bytes, holes) = try blob(symbols)
            return try BTFTypes(bytes, holes: holes)
        }
        // Without CONFIG_KALLSYMS_ALL, or with a damaged table of names, nothing names the place.
        guard let found = BTFSearch(space: space).find() else {
            throw OpeningError("no symbol __start_BTF, and no BTF in the image: the kernel was built without it")
        }
        journal.note("no symbol __start_BTF; BTF is in the image at \(found.place)")
        return found.types
    }

    /// What lies between the symbols that bound the kernel's BTF.
    private func blob(_ symbols: SymbolTable) throws -> (ByteSlice, Holes) {
        guard let start = symbols.symbol(named: "__start_BTF")?.address,
            let stop = symbols.symbol(named: "__stop_BTF")?.address
        else { throw OpeningError("kallsyms has no __start_BTF: the kernel was built without BTF") }
        return try readPartly(start, stop.distance(from: start), "BTF")
    }

    /// The types of a file of BTF, which no build-id ties to this kernel: its bytes have to be those in memory. Nil when
    /// they are not. Where memory cannot tell, it is believed.
    private func accepted(_ file: TypeFile, _ symbols: SymbolTable) throws -> BTFTypes? {
        let own = (try? blob(symbols)).flatMap { $0.1.isEmpty ? $0.0 : nil }
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

    /// How the kernel's ORC entries are laid out, and those of its modules: as its own are.
    func orcFormat(_ symbols: SymbolTable, _ types: TypeGraph) -> (format: ORCFormat?, why: String) {
        func address(_ name: String) -> VirtualAddress? { symbols.symbol(named: name)?.address }
        let header = address("__start_orc_header").flatMap { try? space.read($0, count: 20) }
        let members = ORCFormat.EntryMembers(types)
        // The first few thousand are enough to see how registers are numbered; for the layout rare ones count too.
        var count = 6 * 4096
        if members == nil, header == nil, let start = address("__start_orc_unwind"),
            let end = address("__stop_orc_unwind")
        {
            count = Int(clamping: min(end.distance(from: start), 1 << 25))
        }
        let entries = address("__start_orc_unwind").flatMap { try? space.read($0, count: count) }
        return ORCFormat.decide(members: members, header: header, entries: entries)
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
        let decided = orcFormat(SymbolTable([symbols]), types)
        journal.note("ORC: \(decided.why)")
        guard let format = decided.format else { return nil }
        do {
            let (said, saidHoles) = try readPartly(entries, entriesEnd.distance(from: entries), "__start_orc_unwind")
            let (rows, rowHoles) = try readPartly(places, placesEnd.distance(from: places), "__start_orc_unwind_ip")
            let table = ORCTable(
                places: rows, at: places, entries: said, format: format, isFinal: true, placeHoles: rowHoles,
                entryHoles: saidHoles)
            if let remark = table.remark { journal.remark(remark) }
            return table
        } catch {
            journal.remark("ORC cannot be read: \(error)")
            return nil
        }
    }
}

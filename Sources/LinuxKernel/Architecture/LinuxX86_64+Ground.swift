// Finds the image in physical memory and its KASLR offset, from VMCOREINFO or from memory itself.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

extension LinuxX86_64 {
    /// Tables of this many kernels are looked into.
    private static let mostCopies = 8

    /// One way in which the image may lie: PA = VA - imageMap + physicalBase.
    private struct Candidate {
        let offset: UInt64
        let physicalBase: UInt64
        let source: String
    }

    func ground(
        _ specimen: Specimen, _ info: VMCoreInfo?, _ image: (any KernelImage)?, alone: Ground?, _ journal: Journal
    ) throws -> Ground {
        let memory = specimen.memory
        if let alone, let image, let tables = alone.pageTable as? LinuxX86_64LinearTables {
            let candidate = Candidate(
                offset: alone.offset, physicalBase: tables.physicalBase, source: "as found without a file")
            if let ground = settle(candidate, info, image, nil, memory, journal) { return ground }
            throw OpeningError("the kernel of \(image.path) is not the one in this dump")
        }
        if let info, let candidate = candidate(info, "VMCOREINFO"),
            let ground = settle(candidate, info, image, nil, memory, journal)
        {
            return ground
        }
        if info != nil { journal.note("VMCOREINFO does not lead to the kernel; looking for it in memory") }
        let sweep = MemorySweep(memory: memory, progress: journal.progress)
        var found: Ground?
        let search = KallsymsSearch(memory: memory)
        var copies = 0
        let banner = image.flatMap { ImageBanner($0) }
        sweep.run { page, base in
            if let note = VMCoreInfo(noteIn: page),
                let candidate = candidate(note, "a VMCOREINFO note in memory at \(base)")
            {
                found = settle(candidate, note, image, nil, memory, journal)
            }
            if found == nil, let candidate = banner?.candidate(in: page, base, memory) {
                found = settle(candidate, info, image, nil, memory, journal)
            }
            guard found == nil, image == nil, copies < Self.mostCopies else { return found == nil }
            // Free memory may hold the tables of an earlier kernel: only those are taken that lead to page tables.
            let isOver = search.look(at: page, base) { symbols, place in
                journal.note("no note leads to the kernel; kallsyms in memory, its token table around \(place)")
                found = searchBanner(symbols, around: place, memory, sweep) { candidate in
                    settle(candidate, info, nil, symbols, memory, journal)
                }
                if found == nil { journal.note("the kallsyms around \(place) are not the running kernel's") }
                copies += 1
                return found != nil || copies == Self.mostCopies
            }
            if isOver, found == nil { copies = Self.mostCopies }
            return found == nil
        }
        if let remark = search.remark { journal.note(remark) }
        journal.note(sweep.cost)
        if let found { return withOwnNote(found, memory) }
        if let image {
            throw OpeningError("the kernel of \(image.path) is not in this dump: its linux_banner is nowhere in memory")
        }
        throw OpeningError(
            "the kernel was not found in memory: no VMCOREINFO, no kallsyms, and no vmlinux (-s) to look for")
    }

    /// A kernel that its kallsyms led to has a note all the same: it says which build this is.
    private func withOwnNote(_ ground: Ground, _ memory: any PhysicalMemory) -> Ground {
        guard ground.info == nil, let kallsyms = ground.kallsyms,
            let pointer = kallsyms.symbols(named: "vmcoreinfo_data").first?.address
        else { return ground }
        let space = AddressSpace(memory: memory, translation: ground.pageTable)
        guard let text = try? space.read(VirtualAddress(space.word(pointer)), count: 4096) else { return ground }
        let info = VMCoreInfo(text)
        guard info.release != nil, info.symbol("_stext") == kallsyms.symbols(named: "_stext").first?.address else {
            return ground
        }
        return Ground(offset: ground.offset, pageTable: ground.pageTable, info: info, kallsyms: kallsyms)
    }

    private func candidate(_ info: VMCoreInfo, _ source: String) -> Candidate? {
        guard let base = info.number("phys_base") else { return nil }
        return Candidate(
            offset: info.kernelOffset ?? 0, physicalBase: UInt64(bitPattern: base), source: source)
    }

    /// Where an image address is in physical memory.
    private func physical(_ address: UInt64, _ candidate: Candidate) -> PhysicalAddress {
        PhysicalAddress(address &- Self.imageMap &+ candidate.physicalBase)
    }

    /// Checks a candidate against the image's banner and the page tables, and makes the ground from it.
    private func settle(
        _ candidate: Candidate, _ info: VMCoreInfo?, _ image: (any KernelImage)?, _ kallsyms: Kallsyms?,
        _ memory: any PhysicalMemory, _ journal: Journal
    ) -> Ground? {
        func runtime(_ symbol: String) -> UInt64? {
            if let kallsyms { return kallsyms.symbols(named: symbol).first?.address.rawValue }
            return image?.address(of: symbol).map { $0.rawValue &+ candidate.offset }
        }
        func number(_ symbol: String, _ size: Int) -> UInt64? {
            guard let address = runtime(symbol) else { return nil }
            let bytes = try? memory.read(physical(address, candidate), count: size)
            return bytes.map { slice in
                slice.array.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
            }
        }
        if let image, let address = image.address(of: "linux_banner"),
            let expected = image.bytes(at: address, count: 64)
        {
            let place = physical(address.rawValue &+ candidate.offset, candidate)
            let found = Result { try memory.read(place, count: 64).array }
            // Where the dump ends before the banner, equal build-ids are the proof.
            let isMissing = if case .failure = found { info?.buildID == image.buildID } else { false }
            guard isMissing || (try? found.get()) == expected.array else {
                journal.note("\(candidate.source): the banner of \(image.path) is not at \(place)")
                return nil
            }
        }
        // swapper_pg_dir is a macro for init_top_pgt on x86-64; VMCOREINFO names both.
        let symbol = info?.symbol("swapper_pg_dir") ?? info?.symbol("init_top_pgt")
        guard let top = runtime("init_top_pgt") ?? symbol?.rawValue else {
            journal.note("\(candidate.source): nothing says where init_top_pgt is")
            return nil
        }
        let five = info?.number("pgtable_l5_enabled").map { $0 != 0 } ?? (number("__pgtable_l5_enabled", 4) ?? 0 != 0)
        let mask = info?.number("sme_mask").map { UInt64(bitPattern: $0) } ?? number("sme_me_mask", 8) ?? 0
        let table = X86_64PageTable(
            memory: memory, root: physical(top, candidate), levels: five ? 5 : 4, encryptionMask: mask)
        let usual: UInt64 = five ? 0xff11_0000_0000_0000 : 0xffff_8880_0000_0000
        let direct = number("page_offset_base", 8) ?? (image != nil && candidate.offset == 0 ? usual : nil)
        do throws(MemoryFault) {
            guard try table.translate(VirtualAddress(top)).start == physical(top, candidate) else {
                journal.note("\(candidate.source): the page tables at \(table.root) do not map themselves")
                return nil
            }
        } catch {
            guard case .notSaved = error, image != nil else {
                journal.note("\(candidate.source): the page tables at \(table.root) do not map themselves: \(error)")
                return nil
            }
            // The banner was where it must be: this is the kernel, and the dump lacks its page tables.
            journal.remark(
                "page tables of the kernel are not in the dump (\(error)): its image"
                    + (direct == nil ? " is" : " and the direct map are") + " read as they were laid out at boot")
        }
        let pageTable = LinuxX86_64LinearTables(
            table: table, physicalBase: candidate.physicalBase, directMap: direct)
        journal.note(
            "kernel at offset 0x\(hex(candidate.offset)), phys_base 0x\(hex(candidate.physicalBase)), \(table.levels)-level page tables at \(table.root): \(candidate.source)"
        )
        return Ground(offset: candidate.offset, pageTable: pageTable, info: info, kallsyms: kallsyms)
    }

    /// Looks for the banner of a kernel of which only kallsyms is known, at its place within the page: the words that
    /// every banner begins with, and `phys_base` where it then must be. The image is one piece of physical memory, so
    /// that the banner is no farther from `place`, which lies in it too, than the image is long.
    private func searchBanner(
        _ symbols: Kallsyms, around place: PhysicalAddress, _ memory: any PhysicalMemory, _ sweep: MemorySweep,
        accept: (Candidate) -> Ground?
    ) -> Ground? {
        func address(_ name: String) -> UInt64? { symbols.symbols(named: name).first?.address.rawValue }
        guard let banner = address("linux_banner"), let variable = address("phys_base") else { return nil }
        let text = Array("Linux version ".utf8)
        let start = address("_text") ?? address("_stext") ?? Self.imageMap
        let length = min((address("_end") ?? .max) &- start, Self.imageSize)
        let low = PhysicalAddress(place.rawValue - min(place.rawValue, length)).pageStart(memory.pageSize)
        var found: Ground?
        sweep.run(from: low, to: place.advanced(by: length)) { page, base in
            let within = banner & UInt64(memory.pageSize - 1)
            guard page.hasBytes(text, at: Int(within)) else { return true }
            let physicalBase = base.rawValue &+ within &- (banner &- Self.imageMap)
            let at = PhysicalAddress(variable &- Self.imageMap &+ physicalBase)
            guard let value = try? memory.word(at: at), value == physicalBase else { return true }
            found = accept(
                Candidate(
                    // The image is linked at 16 MiB (CONFIG_PHYSICAL_START) above the map; the rest is KASLR's.
                    offset: address("_text").map { $0 &- (Self.imageMap &+ 0x100_0000) } ?? 0,
                    physicalBase: physicalBase,
                    source: "linux_banner in memory at \(base.advanced(by: within)) and phys_base beside it"))
            return found == nil
        }
        return found
    }

    /// The banner of an image, to be looked for in memory. The image moves by whole 2 MiB in virtual and physical
    /// memory, so that the banner keeps its place within its page: one comparison a page.
    private struct ImageBanner {
        private let banner: UInt64
        private let text: [UInt8]
        private let base: UInt64

        init?(_ image: any KernelImage) {
            guard let banner = image.address(of: "linux_banner"),
                let text = image.bytes(at: banner, count: 48)?.array, let base = image.address(of: "phys_base")
            else { return nil }
            (self.banner, self.text, self.base) = (banner.rawValue, text, base.rawValue)
        }

        func candidate(in page: ByteSlice, _ start: PhysicalAddress, _ memory: any PhysicalMemory) -> Candidate? {
            let within = banner & UInt64(memory.pageSize - 1)
            let place = start.advanced(by: within)
            // A banner may go on in the next page.
            guard page[Int(within)] == text.first, let found = try? memory.read(place, count: text.count),
                found.hasBytes(text)
            else { return nil }
            // PA - (link address - imageMap) = offset + phys_base; the variable itself says which part is which.
            let shift = place.rawValue &- (banner &- imageMap)
            guard let physicalBase = try? memory.word(at: PhysicalAddress((base &- imageMap) &+ shift)) else {
                return nil
            }
            let offset = shift &- physicalBase
            guard offset % alignment == 0, offset < imageSize else { return nil }
            return Candidate(
                offset: offset, physicalBase: physicalBase,
                source: "linux_banner in memory at \(place) and phys_base beside it")
        }
    }
}

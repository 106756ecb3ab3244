import Bytes
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

private let image: UInt64 = 0xffff_ffff_8100_0000

private func names(_ order: KallsymsBuilder.Order, base: UInt64 = image) -> KallsymsBuilder {
    var builder = KallsymsBuilder()
    builder.order = order
    builder.relativeBase = base
    builder.add("D", "runqueues", 0x1a40)
    builder.add("T", "_stext", base)
    for index in 0..<700 { builder.add("t", "function_number_\(index)", base + 64 + UInt64(index) * 16) }
    return builder
}

/// Physical memory with tables at each place.
private func memory(_ parts: [(at: UInt64, bytes: [UInt8])]) -> any PhysicalMemory {
    var builder = PhysicalMemoryBuilder()
    for part in parts { builder.write(part.bytes, at: PhysicalAddress(part.at)) }
    return builder.build()
}

private func found(_ memory: any PhysicalMemory) -> [Kallsyms] {
    var all: [Kallsyms] = []
    KallsymsSearch(memory: memory).find { symbols, _ in
        all.append(symbols)
        return false
    }
    return all
}

@Suite struct KallsymsSearchTests {
    @Test("tables are found wherever they lie, in either order", arguments: KallsymsBuilder.Order.allCases)
    func places(_ order: KallsymsBuilder.Order) throws {
        let built = names(order).build()
        // The ten digits at every place around the end of a page, in steps of a label.
        let digits = try #require(
            (0..<built.bytes.count).first { built.bytes[$0...].starts(with: Array("0\u{0}1\u{0}2\u{0}".utf8)) })
        for shift in stride(from: -24, through: 24, by: 8) {
            let start = UInt64(0x20_0000 + (4096 - digits % 4096) + shift + 4096) & ~7
            let all = found(memory([(start, built.bytes)]))
            #expect(all.count == 1, "shift \(shift)")
            #expect(all.first?.count == 702)
            let address = all.first?.symbols(named: "function_number_699").first?.address
            #expect(address?.rawValue == image + 64 + 699 * 16)
        }
    }

    @Test func offsetsFromTheirOwnPlacesNeedNoBase() throws {
        // The image at 32 MiB, the tables 1 MiB into it: as virtual addresses they are higher by what phys_base says.
        let physical: UInt64 = 0x200_0000
        let physicalBase = physical &- (image &- 0xffff_ffff_8000_0000)
        var builder = KallsymsBuilder()
        builder.placeRelative = image + 0x10_0000
        builder.add("T", "_text", image)
        for index in 0..<700 { builder.add("t", "function_number_\(index)", image + 64 + UInt64(index) * 16) }
        builder.add("D", "phys_base", image + 0x8000)
        let word = (0..<8).map { UInt8(truncatingIfNeeded: physicalBase >> UInt64(8 * $0)) }
        let all = found(memory([(physical + 0x8000, word), (physical + 0x10_0000, builder.build().bytes)]))
        #expect(all.count == 1)
        #expect(all.first?.symbols(named: "_text").first?.address.rawValue == image)
        #expect(all.first?.symbols(named: "function_number_699").first?.address.rawValue == image + 64 + 699 * 16)
    }

    @Test func copiesThatDoNotHoldTogetherAreLeftOut() throws {
        let built = names(.namesFirst).build()
        var noIndex = built.bytes
        noIndex[built["token_index"] + 300] ^= 0x40
        var noMarkers = built.bytes
        noMarkers[built["markers"] + 4] ^= 1
        var noBase = built.bytes
        noBase[built["relative_base"] + 7] = 0
        let digits = [UInt8](repeating: 0, count: 2048) + (0..<4).flatMap { _ in (0x30...0x39).flatMap { [$0, 0] } }
        let all = found(
            memory([
                (0x10_0000, digits), (0x20_0000, noIndex), (0x30_0000, noMarkers), (0x40_0000, noBase),
                (0x50_0000, Array(built.bytes.prefix(built["token_index"] + 100))),
                (0x60_0000, names(.offsetsFirst, base: image + 0x20_0000).build().bytes), (0x70_0000, built.bytes),
            ]))
        #expect(all.map { $0.symbols(named: "_stext").first?.address.rawValue } == [image + 0x20_0000, image])
    }

    @Test func memoryFullOfDigitsEndsTheSearch() {
        var page: [UInt8] = []
        while page.count < 4096 { page += (0x30...0x39).flatMap { [UInt8($0), 0] } }
        let pages = (0..<200).map { (at: UInt64($0) * 4096, bytes: Array(page.prefix(4096))) }
        let search = KallsymsSearch(memory: memory(pages))
        var count = 0
        search.find { _, _ in
            count += 1
            return false
        }
        #expect(count == 0 && search.remark != nil)
    }

    @Test func memoryFullOfShortNamesEndsTheSearch() throws {
        let built = names(.namesFirst).build()
        // Before real tokens: numbers that are believable counts, whose bytes are also names without end.
        var before: [UInt8] = []
        while before.count < 4 << 20 {
            before += [0x00, 0x10, 0x01, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 4088)
        }
        let tail = Array(built.bytes[built["token_table"]...])
        let clock = ContinuousClock()
        let spent = clock.measure { #expect(found(memory([(0x40_0000, before + tail)])).isEmpty) }
        #expect(spent < .seconds(60))
    }
}

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct OwnTablesTests {
    /// A dump that every set of fixtures has.
    private static let dump = RealDumps.names.first { $0 == "abba.kdump" } ?? RealDumps.names[0]

    /// The dump's kernel after `change` was done to its memory.
    private func damaged(_ change: (inout PatchedMemory, LinuxKernel) throws -> Void) throws -> LinuxKernel {
        let sound = try RealKernels.open(Self.dump)
        let specimen = try RealKernels.specimen(Self.dump)
        var memory = PatchedMemory(specimen.memory)
        try change(&memory, sound)
        return try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: NoSymbolFiles()), journal: Journal())
    }

    private func place(_ kernel: LinuxKernel, _ symbol: String, _ offset: UInt64 = 0) throws -> PhysicalAddress {
        let address = try kernel.info?.symbol(symbol) ?? #require(kernel.target.symbols.symbol(named: symbol)).address
        return try kernel.target.space.translate(VirtualAddress((address.rawValue &+ offset) & ~7))
    }

    @Test func soundTablesLeaveNoRemark() throws {
        let kernel = try RealKernels.open(Self.dump)
        #expect(kernel.remarks == kernel.facts.remarks)
    }

    @Test func aDamagedTypeInBTFLosesWhatComesBehindItAndIsSaid() throws {
        let kernel = try damaged { memory, kernel in
            let stop = try place(kernel, "__stop_BTF")
            let start = try place(kernel, "__start_BTF")
            // Half way into the types: a kind that does not exist, over and over.
            let middle = start.advanced(by: ((stop.rawValue - start.rawValue) / 2) & ~7)
            for word in UInt64(0)..<64 { try memory.write(.max, at: middle.advanced(by: word * 8)) }
        }
        #expect(kernel.remarks.contains { $0.contains("BTF") }, "\(kernel.remarks)")
        #expect(kernel.target.symbols.symbol(named: "schedule") != nil)
        #expect(try !kernel.tasks().tasks.isEmpty)
    }

    @Test func aTokenTableCutShortLosesNamesAndIsSaid() throws {
        let sound = try RealKernels.open(Self.dump)
        guard sound.info?.symbol("kallsyms_token_table") != nil else { return }
        let kernel = try damaged { memory, kernel in
            let place = try place(kernel, "kallsyms_token_index", 0)
            // The last strings of the table: those of the highest tokens.
            for word in UInt64(1)...24 {
                try memory.write(.max, at: PhysicalAddress(place.rawValue - word * 8))
            }
        }
        #expect(kernel.remarks.contains { $0.contains("token") }, "\(kernel.remarks)")
        #expect(kernel.remarks.contains { $0.contains("names of") })
        var left = 0
        var wrong = 0
        for source in kernel.target.symbols.sources.prefix(1) {
            source.forEach { symbol in
                left += 1
                if sound.target.symbols.symbols(named: symbol.name).isEmpty { wrong += 1 }
            }
        }
        #expect(left > 1000 && wrong == 0, "\(left) names left, \(wrong) wrong")
    }

    @Test func anORCTableOutOfOrderLosesEntriesAndIsSaid() throws {
        let kernel = try damaged { memory, kernel in
            let start = try place(kernel, "__start_orc_unwind_ip", 4096)
            for word in UInt64(0)..<4 { try memory.write(0x1000_0000_1000_0000, at: start.advanced(by: word * 8)) }
        }
        #expect(kernel.remarks.contains { $0.contains("ORC entries are out of order") }, "\(kernel.remarks)")
        let schedule = try #require(kernel.target.symbols.symbol(named: "schedule"))
        let rows = kernel.target.debug.flatMap(\.sources.unwind).compactMap {
            (try? $0.row(at: schedule.address)).flatMap { $0 }
        }
        #expect(!rows.isEmpty)
    }

    /// The page in the middle of what lies between two symbols, a part of which is told by `fraction` (of 8).
    private func leaveOut(
        _ start: String, _ end: String, _ fraction: UInt64, _ memory: inout PatchedMemory, _ kernel: LinuxKernel
    ) throws {
        func address(_ symbol: String) throws -> VirtualAddress {
            try kernel.info?.symbol(symbol) ?? #require(kernel.target.symbols.symbol(named: symbol)).address
        }
        let (low, high) = (try address(start), try address(end))
        let middle = low.advanced(by: high.distance(from: low) / 8 * fraction)
        memory.leaveOut(try kernel.target.space.translate(middle))
    }

    /// Names that the damaged kernel has at another place, or where the whole one has none; and how many it has.
    private func symbols(_ kernel: LinuxKernel, against sound: LinuxKernel) -> (left: Int, wrong: [String]) {
        var left = 0
        var wrong: [String] = []
        for source in kernel.target.symbols.sources.prefix(1) {
            source.forEach { symbol in
                left += 1
                let own = sound.target.symbols.symbols(named: symbol.name)
                if !own.contains(where: { $0.address == symbol.address && $0.size >= symbol.size }) {
                    wrong.append(symbol.name)
                }
            }
        }
        return (left, wrong)
    }

    @Test(
        "a page that is missing from kallsyms loses the symbols that it held, and is said",
        arguments: [
            ("kallsyms_names", "kallsyms_token_table"),
            ("kallsyms_offsets", "kallsyms_relative_base"),
        ])
    func missingPagesOfKallsyms(_ start: String, _ end: String) throws {
        let sound = try RealKernels.open(Self.dump)
        guard sound.info?.symbol("kallsyms_names") != nil else { return }
        let kernel = try damaged { memory, kernel in try leaveOut(start, end, 4, &memory, kernel) }
        #expect(kernel.remarks.contains { $0.contains("bytes of \(start) cannot be read") }, "\(kernel.remarks)")
        let (left, wrong) = symbols(kernel, against: sound)
        #expect(left > 20000, "\(left)")
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
        // No address is given to a symbol that it does not belong to.
        for name in ["schedule", "do_exit", "vfs_read", "kmem_cache_alloc", "init_task", "jiffies", "_etext"] {
            guard let symbol = sound.target.symbols.symbol(named: name) else { continue }
            let own = kernel.target.symbols.symbol(covering: symbol.address)
            #expect(own == nil || own?.address == symbol.address, "\(name)")
        }
    }

    @Test func withoutItsTokensNoNameCanBeReadAndTheSentenceSaysSo() throws {
        let sound = try RealKernels.open(Self.dump)
        guard sound.info?.symbol("kallsyms_token_table") != nil else { return }
        let error = #expect(throws: OpeningError.self) {
            try damaged { memory, kernel in
                try leaveOut("kallsyms_token_table", "kallsyms_token_index", 0, &memory, kernel)
                try leaveOut("kallsyms_token_table", "kallsyms_token_index", 8, &memory, kernel)
            }
        }
        #expect(
            error?.description.contains("kallsyms_token_table cannot be read") == true, "\(String(describing: error))")
    }

    @Test("a page that is missing from BTF loses the types or names that it held", arguments: [1, 2, 4, 5, 6, 7])
    func missingPagesOfBTF(_ fraction: UInt64) throws {
        let sound = try RealKernels.open(Self.dump)
        let kernel = try damaged { memory, kernel in
            try leaveOut("__start_BTF", "__stop_BTF", fraction, &memory, kernel)
        }
        #expect(kernel.remarks.contains { $0.contains("bytes of BTF cannot be read") }, "\(kernel.remarks)")
        #expect(!kernel.remarks.contains { $0.contains("BTF ends after") }, "\(kernel.remarks)")
        let (own, whole) = (kernel.model.types, sound.model.types)
        var (same, all) = (0, 0)
        for kind in [TypeKind.structure, .union, .enumeration] {
            let names = try whole.names(kind)
            all += names.count
            for name in names {
                guard let id = try own.lookup(kind, name) else { continue }
                let sizes = try whole.lookupAll(kind, name).map { try whole.size($0) }
                guard case .incomplete = try own.type(id) else {
                    #expect(sizes.contains(try own.size(id)), "\(name)")
                    same += 1
                    continue
                }
            }
        }
        #expect(same * 100 > all * 97, "\(same) of \(all)")
    }

    @Test("a page that is missing from ORC loses its rows", arguments: ["__start_orc_unwind_ip", "__start_orc_unwind"])
    func missingPagesOfORC(_ start: String) throws {
        let sound = try RealKernels.open(Self.dump)
        let end = start.replacing("start", with: "stop")
        let kernel = try damaged { memory, kernel in try leaveOut(start, end, 4, &memory, kernel) }
        #expect(kernel.remarks.contains { $0.contains("ORC entries cannot be read") }, "\(kernel.remarks)")
        let tables = [kernel, sound].compactMap { kernel in
            kernel.model.debug.flatMap(\.sources.unwind).lazy.compactMap { $0 as? ORCTable }.first
        }
        try #require(tables.count == 2)
        var (lost, kept) = (0, 0)
        for symbol in ["_stext", "schedule", "do_exit", "vfs_read", "kmem_cache_alloc", "tcp_v4_rcv", "ext4_readdir"] {
            guard let base = sound.target.symbols.symbol(named: symbol)?.address else { continue }
            for offset in stride(from: UInt64(0), to: 0x8000, by: 16) {
                let place = base.advanced(by: offset)
                let theirs = try tables[1].row(at: place)
                do {
                    #expect(try tables[0].row(at: place)?.cfa == theirs?.cfa)
                    kept += 1
                } catch { lost += 1 }
            }
        }
        #expect(kept > lost)
    }

    @Test func aKernelWithoutRunQueuesOpens() throws {
        let sound = try RealKernels.open(Self.dump)
        let whole = sound.model
        let target = Target(
            machine: whole.machine, space: whole.space, types: TypeGraph(), symbols: SymbolTable([]), debug: [],
            perCPU: whole.perCPU)
        let table = CPUTable(target)
        #expect(table.cpus.isEmpty && table.failure?.contains("runqueues") == true)
    }

    @Test("modules' own types stand on the kernel's", arguments: RealDumps.names)
    func modules(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        for file in kernel.target.debug {
            guard let types = file.sources.types as? ModuleBTF, let number = file.typeSource else { continue }
            for structure in try types.names(.structure) where structure != "module" {
                for reference in try types.find(.structure, structure) {
                    let id = kernel.target.types.number(of: reference, source: number)
                    guard case .aggregate(let aggregate) = try kernel.target.types.type(id) else { continue }
                    for member in aggregate.members {
                        let spelling = try kernel.target.types.spelling(member.type)
                        guard spelling == "struct list_head" else { continue }
                        #expect(try member.type == kernel.target.types.lookup(.structure, "list_head"))
                    }
                }
            }
        }
    }
}

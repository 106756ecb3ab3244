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

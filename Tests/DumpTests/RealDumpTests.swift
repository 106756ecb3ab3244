import Bytes
import Dump
import FixtureKit
import Memory
import Testing

/// Every dump of the fixtures opens, whatever wrote it.
@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealDumpTests {
    @Test("every page that a real dump promises can be read", arguments: RealDumps.names)
    func opens(_ name: String) throws {
        let dump = try Dump.open(paths: [try RealDumps.path(name)])
        #expect(dump.facts.machine == 62)
        #expect(dump.facts.cpuCount == 2)
        #expect(dump.facts.notes.count { $0.name == "CORE" && $0.type == 1 } == 2)
        #expect((dump.facts.vmcoreinfo != nil) == (name != "plain-novmcoreinfo.elf"))
        var pages = 0
        var address = PhysicalAddress(0)
        while let run = dump.memory.nextSaved(from: address) {
            address = run.lowerBound
            while address < run.upperBound {
                let page = try dump.memory.page(containing: address)
                #expect(page.bytes.count == 4096)
                pages += 1
                address = page.base.advanced(by: 4096)
            }
        }
        #expect(pages > 2000, "\(dump.facts.format) \(dump.facts.compression) \(dump.facts.remarks)")
    }

    @Test("a real kernel's pages are the same in every format they are written in", arguments: Encoder.allCases)
    func formats(_ encoder: Encoder) throws {
        let dump = try Dump.open(paths: [try RealDumps.path("plain.elf")])
        var writer = KdumpWriter()
        writer.encoder = encoder
        writer.vmcoreinfo = try #require(dump.facts.vmcoreinfo).cString
        // Every 40th page: 300 of all kinds.
        for number in stride(from: UInt64(0), to: 12288, by: 40) {
            writer.pages[number] = try dump.memory.page(containing: PhysicalAddress(number * 4096)).bytes.array
        }
        var flat = FlattenedWriter()
        flat.seed = 5
        let whole = writer.build()
        for bytes in [whole, flat.flatten(whole)] {
            let copy = try KdumpTests.open(bytes)
            #expect(copy.facts.vmcoreinfo?.array == dump.facts.vmcoreinfo?.array)
            for (number, page) in writer.pages {
                #expect(try copy.memory.page(containing: PhysicalAddress(number * 4096)).bytes.array == page)
            }
        }
    }
}

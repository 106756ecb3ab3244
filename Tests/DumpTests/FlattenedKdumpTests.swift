import Bytes
import Dump
import FixtureKit
import Memory
import Testing

struct FlattenedKdumpTests {
    @Test(
        "records in any order and size, overwritten or not, make the same dump",
        arguments: [512, 4096, 10_000, 1 << 20])
    func orders(_ size: Int) throws {
        let writer = KdumpTests.writer()
        var flat = FlattenedWriter()
        flat.recordSize = size
        for seed: UInt64? in [nil, 1, 2] {
            flat.seed = seed
            flat.overwrites = seed != 1
            let dump = try KdumpTests.open(flat.flatten(writer.build()))
            for (number, bytes) in writer.pages {
                #expect(try dump.memory.page(containing: PhysicalAddress(number * 4096)).bytes.array == bytes)
            }
            #expect(dump.facts.format == "flattened kdump-compressed (version 6)")
            #expect(dump.facts.vmcoreinfo?.cString == writer.vmcoreinfo)
            #expect(dump.facts.remarks == [])
        }
    }

    @Test("an ELF core inside, with more program headers than fit in its first bytes")
    func elfCore() throws {
        let writer = ELFCoreTests.manySegments(2000)
        var flat = FlattenedWriter()
        flat.recordSize = 5000
        flat.seed = 4
        let dump = try KdumpTests.open(flat.flatten(writer.build()))
        #expect(dump.facts.format == "flattened ELF core")
        for load in writer.loads {
            #expect(try dump.memory.read(PhysicalAddress(load.physical), count: 4096).array == load.bytes)
        }
    }

    @Test("without its end, or within a record, it opens with what it has")
    func truncated() throws {
        let writer = KdumpTests.writer()
        var flat = FlattenedWriter()
        flat.hasEndMark = false
        let bytes = flat.flatten(writer.build())
        var dump = try KdumpTests.open(bytes)
        #expect(dump.facts.remarks == ["vmcore: the flattened file is cut short: its end mark is missing"])
        #expect(KdumpTests.fault(dump, 5000) == nil)
        dump = try KdumpTests.open(Array(bytes.dropLast(100)))
        #expect(dump.facts.remarks.count == 2)
        #expect(KdumpTests.fault(dump, 5000) == .notSaved(PhysicalAddress(5000 * 4096), .truncated))
        #expect(KdumpTests.fault(dump, 1) == nil)
    }

    @Test("every truncation and ten thousand mutations open or are refused")
    func bounds() {
        var writer = KdumpTests.writer()
        writer.pages[5000] = nil
        var flat = FlattenedWriter()
        flat.recordSize = 3000
        flat.overwrites = true
        // The header's 4 KiB hold nothing: what is mutated begins with the first record.
        let bytes = flat.flatten(writer.build())
        let header = Array(bytes[..<4096])
        BoundsHarness.run(fixture: Array(bytes[4096...])) { records in
            let file = ByteSlice(header + records.array, name: records.name)
            let dump = try Dump.open(DumpFiles(DumpFile(path: "flat", bytes: file)))
            for page: UInt64 in [0, 1, 2, 3, 5, 70] { _ = KdumpTests.fault(dump, page) }
        }
    }
}

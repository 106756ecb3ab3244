import Bytes
import Dump
import FixtureKit
import Memory
import Testing

struct KdumpTests {
    /// Pages 1, 2, 5 (zeros), 70 and 5000 saved, 3 and 4 left out.
    static func writer(_ encoder: Encoder = .zlib) -> KdumpWriter {
        var numbers = SeededNumbers(seed: 3)
        var writer = KdumpWriter()
        writer.encoder = encoder
        for page: UInt64 in [1, 2, 70, 5000] { writer.pages[page] = numbers.page() }
        writer.pages[5] = [UInt8](repeating: 0, count: 4096)
        writer.filtered = [3, 4]
        writer.notes = noteBytes("CORE", 1, [UInt8](repeating: 1, count: 336))
        writer.vmcoreinfo = "OSRELEASE=6.1.0\n"
        return writer
    }

    static func open(_ bytes: [UInt8]) throws -> Dump {
        try Dump.open(DumpFiles(DumpFile(path: "vmcore", bytes: ByteSlice(bytes, name: "vmcore"))))
    }

    static func fault(_ dump: Dump, _ page: UInt64) -> MemoryFault? {
        do {
            _ = try dump.memory.page(containing: PhysicalAddress(page * 4096 + 8))
            return nil
        } catch {
            return error
        }
    }

    private func expect(_ dump: Dump, holds writer: KdumpWriter) throws {
        for (number, bytes) in writer.pages {
            let page = try dump.memory.page(containing: PhysicalAddress(number * 4096 + 17))
            #expect(page.base == PhysicalAddress(number * 4096))
            #expect(page.bytes.array == bytes, "page \(number)")
        }
    }

    @Test("every version with every compression holds its pages and facts", arguments: 0...6, Encoder.allCases)
    func versions(_ version: Int, _ encoder: Encoder) throws {
        var writer = Self.writer(encoder)
        writer.version = UInt32(version)
        let dump = try Self.open(writer.build())
        try expect(dump, holds: writer)
        #expect(dump.facts.format == "kdump-compressed (version \(version))")
        #expect(dump.facts.machine == 62)
        #expect(dump.facts.compression == [encoder.rawValue])
        #expect(dump.facts.utsname == writer.utsname)
        #expect(dump.facts.cpuCount == 2)
        #expect(dump.facts.dumpTime == 1_700_000_000)
        #expect(dump.facts.dumpLevel == (version >= 1 ? 31 : nil))
        #expect(dump.facts.vmcoreinfo?.cString == (version >= 3 ? "OSRELEASE=6.1.0\n" : nil))
        #expect(dump.facts.notes.count == (version >= 4 ? 1 : 0))
        #expect(dump.facts.remarks == [])
    }

    @Test("filtered, hole and beyond the end are different facts")
    func reasons() throws {
        let dump = try Self.open(Self.writer().build())
        #expect(Self.fault(dump, 3) == .notSaved(PhysicalAddress(3 * 4096), .filtered))
        #expect(Self.fault(dump, 6) == .notSaved(PhysicalAddress(6 * 4096), .hole))
        #expect(Self.fault(dump, 1 << 40) == .notSaved(PhysicalAddress(1 << 52), .hole))
    }

    @Test("runs of saved pages follow one another to the end")
    func runs() throws {
        let dump = try Self.open(Self.writer().build())
        var runs: [Range<UInt64>] = []
        var at = PhysicalAddress(0)
        while let run = dump.memory.nextSaved(from: at) {
            runs.append(run.lowerBound.rawValue / 4096..<run.upperBound.rawValue / 4096)
            at = run.upperBound
        }
        #expect(runs == [1..<3, 5..<6, 70..<71, 5000..<5001])
        #expect(dump.memory.nextSaved(from: PhysicalAddress(2 * 4096 + 5))?.lowerBound == PhysicalAddress(2 * 4096))
    }

    @Test("a dump of an old diskdump with one bitmap, in either byte order")
    func old() throws {
        var writer = Self.writer()
        writer.hasSingleBitmap = true
        writer.signature = "DISKDUMP"
        let dump = try Self.open(writer.build())
        try expect(dump, holds: writer)
        #expect(Self.fault(dump, 3) == .notSaved(PhysicalAddress(3 * 4096), .hole))
        writer = Self.writer()
        writer.order = .big
        try expect(try Self.open(writer.build()), holds: writer)
    }

    @Test("pages of 64 KiB")
    func largePages() throws {
        var numbers = SeededNumbers(seed: 3)
        var writer = KdumpWriter()
        writer.blockSize = 65536
        writer.pages[3] = numbers.page(65536)
        let dump = try Self.open(writer.build())
        #expect(try dump.memory.page(containing: PhysicalAddress(3 * 65536 + 40000)).bytes.array == writer.pages[3])
    }

    @Test("a damaged page is the only one lost", arguments: Encoder.allCases)
    func damaged(_ encoder: Encoder) throws {
        var writer = Self.writer(encoder)
        writer.damaged[2] = [1, 2, 3]
        let dump = try Self.open(writer.build())
        guard case .notSaved(_, .undecodable) = Self.fault(dump, 2) else {
            Issue.record("page 2 reads as \(String(describing: Self.fault(dump, 2)))")
            return
        }
        writer.pages[2] = nil
        try expect(dump, holds: writer)
    }

    @Test("an incomplete dump opens, says so, and has what was written")
    func incomplete() throws {
        var writer = Self.writer()
        writer.isIncomplete = true
        writer.lost = [5000]
        let dump = try Self.open(writer.build())
        #expect(dump.facts.remarks.contains { $0.contains("marked incomplete") })
        #expect(Self.fault(dump, 5000) == .notSaved(PhysicalAddress(5000 * 4096), .truncated))
        writer.pages[5000] = nil
        try expect(dump, holds: writer)
    }

    @Test("a dump cut short opens with what it has and says that it is cut short")
    func truncated() throws {
        let whole = Self.writer().build()
        let dump = try Self.open(Array(whole.dropLast(10)))
        #expect(dump.facts.remarks.contains { $0.contains("cut short") })
        #expect(Self.fault(dump, 5000) == .notSaved(PhysicalAddress(5000 * 4096), .truncated))
        #expect(Self.fault(dump, 1) == nil)
    }

    @Test("QEMU's header, blank but for the machine, opens")
    func qemu() throws {
        var writer = KdumpWriter.qemu()
        writer.pages[1] = [UInt8](repeating: 9, count: 4096)
        let dump = try Self.open(writer.build())
        #expect(dump.facts.machine == 62)
        #expect(dump.facts.dumpTime == nil)
        try expect(dump, holds: writer)
    }

    @Test("header fields that lie are refused with file, offset and what was expected")
    func lies() throws {
        var bytes = Self.writer().build()
        bytes[428] = 7
        let error = #expect(throws: DumpError.self) { try Self.open(bytes) }
        #expect(
            error?.description
                == "vmcore: block_size at offset 0x1ac: 4103, expected a power of two from 4096 to 1048576")
    }

    @Test("every truncation and ten thousand mutations open or are refused, and every page reads or faults")
    func bounds() {
        var writer = Self.writer(.lzo)
        writer.pages[5000] = nil
        BoundsHarness.run(fixture: writer.build()) { bytes in
            let dump = try Dump.open(DumpFiles(DumpFile(path: "vmcore", bytes: bytes)))
            for page: UInt64 in [0, 1, 2, 3, 5, 70, 71, 1 << 30, 1 << 51] { _ = Self.fault(dump, page) }
            var at = PhysicalAddress(0)
            for _ in 0..<100 {
                guard let run = dump.memory.nextSaved(from: at) else { break }
                #expect(run.upperBound > at)
                at = run.upperBound
            }
        }
    }
}

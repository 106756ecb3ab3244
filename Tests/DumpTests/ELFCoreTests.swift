import Bytes
import Dump
import FixtureKit
import Memory
import Testing

struct ELFCoreTests {
    /// Bytes that tell their own address: each word holds the address it stands at.
    static func words(_ start: UInt64, _ count: Int) -> [UInt8] {
        var output = Output()
        for offset in stride(from: 0, to: UInt64(count), by: 8) { output.u64(start + offset) }
        return Array(output.bytes.prefix(count))
    }

    static func manySegments(_ count: Int) -> ELFCoreWriter {
        var writer = ELFCoreWriter()
        // In falling order, so that order must not be relied on.
        for index in (0..<UInt64(count)).reversed() {
            writer.loads.append(.init(physical: index * 8192, words(index * 8192, 4096)))
        }
        return writer
    }

    private func word(_ dump: Dump, _ address: UInt64) throws -> UInt64 {
        try dump.memory.word(at: PhysicalAddress(address))
    }

    private func fault(_ dump: Dump, _ address: UInt64) -> MemoryFault? {
        do {
            _ = try dump.memory.word(at: PhysicalAddress(address))
            return nil
        } catch {
            return error
        }
    }

    @Test("a core of QEMU: e_ehsize 8, program headers at 192")
    func qemu() throws {
        var writer = ELFCoreWriter(loads: [
            .init(physical: 0, Self.words(0, 12288)), .init(physical: 0xfffc_0000, Self.words(0xfffc_0000, 4096)),
        ])
        writer.isQEMU = true
        writer.notes = [
            noteBytes("CORE", 1, [UInt8](repeating: 0, count: 336)),
            noteBytes("CORE", 1, [UInt8](repeating: 0, count: 336)),
            noteBytes("QEMU", 0, [UInt8](repeating: 0, count: 440)),
        ]
        writer.vmcoreinfo = "OSRELEASE=6.1.0\n"
        let dump = try KdumpTests.open(writer.build())
        #expect(dump.facts.format == "ELF core")
        #expect(dump.facts.cpuCount == 2)
        #expect(dump.facts.notes.count == 4)
        #expect(dump.facts.vmcoreinfo?.cString == "OSRELEASE=6.1.0\n")
        #expect(try word(dump, 0x2ff8) == 0x2ff8)
        #expect(try word(dump, 0xfffc_0010) == 0xfffc_0010)
        #expect(fault(dump, 0x3000) == .notSaved(PhysicalAddress(0x3000), .hole))
        let run = dump.memory.nextSaved(from: PhysicalAddress(0x1234))
        #expect(run == PhysicalAddress(0x1000)..<PhysicalAddress(0x3000))
    }

    @Test("the kernel's text described twice, as /proc/vmcore does")
    func overlapping() throws {
        let writer = ELFCoreWriter(loads: [
            .init(physical: 0x20_0000, virtual: 0xffff_ffff_8100_0000, Self.words(0x20_0000, 0x3000)),
            .init(physical: 0x1000, virtual: 0xffff_8880_0000_1000, Self.words(0x1000, 0x9000)),
            .init(physical: 0x10_0000, virtual: 0xffff_8880_0010_0000, Self.words(0x10_0000, 0x20_0000)),
        ])
        let dump = try KdumpTests.open(writer.build())
        for address: UInt64 in [0x1000, 0x9ff8, 0x10_0000, 0x1f_fff8, 0x20_0000, 0x20_2ff8, 0x20_3000, 0x2f_fff8] {
            #expect(try word(dump, address) == address)
        }
        let run = dump.memory.nextSaved(from: PhysicalAddress(0xa000))
        #expect(run == PhysicalAddress(0x10_0000)..<PhysicalAddress(0x30_0000))
    }

    @Test("bytes left out are filtered, and what no segment has is a hole")
    func filtered() throws {
        let writer = ELFCoreWriter(loads: [.init(physical: 0x1000, Self.words(0x1000, 0x1000), memorySize: 0x3000)])
        let dump = try KdumpTests.open(writer.build())
        #expect(fault(dump, 0x2000) == .notSaved(PhysicalAddress(0x2000), .filtered))
        #expect(fault(dump, 0x4000) == .notSaved(PhysicalAddress(0x4000), .hole))
    }

    @Test("a segment that ends, or begins, within a page gives its bytes and nothing else")
    func unaligned() throws {
        let writer = ELFCoreWriter(loads: [
            .init(physical: 0x1000, Self.words(0x1000, 0xc00)), .init(physical: 0x2800, Self.words(0x2800, 0x800)),
            .init(physical: 0x4000, Self.words(0x4000, 0x400)), .init(physical: 0x4400, Self.words(0x4400, 0xc00)),
        ])
        let dump = try KdumpTests.open(writer.build())
        #expect(try word(dump, 0x1bf8) == 0x1bf8)
        #expect(fault(dump, 0x1c00) != nil)
        #expect(try word(dump, 0x2800) == 0x2800)
        #expect(fault(dump, 0x27f8) != nil)
        // Two segments share this page.
        #expect(try dump.memory.page(containing: PhysicalAddress(0x4000)).bytes.array == Self.words(0x4000, 0x1000))
        #expect(throws: MemoryFault.self) { try dump.memory.read(PhysicalAddress(0x1b00), count: 0x200) }
    }

    @Test("a core cut short at any length opens or says why, and lost pages are truncated")
    func truncated() throws {
        let bytes = ELFCoreWriter(loads: [.init(physical: 0x1000, Self.words(0x1000, 0x3000))]).build()
        for length in stride(from: 0, to: bytes.count, by: 7) {
            guard let dump = try? KdumpTests.open(Array(bytes.prefix(length))) else { continue }
            #expect(!dump.facts.remarks.isEmpty)
            #expect(fault(dump, 0x3ff8) == .notSaved(PhysicalAddress(0x3ff8), .truncated))
        }
        let dump = try KdumpTests.open(Array(bytes.dropLast(0x1800)))
        #expect(try word(dump, 0x2000) == 0x2000)
        #expect(try word(dump, 0x27f8) == 0x27f8)
        #expect(fault(dump, 0x2800) == .notSaved(PhysicalAddress(0x2800), .truncated))
    }

    @Test("more segments than e_phnum can count")
    func extendedCount() throws {
        var writer = Self.manySegments(300)
        writer.usesExtendedCount = true
        let dump = try KdumpTests.open(writer.build())
        #expect(try word(dump, 299 * 8192 + 8) == 299 * 8192 + 8)
        #expect(fault(dump, 4096) == .notSaved(PhysicalAddress(4096), .hole))
    }

    @Test("segments without a physical address are left out, with a remark")
    func unaddressed() throws {
        let writer = ELFCoreWriter(loads: [
            .init(physical: .max, virtual: 0xffff_ffff_8100_0000, Self.words(0, 0x1000)),
            .init(physical: 0x1000, virtual: 0xffff_8880_0000_1000, Self.words(0x1000, 0x1000)),
        ])
        let dump = try KdumpTests.open(writer.build())
        #expect(dump.facts.remarks == ["vmcore: 1 of 2 segments say no physical address: left out"])
        #expect(try word(dump, 0x1000) == 0x1000)
    }

    @Test("a program is not a core, and a core without memory is refused")
    func refused() {
        var elf = ELFBuilder()
        elf.section(".text", [0x90])
        let error = #expect(throws: DumpError.self) { try KdumpTests.open(elf.build()) }
        #expect(error?.description == "vmcore: e_type at offset 0x10: an ELF file of type 2, expected 4 (core)")
        #expect(throws: DumpError.self) { try KdumpTests.open(ELFCoreWriter().build()) }
    }

    @Test("every truncation and ten thousand mutations open or are refused, and every read ends")
    func bounds() {
        var writer = ELFCoreWriter(loads: [
            .init(physical: 0x1000, Self.words(0x1000, 0xc00)), .init(physical: 0x1800, Self.words(0x1800, 0x1000)),
        ])
        writer.notes = [noteBytes("CORE", 1, [UInt8](repeating: 0, count: 336))]
        writer.usesExtendedCount = true
        BoundsHarness.run(fixture: writer.build()) { bytes in
            let dump = try Dump.open(DumpFiles(DumpFile(path: "vmcore", bytes: bytes)))
            for address: UInt64 in [0, 0x1000, 0x1bff, 0x2000, .max - 7, 1 << 63] { _ = self.fault(dump, address) }
            var at = PhysicalAddress(0)
            for _ in 0..<100 {
                guard let run = dump.memory.nextSaved(from: at), run.upperBound > at else { break }
                at = run.upperBound
            }
        }
    }
}

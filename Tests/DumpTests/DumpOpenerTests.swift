import Bytes
import Dump
import FixtureKit
import Memory
import Testing

struct DumpOpenerTests {
    @Test("a file that is no dump is refused with what was found and expected")
    func unknown() throws {
        let file = try TemporaryFile("notes.txt", Array("hello, world".utf8))
        let error = #expect(throws: DumpError.self) { try Dump.open(paths: [file.path]) }
        #expect(
            error?.description == """
                \(file.path): offset 0x0: expected the signature of a dump (ELF core, flattened kdump, \
                kdump-compressed), found the bytes 68 65 6c 6c 6f 2c 20 77; \
                a raw image of memory is opened as \(file.path)@0xADDRESS
                """)
    }

    @Test("a file that is not there, a folder and an empty file each have their reason")
    func unreadable() throws {
        #expect(throws: DumpError.self) { try Dump.open(paths: ["/nonexistent/vmcore"]) }
        let folder = #expect(throws: DumpError.self) { try Dump.open(paths: ["/tmp"]) }
        #expect(folder?.description.contains("Is a directory") == true)
        let empty = try TemporaryFile("vmcore", [])
        let error = #expect(throws: DumpError.self) { try Dump.open(paths: [empty.path]) }
        #expect(error?.description == "\(empty.path): the file is empty")
        #expect(throws: DumpError.self) { try Dump.open(paths: []) }
    }

    @Test("a raw image opens at the address that it is given")
    func rawImage() throws {
        let file = try TemporaryFile("ram.bin", ELFCoreTests.words(0x10_0000, 0x2400))
        let dump = try Dump.open(paths: ["\(file.path)@0x100000"])
        #expect(dump.facts.format == "raw image")
        #expect(try dump.memory.word(at: PhysicalAddress(0x10_1008)) == 0x10_1008)
        #expect(try dump.memory.word(at: PhysicalAddress(0x10_23f8)) == 0x10_23f8)
        #expect(throws: MemoryFault.self) { try dump.memory.word(at: PhysicalAddress(0x10_2400)) }
        #expect(throws: MemoryFault.self) { try dump.memory.word(at: PhysicalAddress(0)) }
    }

    @Test("a dump that shrinks while it is open faults, and the process lives")
    func shrinking() throws {
        let file = try TemporaryFile(
            "vmcore", ELFCoreWriter(loads: [.init(physical: 0, ELFCoreTests.words(0, 0x8000))]).build())
        let dump = try Dump.open(paths: [file.path])
        #expect(try dump.memory.word(at: PhysicalAddress(0x6000)) == 0x6000)
        try file.shrink(to: 4096)
        #expect(throws: MemoryFault.notSaved(PhysicalAddress(0x7000), .changed)) {
            try dump.memory.word(at: PhysicalAddress(0x7000))
        }
    }

    @Test("a terabyte opens and reads as fast as a page", arguments: [1, 4096])
    func terabyte(_ segments: Int) throws {
        let last = SparseTerabyte.size / 4096 - 1
        let pages: [UInt64: [UInt8]] = [7: ELFCoreTests.words(7 * 4096, 4096), last: ELFCoreTests.words(0, 4096)]
        let core = try SparseTerabyte.elfCore(segments: segments, pages: pages)
        var dump = try Dump.open(paths: [core.path])
        #expect(try dump.memory.page(containing: PhysicalAddress(7 * 4096)).bytes.array == pages[7])
        #expect(try dump.memory.page(containing: PhysicalAddress(last * 4096)).bytes.array == pages[last])
        let kdump = try SparseTerabyte.kdump(pages: pages)
        dump = try Dump.open(paths: [kdump.path])
        #expect(try dump.memory.page(containing: PhysicalAddress(last * 4096)).bytes.array == pages[last])
        let run = dump.memory.nextSaved(from: PhysicalAddress(8 * 4096))
        #expect(run == PhysicalAddress(last * 4096)..<PhysicalAddress(SparseTerabyte.size))
    }
}

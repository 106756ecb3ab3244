import Bytes
import Codecs
import ELF
import FixtureKit
import Testing

struct ELFFileTests {
    private static let kinds: [(is64: Bool, order: ByteOrder)] = [
        (true, .little), (true, .big), (false, .little), (false, .big),
    ]

    private func builder(_ kind: Int) -> ELFBuilder {
        var elf = ELFBuilder()
        elf.is64 = Self.kinds[kind].is64
        elf.order = Self.kinds[kind].order
        elf.section(".text", flags: 6, address: 0x1000, [0x90, 0xc3])
        elf.section(".bss", type: 8, flags: 3, address: 0x2000, size: 0x3000, [])
        elf.compressedSection(".debug_info", [UInt8](repeating: 7, count: 1000), .zlib)
        elf.compressedSection(".debug_str", [UInt8](repeating: 8, count: 1000), .zstd)
        elf.zdebugSection(".zdebug_line", [UInt8](repeating: 9, count: 1000))
        elf.note("GNU", type: 3, [0xde, 0xad, 0xbe, 0xef])
        elf.symbol("main", 0x1000, size: 2)
        elf.symbol("counter", 0x2010, size: 8, info: 0x11, section: 2)
        elf.segment(virtual: 0x1000, physical: 0x1000, [0x90, 0xc3], memorySize: 0x100)
        return elf
    }

    private func parse(_ bytes: [UInt8]) throws -> ELFFile { try ELFFile(ByteSlice(bytes, name: "a.out")) }

    @Test("sections, segments, symbols and notes of each width and byte order", arguments: 0..<4)
    func kinds(_ kind: Int) throws {
        let file = try parse(builder(kind).build())
        #expect(file.remarks.isEmpty)
        #expect(file.is64 == Self.kinds[kind].is64)
        #expect(file.machine == 62)
        #expect(file.section(".text")?.address == 0x1000)
        #expect(try file.section(".text")?.contents().array == [0x90, 0xc3])
        #expect(file.section(".bss")?.size == 0x3000)
        #expect(try file.section(".bss")?.contents().isEmpty == true)
        #expect(file.segments.map(\.memorySize) == [0x100])
        #expect(file.segments.first?.virtualAddress == 0x1000)
        let symbols = try #require(try file.symbols())
        let main = try #require(symbols[1])
        #expect(symbols.name(main) == "main")
        #expect(main.value == 0x1000 && main.size == 2 && main.type == 2 && main.binding == 1)
        #expect(symbols[2].map(symbols.name) == "counter")
        #expect(symbols[3] == nil)
        #expect(file.buildID?.description == "deadbeef")
    }

    @Test("compressed sections are inflated: zlib, zstd and GNU's .zdebug", arguments: 0..<4)
    func compressed(_ kind: Int) throws {
        let file = try parse(builder(kind).build())
        for (name, byte) in [(".debug_info", 7), (".debug_str", 8), (".zdebug_line", 9)] as [(String, UInt8)] {
            let section = try #require(file.section(name))
            #expect(section.isCompressed)
            #expect(try section.contents().array == [UInt8](repeating: byte, count: 1000))
        }
    }

    @Test("a section that promises more than it may have is refused before anything is allocated")
    func bomb() throws {
        var elf = ELFBuilder()
        var header = Output()
        header.u32(1)
        header.u32(0)
        header.u64(1 << 40)
        header.u64(1)
        elf.section(".debug_info", flags: 0x800, header.bytes + Encoder.zlib.encode([1, 2, 3]))
        let file = try parse(elf.build())
        let error = #expect(throws: ParseFault.self) { try file.section(".debug_info")?.contents() }
        #expect(error?.problem == .limit("1099511627776 bytes for section .debug_info"))
    }

    @Test("a file cut short still shows what it has, and a remark says what is missing")
    func truncated() throws {
        let bytes = builder(0).build()
        let file = try parse(Array(bytes.dropLast(100)))
        #expect(!file.remarks.isEmpty)
        #expect(file.segments.count == 1)
        #expect(throws: ParseFault.self) { try parse(Array(bytes.prefix(40))) }
    }

    @Test("a file that is not ELF is refused with its place")
    func foreign() {
        let error = #expect(throws: ParseFault.self) { try parse(Array("#!/bin/sh\n".utf8)) }
        #expect(error?.description == "a.out: ELF magic at offset 0x0: not an ELF file")
    }

    @Test("a build-id is read from hexadecimal digits alone")
    func buildIDs() {
        #expect(BuildID(hex: "00ff")?.bytes == [0, 0xff])
        for text in ["", "0", "0g", "+1", String(repeating: "00", count: 65)] { #expect(BuildID(hex: text) == nil) }
    }

    @Test("notes stop at a damaged one, and keep those before it")
    func notes() {
        let good = noteBytes("CORE", 1, [1, 2, 3]) + noteBytes("VMCOREINFO", 0, [4])
        var reader = Notes(
            ByteSlice(good + [5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0], name: "notes"), order: .little)
        var names: [String] = []
        while let note = try? reader.next() { names.append(note.name) }
        #expect(names == ["CORE", "VMCOREINFO"])
    }

    @Test("every truncation and ten thousand mutations throw or parse", arguments: [0, 3])
    func bounds(_ kind: Int) {
        var limits = Limits()
        limits.sectionBytes = 1 << 20
        BoundsHarness.run(fixture: builder(kind).build()) { bytes in
            let file = try ELFFile(bytes, limits: limits)
            for section in file.sections.prefix(50) { _ = try? section.contents(limits: limits).array }
            _ = file.buildID
            if let symbols = try file.symbols() {
                for index in 0..<min(symbols.count, 100) { _ = symbols[index].map(symbols.name) }
            }
        }
    }
}

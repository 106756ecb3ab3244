import Bytes
import ELF
import FixtureKit
import Testing

@Suite struct ELFReadingTests {
    private func file(is64: Bool = true, order: ByteOrder = .little) -> [UInt8] {
        var builder = ELFBuilder()
        builder.is64 = is64
        builder.order = order
        builder.entry = 0x1000
        builder.section(".text", flags: 6, address: 0x1000, [UInt8](repeating: 0x90, count: 16))
        builder.note("GNU", type: 3, [1, 2, 3, 4])
        builder.compressedSection(".debug_str", Array("a string".utf8), .zlib)
        builder.segment(virtual: 0x1000, physical: 0x2000, [1, 2, 3])
        builder.symbol("start", 0x1000, size: 16)
        return builder.build()
    }

    @Test(arguments: [true, false], [ByteOrder.little, .big])
    func widthAndByteOrderAreSettledAtOpen(is64: Bool, order: ByteOrder) throws {
        let file = try ELFFile(ByteSlice(file(is64: is64, order: order), name: "test"))
        #expect(file.is64 == is64 && file.order == order)
        #expect(file.entry == 0x1000 && file.machine == 62)
        #expect(file.section(".text")?.name == ".text")
        #expect(file.segments.count == 1)
        #expect(file.section(".nothing") == nil)
    }

    @Test func whatIsNoELFFileIsRefusedWithItsOffset() {
        let text = ByteSlice(Array("#!/bin/sh\n".utf8), name: "script")
        #expect(!ELFFile.matches(text))
        do {
            _ = try ELFFile(text)
            Issue.record("a script was opened")
        } catch {
            #expect(error.origin == "script" && error.offset == 0)
        }
    }

    @Test(arguments: [true, false], [ByteOrder.little, .big])
    func noTruncationAndNoMutationTraps(is64: Bool, order: ByteOrder) {
        BoundsHarness.run(fixture: file(is64: is64, order: order), mutations: 2_500) { bytes in
            let file = try ELFFile(bytes)
            _ = file.section(".debug_str")
        }
    }
}

import Bytes
import FixtureKit
import Memory
import Testing

/// Virtual = physical + 2^32, page by page, below 64 KiB; above nothing is mapped.
private struct Linear: AddressTranslation {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        let physical = address.rawValue &- 1 << 32
        guard physical < 0x1_0000 else { throw .unmapped(address, level: 1, entry: 0) }
        return PhysicalExtent(start: PhysicalAddress(physical), count: 0x1000 - physical & 0xfff)
    }
}

struct AddressSpaceTests {
    private let base: UInt64 = 1 << 32

    private func space() -> AddressSpace {
        var builder = PhysicalMemoryBuilder()
        for at in stride(from: UInt64(0), to: 0x8000, by: 8) { builder.write(at, at: PhysicalAddress(at)) }
        builder.leaveOut(PhysicalAddress(0x4000))
        return AddressSpace(memory: builder.build(), translation: Linear())
    }

    @Test("bytes within a page and across pages")
    func read() throws {
        let space = space()
        #expect(try space.word(VirtualAddress(base + 0x1008)) == 0x1008)
        let crossing = try space.read(VirtualAddress(base + 0xff8), count: 0x1010)
        #expect(crossing.count == 0x1010)
        #expect(crossing.withBytes { $0.little(0x1008, as: UInt64.self) } == 0x2000)
        #expect(try space.unsigned(VirtualAddress(base + 0xfff), size: 2) == 0)
        #expect(try space.read(VirtualAddress(base), count: 0).isEmpty)
    }

    @Test("the fault is that of the first byte that cannot be read")
    func faults() {
        let space = space()
        #expect(throws: MemoryFault.notSaved(PhysicalAddress(0x4000), .filtered)) {
            try space.read(VirtualAddress(base + 0x3000), count: 0x4000)
        }
        #expect(throws: MemoryFault.unmapped(VirtualAddress(base + 0x1_0000), level: 1, entry: 0)) {
            try space.word(VirtualAddress(base + 0x1_0000))
        }
        #expect(throws: MemoryFault.self) { try space.read(VirtualAddress(base), count: .max) }
        #expect(throws: MemoryFault.self) { try space.read(VirtualAddress(base), count: -1) }
    }

    @Test("a string gives what was read before the fault")
    func strings() throws {
        var builder = PhysicalMemoryBuilder()
        builder.write(Array("kernel".utf8), at: PhysicalAddress(0xffa))
        let space = AddressSpace(memory: builder.build(), translation: Linear())
        #expect(try space.cString(VirtualAddress(base + 0xffa)) == Array("kernel".utf8))
        #expect(try space.cString(VirtualAddress(base + 0xffa), limit: 3) == Array("ker".utf8))
        #expect(try space.cString(VirtualAddress(base)) == [])
        #expect(throws: MemoryFault.self) { try space.cString(VirtualAddress(base + 0x1000)) }
    }

    @Test("answers do not change with what was asked before")
    func cached() throws {
        let space = space()
        for _ in 0..<2 {
            for page in (0..<4 as Range<UInt64>).reversed() {
                #expect(try space.translate(VirtualAddress(base + page * 4096 + 5)) == PhysicalAddress(page * 4096 + 5))
            }
            #expect(throws: MemoryFault.self) { try space.translate(VirtualAddress(base + 0x1_0000)) }
        }
    }
}

import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@Suite struct MemorySearchTests {
    /// Three pages that follow each other, a hole, and one more page.
    func memory(_ change: (KernelBuilder) -> Void = { _ in }) -> any PhysicalMemory {
        let builder = KernelBuilder(exampleTypes())
        for page in [1, 2, 3, 5] as [UInt64] { builder.write([0], at: VirtualAddress(LinearMap.direct + page * 4096)) }
        change(builder)
        return builder.target().space.memory
    }

    func place(_ page: UInt64, _ offset: UInt64) -> VirtualAddress {
        VirtualAddress(LinearMap.direct + page * 4096 + offset)
    }

    func addresses(_ needle: Needle, _ memory: any PhysicalMemory, _ range: Range<PhysicalAddress>? = nil) -> [UInt64] {
        MemorySearch(needle, in: memory).run(range).hits.map(\.address.rawValue)
    }

    let value: UInt64 = 0x1122_3344_5566_7788

    @Test func aWordIsFoundWhereItIsAlignedInAddressOrder() {
        let memory = memory { builder in
            for (page, offset) in [(5, 4088), (1, 0), (2, 16), (3, 4)] as [(UInt64, UInt64)] {
                builder.write(word: value, at: place(page, offset))
            }
        }
        let needle = Needle.word(value, mask: .max, width: 8)
        #expect(addresses(needle, memory) == [0x1000, 0x2010, 0x5ff8])
        #expect(addresses(.word(0x5566_7788, mask: 0xffff_ffff, width: 4), memory) == [0x1000, 0x2010, 0x3004, 0x5ff8])
        let range = PhysicalAddress(0x1008)..<PhysicalAddress(0x5ff8)
        #expect(addresses(needle, memory, range) == [0x2010])
    }

    @Test func aMaskLeavesBitsOut() {
        let memory = memory { $0.write(word: value | 0xfff, at: place(2, 8)) }
        #expect(addresses(.word(value & ~0xfff, mask: ~0xfff, width: 8), memory) == [0x2008])
        let hit = MemorySearch(.word(value & ~0xfff, mask: ~0xfff, width: 8), in: memory).run().hits.first
        #expect(hit?.word == value | 0xfff)
    }

    @Test func aStringIsFoundAcrossTheBorderOfPages() {
        let text = Array("deadlock".utf8)
        let memory = memory { builder in
            builder.write(text, at: place(1, 100))
            builder.write(text, at: place(2, 4096 - 3))
            builder.write(Array("dead".utf8), at: place(3, 4092))
            builder.write(Array("lock".utf8), at: place(5, 0))
        }
        // Page 4 is missing: its neighbours' bytes do not touch.
        #expect(addresses(.bytes(text), memory) == [0x1064, 0x2ffd])
        #expect(addresses(.bytes(Array("d".utf8)), memory).count == 6)
    }

    @Test func overlappingStringsAreAllFound() {
        let memory = memory { $0.write(Array("aaaa".utf8), at: place(1, 4094)) }
        #expect(addresses(.bytes(Array("aa".utf8)), memory) == [0x1ffe, 0x1fff, 0x2000])
    }

    @Test func theNumberOfPlacesIsBounded() {
        let memory = memory()
        let result = MemorySearch(.word(0, mask: .max, width: 8), in: memory, limit: 10).run()
        #expect(result.hits.count == 10)
        #expect(result.isCut)
    }

    @Test func pagesThatCannotBeReadAreCounted() {
        struct Broken: PhysicalMemory {
            let pageSize = 4096
            func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
                guard address.rawValue >= 0x2000 else { throw .notSaved(address, .undecodable("a wrong checksum")) }
                return Page(base: address, bytes: ByteSlice([UInt8](repeating: 7, count: 4096), name: "page"))
            }
            func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? {
                address.rawValue < 0x4000 ? address..<PhysicalAddress(0x4000) : nil
            }
        }
        let result = MemorySearch(.word(1, mask: .max, width: 8), in: Broken()).run()
        #expect(result.hits.isEmpty)
        #expect(result.pages == 2)
        #expect(result.unreadablePages == 2)
        #expect(result.faults.count == 2)
    }

    @Test func emptyMemoryAndAnInterruptionEnd() {
        struct Empty: PhysicalMemory {
            let pageSize = 4096
            func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
                throw .notSaved(address, .hole)
            }
            func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? { nil }
        }
        #expect(MemorySearch(.bytes([1]), in: Empty()).run().hits.isEmpty)
        let needle = Needle.word(0, mask: .max, width: 8)
        #expect(MemorySearch(needle, in: memory(), isInterrupted: { true }).run().hits.isEmpty)
    }
}

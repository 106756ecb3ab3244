import Bytes
import FixtureKit
import Machine
import Memory
import Testing

struct PageTableBuilderTests {
    private let root = PhysicalAddress(0x10_0000)

    private func table(
        levels: Int = 4, mask: UInt64 = 0, _ fill: (inout PageTableBuilder, inout PhysicalMemoryBuilder) -> Void
    ) -> X86_64PageTable {
        var memory = PhysicalMemoryBuilder()
        var builder = PageTableBuilder(root: root, levels: levels, encryptionMask: mask, in: &memory)
        fill(&builder, &memory)
        return X86_64PageTable(memory: memory.build(), root: root, levels: levels, encryptionMask: mask)
    }

    @Test(
        "pages of each size, in tables of 4 and 5 levels, encrypted or not",
        arguments: [4, 5], [0, 1 << 47] as [UInt64])
    func sizes(_ levels: Int, _ mask: UInt64) throws {
        let high = VirtualAddress(0xffff_8880_0000_0000)
        let table = table(levels: levels, mask: mask) { builder, memory in
            builder.map(high, to: PhysicalAddress(0x20_0000), in: &memory)
            builder.map(high.advanced(by: UInt64(0x20_0000)), to: PhysicalAddress(0x40_0000), size: .large, in: &memory)
            builder.map(
                high.advanced(by: UInt64(0x4000_0000)), to: PhysicalAddress(0x8000_0000), size: .huge, in: &memory)
        }
        func extent(_ offset: UInt64) throws(MemoryFault) -> PhysicalExtent {
            try table.translate(high.advanced(by: offset))
        }
        #expect(try extent(0x123) == PhysicalExtent(start: PhysicalAddress(0x20_0123), count: 0x1000 - 0x123))
        #expect(try extent(0x21_2345) == PhysicalExtent(start: PhysicalAddress(0x41_2345), count: 0x20_0000 - 0x1_2345))
        #expect(
            try extent(0x5234_5678)
                == PhysicalExtent(start: PhysicalAddress(0x9234_5678), count: 0x4000_0000 - 0x1234_5678))
    }

    @Test("each way of not being mapped is its own fault")
    func faults() {
        let address = VirtualAddress(0x7f00_0000_1000)
        let table = table { builder, memory in
            builder.set(address, level: 1, entry: 0x1234_5600, in: &memory)
            builder.set(VirtualAddress(0x10_0000_0000), level: 3, entry: 0xdead_b000_0000 | 1, in: &memory)
        }
        #expect(throws: MemoryFault.swapped(address, entry: 0x1234_5600)) { try table.translate(address) }
        let other = address.advanced(by: UInt64(0x1000))
        #expect(throws: MemoryFault.unmapped(other, level: 1, entry: 0)) { try table.translate(other) }
        #expect(throws: MemoryFault.unmapped(VirtualAddress(0), level: 3, entry: 0)) {
            try table.translate(VirtualAddress(0))
        }
        let gap = VirtualAddress(0xffff_ffff_8000_0000)
        #expect(throws: MemoryFault.unmapped(gap, level: 4, entry: 0)) { try table.translate(gap) }
        #expect(throws: MemoryFault.nonCanonical(VirtualAddress(1 << 50))) {
            try table.translate(VirtualAddress(1 << 50))
        }
        // A table that the dump does not have.
        #expect(throws: MemoryFault.notSaved(PhysicalAddress(0xdead_b000_0000), .hole)) {
            try table.translate(VirtualAddress(0x10_0000_0000))
        }
    }

    @Test("a walk shows each step up to the page")
    func walk() {
        let table = table { builder, memory in
            builder.map(VirtualAddress(0x40_0000), to: PhysicalAddress(0x7000), in: &memory)
        }
        let (steps, result) = table.walk(VirtualAddress(0x40_0010))
        #expect(steps.map(\.table) == ["PGD", "PUD", "PMD", "PTE"])
        #expect(steps.last?.entry == 0x7003)
        #expect(steps.last?.flags == ["PRESENT", "RW"])
        #expect(result == .success(PhysicalExtent(start: PhysicalAddress(0x7010), count: 0xff0)))
    }
}

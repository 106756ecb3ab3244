// x86-64 page tables of every shape: what they map, where they end, and that broken ones end too.

import Bytes
import FixtureKit
import Machine
import Memory
import Testing

private let root = PhysicalAddress(0x10_0000)
private let kernel = VirtualAddress(0xffff_8880_1234_5000)

struct PageTableTests {
    @Test("a small page is found through four and through five levels", arguments: [4, 5]) func small(levels: Int)
        throws
    {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, levels: levels, in: &memory)
        tables.map(kernel, to: PhysicalAddress(0x7000), in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: levels)
        let extent = try table.translate(kernel.advanced(by: UInt64(0x123)))
        #expect(extent == PhysicalExtent(start: PhysicalAddress(0x7123), count: 0x1000 - 0x123))
        let walk = table.walk(kernel)
        #expect(
            walk.steps.map(\.table)
                == (levels == 5 ? ["PGD", "P4D", "PUD", "PMD", "PTE"] : ["PGD", "PUD", "PMD", "PTE"]))
    }

    @Test("large and huge pages map their whole size") func large() throws {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        tables.map(VirtualAddress(0xffff_8880_0020_0000), to: PhysicalAddress(0x40_0000), size: .large, in: &memory)
        tables.map(VirtualAddress(0xffff_8881_0000_0000), to: PhysicalAddress(0x8000_0000), size: .huge, in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        #expect(try table.translate(VirtualAddress(0xffff_8880_002f_f010)).start == PhysicalAddress(0x4f_f010))
        let huge = try table.translate(VirtualAddress(0xffff_8881_2000_0000))
        #expect(huge == PhysicalExtent(start: PhysicalAddress(0xa000_0000), count: 0x2000_0000))
    }

    @Test("what is not mapped says at which level the walk ended") func unmapped() {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        tables.map(kernel, to: PhysicalAddress(0x7000), in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        #expect(throws: MemoryFault.unmapped(kernel.advanced(by: UInt64(0x1000)), level: 1, entry: 0)) {
            try table.translate(kernel.advanced(by: UInt64(0x1000)))
        }
        #expect(throws: MemoryFault.unmapped(VirtualAddress(0xffff_c900_0000_0000), level: 4, entry: 0)) {
            try table.translate(VirtualAddress(0xffff_c900_0000_0000))
        }
        #expect(throws: MemoryFault.nonCanonical(VirtualAddress(0x6b6b_6b6b_6b6b_6b6b))) {
            try table.translate(VirtualAddress(0x6b6b_6b6b_6b6b_6b6b))
        }
    }

    @Test("a PROT_NONE page is found behind its inverted frame number") func protNone() throws {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        let user = VirtualAddress(0x40_0000)
        // Not present, global; the frame number inverted (arch/x86/include/asm/pgtable-invert.h).
        tables.set(user, level: 1, entry: (~UInt64(0x9000) & 0x000f_ffff_ffff_f000) | 0x100, in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        #expect(try table.translate(user).start == PhysicalAddress(0x9000))
    }

    @Test("a swapped page is no unmapped page") func swapped() {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        let user = VirtualAddress(0x40_0000)
        tables.set(user, level: 1, entry: 0x8800_0000_0000_0200, in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        #expect(throws: MemoryFault.swapped(user, entry: 0x8800_0000_0000_0200)) { try table.translate(user) }
    }

    @Test("the memory encryption bit is no part of an address") func encrypted() throws {
        let mask: UInt64 = 1 << 47
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, encryptionMask: mask, in: &memory)
        tables.map(kernel, to: PhysicalAddress(0x7000), in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4, encryptionMask: mask)
        #expect(try table.translate(kernel).start == PhysicalAddress(0x7000))
    }

    @Test("a table whose page is missing is a missing page, not an unmapped address") func missingTable() {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        tables.map(kernel, to: PhysicalAddress(0x7000), in: &memory)
        memory.leaveOut(root, .truncated)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        #expect(throws: MemoryFault.self) { try table.translate(kernel) }
        if case .failure(.notSaved(_, .truncated)) = table.walk(kernel).result {
        } else {
            Issue.record("the walk should end at the missing table")
        }
    }

    @Test("tables that point to themselves are listed in finite time") func selfReference() throws {
        var memory = PhysicalMemoryBuilder()
        var page: [UInt8] = []
        for _ in 0..<512 {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                page.append(UInt8(truncatingIfNeeded: (root.rawValue | 3) >> shift))
            }
        }
        memory.write(page, at: root)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 5)
        var count = 0
        table.mappings(
            in: VirtualAddress(0)...VirtualAddress(.max), fault: { _ in }, { _, _ in count += 1 })
        #expect(count == 512)
    }

    @Test("mappings lists every page of a range, in order") func mappings() throws {
        var memory = PhysicalMemoryBuilder()
        var tables = PageTableBuilder(root: root, in: &memory)
        tables.map(kernel, to: PhysicalAddress(0x7000), in: &memory)
        tables.map(kernel.advanced(by: UInt64(0x2000)), to: PhysicalAddress(0x5000), in: &memory)
        tables.map(VirtualAddress(0x40_0000), to: PhysicalAddress(0x6000), in: &memory)
        let table = X86_64PageTable(memory: memory.build(), root: root, levels: 4)
        var found: [UInt64] = []
        table.mappings(in: VirtualAddress(1 << 63)...VirtualAddress(.max), fault: { _ in }) { address, extent in
            found += [address.rawValue, extent.start.rawValue]
        }
        #expect(found == [kernel.rawValue, 0x7000, kernel.rawValue + 0x2000, 0x5000])
    }
}

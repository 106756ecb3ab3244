// x86-64 page tables of 4 and 5 levels (Intel SDM volume 3, chapter 4; AMD APM volume 2, chapter 5).

package import Bytes
package import Memory

package struct X86_64PageTable: PageTable {
    private let memory: any PhysicalMemory
    package let root: PhysicalAddress
    /// 4, or 5 with LA57.
    package let levels: Int
    /// Bits of an entry that mark memory as encrypted (`sme_me_mask`); 0 without memory encryption.
    package let encryptionMask: UInt64

    /// The physical address bits of an entry, 12 to 51.
    private static let addressBits: UInt64 = 0x000f_ffff_ffff_f000
    private static let present: UInt64 = 1
    private static let large: UInt64 = 1 << 7
    private static let global: UInt64 = 1 << 8

    package init(memory: any PhysicalMemory, root: PhysicalAddress, levels: Int, encryptionMask: UInt64 = 0) {
        self.memory = memory
        self.root = root
        self.levels = levels
        self.encryptionMask = encryptionMask
    }

    private static let tableNames = ["PTE", "PMD", "PUD", "P4D", "PGD"]

    private func tableName(_ level: Int) -> String {
        level == levels ? "PGD" : Self.tableNames[min(max(level - 1, 0), 4)]
    }

    /// The bits of an address that a level's entry does not translate.
    private static func shift(_ level: Int) -> UInt64 { UInt64(12 + 9 * (level - 1)) }

    /// Whether bits above the translated ones all repeat its top bit.
    private func isCanonical(_ address: VirtualAddress) -> Bool {
        let unused = Int64(64 - (12 + 9 * levels))
        return UInt64(bitPattern: (Int64(bitPattern: address.rawValue) << unused) >> unused) == address.rawValue
    }

    package func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        guard isCanonical(address) else { throw .nonCanonical(address) }
        var table = root
        for level in stride(from: levels, through: 1, by: -1) {
            let index = (address.rawValue >> Self.shift(level)) & 0x1ff
            let entry = try memory.word(at: table.advanced(by: index * 8))
            guard let next = try step(entry, level, address) else { return leaf(entry, level, address) }
            table = next
        }
        throw .unmapped(address, level: 1, entry: 0)
    }

    /// The next table, or nil when the entry maps a page. Throws when it maps nothing.
    private func step(
        _ entry: UInt64, _ level: Int, _ address: VirtualAddress
    ) throws(MemoryFault) -> PhysicalAddress? {
        // PROT_NONE pages are not present and have the global bit; the kernel inverts their frame number (L1TF).
        if entry & Self.present == 0 {
            if entry & Self.global != 0, level <= 2 { return nil }
            if entry != 0, address.rawValue >> 63 == 0, level == 1 { throw .swapped(address, entry: entry) }
            throw .unmapped(address, level: level, entry: entry)
        }
        if level == 1 || (level <= 3 && entry & Self.large != 0) { return nil }
        return PhysicalAddress(entry & Self.addressBits & ~encryptionMask)
    }

    private func leaf(_ entry: UInt64, _ level: Int, _ address: VirtualAddress) -> PhysicalExtent {
        let size = UInt64(1) << Self.shift(level)
        var bits = entry
        if entry & Self.present == 0 { bits = ~entry }
        let frame = bits & Self.addressBits & ~encryptionMask & ~(size - 1)
        let offset = address.rawValue & (size - 1)
        return PhysicalExtent(start: PhysicalAddress(frame | offset), count: size - offset)
    }

    package func walk(
        _ address: VirtualAddress
    ) -> (steps: [TranslationStep], result: Result<PhysicalExtent, MemoryFault>) {
        guard isCanonical(address) else { return ([], .failure(.nonCanonical(address))) }
        var steps: [TranslationStep] = []
        var table = root
        do throws(MemoryFault) {
            for level in stride(from: levels, through: 1, by: -1) {
                let at = table.advanced(by: ((address.rawValue >> Self.shift(level)) & 0x1ff) * 8)
                let entry = try memory.word(at: at)
                steps.append(
                    TranslationStep(
                        table: tableName(level), entryAddress: at, entry: entry, flags: Self.flags(entry, level)))
                guard let next = try step(entry, level, address) else {
                    return (steps, .success(leaf(entry, level, address)))
                }
                table = next
            }
        } catch {
            return (steps, .failure(error))
        }
        return (steps, .failure(.unmapped(address, level: 1, entry: 0)))
    }

    /// An entry of the lowest level by itself.
    static func describe(_ entry: UInt64) -> (frame: PhysicalAddress?, flags: [String]) {
        guard entry & (present | global) != 0 else { return (nil, []) }
        return (PhysicalAddress(entry & addressBits), flags(entry, 1))
    }

    private static func flags(_ entry: UInt64, _ level: Int) -> [String] {
        var names: [String] = []
        let bits: [(UInt64, String)] = [
            (0, "PRESENT"), (1, "RW"), (2, "USER"), (3, "PWT"), (4, "PCD"), (5, "ACCESSED"), (6, "DIRTY"),
            (8, "GLOBAL"), (63, "NX"),
        ]
        for (bit, name) in bits where entry >> bit & 1 == 1 { names.append(name) }
        if entry & large != 0 { names.append(level == 1 ? "PAT" : level <= 3 ? "PSE" : "BIT7") }
        return names
    }

    package func mappings(
        in range: ClosedRange<VirtualAddress>, fault: (MemoryFault) -> Void,
        _ body: (VirtualAddress, PhysicalExtent) throws -> Void
    ) rethrows {
        var seen: Set<SeenTable> = []
        try descend(root, levels, base: 0, range, &seen, fault, body)
    }

    private struct SeenTable: Hashable {
        let table: PhysicalAddress
        let level: Int
    }

    /// A table is entered once a level: shared tables (KASAN's shadow) would take years, and tables that point to
    /// themselves for ever.
    private func descend(
        _ table: PhysicalAddress, _ level: Int, base: UInt64, _ range: ClosedRange<VirtualAddress>,
        _ seen: inout Set<SeenTable>, _ fault: (MemoryFault) -> Void,
        _ body: (VirtualAddress, PhysicalExtent) throws -> Void
    ) rethrows {
        guard seen.insert(SeenTable(table: table, level: level)).inserted else { return }
        let size = UInt64(1) << Self.shift(level)
        let page: ByteSlice
        do {
            page = try memory.read(table, count: 4096)
        } catch {
            fault(error)
            return
        }
        for index in UInt64(0)..<512 {
            var start = base &+ index &* size
            // The upper half of the top level is the upper half of the address space.
            if level == levels, index >= 256 { start |= ~UInt64(0) << (Self.shift(level) + 9) }
            let last = start &+ (size - 1)
            guard last >= range.lowerBound.rawValue, start <= range.upperBound.rawValue else { continue }
            guard let entry = page.withBytes({ $0.little(Int(index) * 8, as: UInt64.self) }), entry & Self.present != 0
            else { continue }
            if level == 1 || (level <= 3 && entry & Self.large != 0) {
                try body(VirtualAddress(start), leaf(entry, level, VirtualAddress(start)))
            } else {
                let next = PhysicalAddress(entry & Self.addressBits & ~encryptionMask)
                try descend(next, level - 1, base: start, range, &seen, fault, body)
            }
        }
    }
}

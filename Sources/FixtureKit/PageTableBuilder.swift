// x86-64 page tables of 4 or 5 levels, written into physical memory. SOURCE: Intel SDM volume 3A, section 4.5.

package import Bytes

/// Maps pages one by one and makes the tables that this needs, one after another from a given address.
package struct PageTableBuilder: Sendable {
    /// The size of a mapped page: its entry is in the table of level 1, 2 or 3.
    package enum PageSize: Int, Sendable {
        case small = 1
        case large = 2
        case huge = 3

        package var bytes: UInt64 { 1 << UInt64(3 + 9 * rawValue) }
    }

    package static let present: UInt64 = 1 << 0
    package static let writable: UInt64 = 1 << 1
    package static let user: UInt64 = 1 << 2
    package static let large: UInt64 = 1 << 7
    package static let noExecute: UInt64 = 1 << 63

    /// The table of the highest level: what CR3 holds.
    package let root: PhysicalAddress
    package let levels: Int
    /// A bit that memory encryption sets in every entry (AMD SME); 0 for none.
    package let encryptionMask: UInt64
    private var next: UInt64

    /// Tables stand from `root` on, a page each. The root table exists even when nothing is mapped.
    package init(
        root: PhysicalAddress, levels: Int = 4, encryptionMask: UInt64 = 0, in memory: inout PhysicalMemoryBuilder
    ) {
        self.root = root
        self.levels = levels
        self.encryptionMask = encryptionMask
        next = root.rawValue + 4096
        memory.write([UInt8](repeating: 0, count: 4096), at: root)
    }

    /// Maps the page of `size` that holds `address` to the frame at `frame`. `flags` go into the last entry, beside
    /// the ones that the size asks for; leave `present` out to make a swapped or unmapped page.
    package mutating func map(
        _ address: VirtualAddress, to frame: PhysicalAddress, size: PageSize = .small,
        flags: UInt64 = present | writable, in memory: inout PhysicalMemoryBuilder
    ) {
        let entry = frame.rawValue | flags | (size == .small ? 0 : Self.large) | encryptionMask
        set(address, level: size.rawValue, entry: entry, in: &memory)
    }

    /// Maps `count` bytes from `address` to those from `frame`, with small pages.
    package mutating func map(
        _ address: VirtualAddress, to frame: PhysicalAddress, count: UInt64, in memory: inout PhysicalMemoryBuilder
    ) {
        var offset: UInt64 = 0
        while offset < count {
            map(address.advanced(by: offset), to: frame.advanced(by: offset), in: &memory)
            offset += 4096
        }
    }

    /// Writes any entry for `address` into the table of `level` (1 = page table), making those above it.
    package mutating func set(
        _ address: VirtualAddress, level: Int, entry: UInt64, in memory: inout PhysicalMemoryBuilder
    ) {
        var table = root
        for above in stride(from: levels, to: level, by: -1) {
            let slot = Self.slot(address, level: above, in: table)
            var known = memory.word(at: slot)
            if known & Self.present == 0 {
                known = next | Self.present | Self.writable | Self.user | encryptionMask
                next += 4096
                memory.write(known, at: slot)
                memory.write([UInt8](repeating: 0, count: 4096), at: Self.frame(known, encryptionMask))
            }
            table = Self.frame(known, encryptionMask)
        }
        memory.write(entry, at: Self.slot(address, level: level, in: table))
    }

    /// Where the entry for `address` is in a table of `level`.
    package static func slot(_ address: VirtualAddress, level: Int, in table: PhysicalAddress) -> PhysicalAddress {
        table.advanced(by: (address.rawValue >> UInt64(3 + 9 * level) & 511) * 8)
    }

    private static func frame(_ entry: UInt64, _ mask: UInt64) -> PhysicalAddress {
        PhysicalAddress(entry & ~mask & 0x000f_ffff_ffff_f000)
    }
}

// What can be translated without page tables: the kernel image and the direct map, which are linear.

internal import Bytes
internal import Machine
internal import Memory

/// Page tables some of which a truncated dump lacks. Where a walk meets a page that is not saved, addresses of the
/// image and of the direct map are translated as the kernel laid them out at boot (arch/x86/mm/init.c); all others
/// fail as the walk did. What the tables do say always wins.
struct LinuxX86_64LinearTables: PageTable {
    let table: X86_64PageTable
    /// `phys_base`: PA = VA - imageMap + physicalBase.
    let physicalBase: UInt64
    /// `page_offset_base`; nil when it is unknown.
    let directMap: UInt64?

    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent {
        do throws(MemoryFault) { return try table.translate(address) } catch {
            guard case .notSaved = error, let physical = linear(address) else { throw error }
            return PhysicalExtent(start: physical, count: 0x1000 - address.rawValue & 0xfff)
        }
    }

    /// The tables behind a translation that this architecture made.
    static func walked(_ translation: any AddressTranslation) -> X86_64PageTable? {
        (translation as? Self)?.table ?? translation as? X86_64PageTable
    }

    private func linear(_ address: VirtualAddress) -> PhysicalAddress? {
        let inImage = address.rawValue &- LinuxX86_64.imageMap
        if inImage < LinuxX86_64.imageSize { return PhysicalAddress(inImage &+ physicalBase) }
        guard let directMap, address.rawValue >= directMap, address.rawValue - directMap < 1 << 46 else { return nil }
        return PhysicalAddress(address.rawValue - directMap)
    }

    func walk(
        _ address: VirtualAddress
    ) -> (steps: [TranslationStep], result: Result<PhysicalExtent, MemoryFault>) {
        table.walk(address)
    }

    func mappings(
        in range: ClosedRange<VirtualAddress>, fault: (MemoryFault) -> Void,
        _ body: (VirtualAddress, PhysicalExtent) throws -> Void
    ) rethrows {
        try table.mappings(in: range, fault: fault, body)
    }
}

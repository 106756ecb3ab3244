// A page frame: `struct page`, whatever the release.

package import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Between page frames, their `struct page`, and the direct map's addresses (SPARSEMEM_VMEMMAP).
struct PageMap: Sendable {
    let target: Target
    let layout: StructLayout
    /// The `struct page` of frame 0.
    let base: VirtualAddress
    private let pages: ClosedRange<VirtualAddress>
    /// The direct map: address of physical 0.
    let directMap: ClosedRange<VirtualAddress>

    /// Bytes of a page frame: `PAGE_SIZE` of x86-64, and the only size that is read so far.
    static let pageSize: UInt64 = 4096

    init(_ target: Target, regions: [MemoryRegion]) throws {
        guard let pages = regions.first(where: { $0.name == "vmemmap" })?.range else {
            throw ValueError.absent("the array of struct page has no known place")
        }
        guard let direct = regions.first(where: { $0.linear == PhysicalAddress(0) })?.range else {
            throw ValueError.absent("the direct map has no known place")
        }
        self.target = target
        layout = try StructLayout(target, "page")
        self.pages = pages
        base = pages.lowerBound
        directMap = direct
    }

    func isPage(_ address: VirtualAddress) -> Bool { pages.contains(address) }

    func page(of physical: PhysicalAddress) -> VirtualAddress {
        base.advanced(by: physical.rawValue / Self.pageSize &* UInt64(layout.size))
    }

    /// The frame number of a `struct page`, or of the one that holds the address.
    func frame(of page: VirtualAddress) -> UInt64 { page.distance(from: base) / UInt64(layout.size) }

    /// Where the page is in the direct map.
    func memory(of page: VirtualAddress) -> VirtualAddress {
        directMap.lowerBound.advanced(by: frame(of: page) &* Self.pageSize)
    }

    /// The `struct page` of an address of the direct map.
    func page(ofMemory address: VirtualAddress) -> VirtualAddress? {
        guard directMap.contains(address) else { return nil }
        return page(of: PhysicalAddress(address.distance(from: directMap.lowerBound)))
    }
}

/// What is known of one page frame.
package struct PageInfo: Sendable {
    package let physical: PhysicalAddress
    /// Its `struct page`.
    package let address: VirtualAddress
    package let rawFlags: UInt64
    /// The flags that are set, as `enum pageflags` names them without `PG_`: "locked", "lru", "slab".
    package let flags: [String]
    package let refcount: Int64
    /// How often page tables map it; nil for a page with a type, which keeps the type in the same word.
    package let mapcount: Int64?
    /// "buddy" (free), "slab", "table", "offline", ...; nil for an ordinary page.
    package let type: String?
    /// The first page of the compound page or folio of which this is a later one.
    package let head: VirtualAddress?
    package let mapping: Mapping?
    /// The offset within the mapping, in pages.
    package let index: UInt64

    /// What the page holds.
    package enum Mapping: Sendable, Equatable {
        /// Bit 0: the `struct anon_vma`.
        case anonymous(VirtualAddress)
        /// Bits 0 and 1: a page that KSM shares.
        case ksm(VirtualAddress)
        /// Bit 1: a driver can move it.
        case movable(VirtualAddress)
        /// The `struct address_space` of a file.
        case file(VirtualAddress)

        init?(_ raw: UInt64) {
            let address = VirtualAddress(raw & ~3)
            if address.isNull { return nil }
            switch raw & 3 {
            case 1: self = .anonymous(address)
            case 2: self = .movable(address)
            case 3: self = .ksm(address)
            default: self = .file(address)
            }
        }

        package var description: String {
            switch self {
            case .anonymous(let address): "anonymous, anon_vma \(address)"
            case .ksm(let address): "shared by KSM, \(address)"
            case .movable(let address): "movable, \(address)"
            case .file(let address): "file, address_space \(address)"
            }
        }
    }
}

/// Reads `struct page`s of one kernel: finds out once how it lays them out.
struct PageReader: Sendable {
    let map: PageMap
    private let names: [UInt64: String]
    private let types: PageTypes
    private let flags, compoundHead, refcount, mapcount, mapping: FieldPlace
    private let index: FieldPlace

    init(_ target: Target, regions: [MemoryRegion]) throws {
        map = try PageMap(target, regions: regions)
        let layout = map.layout
        // `flags` became a structure with the member `f` in 6.18 (53fbef56e07d).
        flags = try layout.field(anyOf: ["flags.f", "flags"])
        compoundHead = try layout.field(anyOf: ["compound_head", "compound_info"])
        refcount = try layout.field("_refcount.counter")
        mapcount = try layout.field(anyOf: ["_mapcount.counter", "page_type"])
        mapping = try layout.field("mapping")
        // `index` became `__folio_index` in 6.16 (acc53a0b4c15).
        index = try layout.field(anyOf: ["__folio_index", "index"])
        var names: [UInt64: String] = [:]
        // Later names of the same bit are aliases for special kinds of pages; __NR_PAGEFLAGS ends the list.
        for enumerator in Globals.enumerators(target, "pageflags") where enumerator.name.hasPrefix("PG_") {
            guard enumerator.value >= 0, enumerator.value < 64, names[UInt64(enumerator.value)] == nil else { continue }
            names[UInt64(enumerator.value)] = String(enumerator.name.dropFirst(3))
        }
        guard !names.isEmpty else { throw ValueError.noType("enum pageflags") }
        self.names = names
        types = PageTypes(target)
    }

    func info(physical: PhysicalAddress) throws -> PageInfo { try info(page: map.page(of: physical)) }

    func info(page address: VirtualAddress) throws -> PageInfo {
        let bytes = try map.layout.read(address)
        func read(_ field: FieldPlace) -> UInt64 { field.read(bytes) ?? 0 }
        let raw = read(flags)
        let set = names.filter { raw >> $0.key & 1 == 1 }.sorted { $0.key < $1.key }.map(\.value)
        let count = UInt32(truncatingIfNeeded: read(mapcount))
        let type = set.contains("slab") ? "slab" : types.name(count)
        return PageInfo(
            physical: PhysicalAddress(map.frame(of: address) &* PageMap.pageSize), address: address, rawFlags: raw,
            flags: set, refcount: Int64(Int32(truncatingIfNeeded: read(refcount))),
            mapcount: type == nil ? Int64(Int32(bitPattern: count)) + 1 : nil, type: type,
            head: head(address, read(compoundHead), isHead: set.contains("head")),
            mapping: type == nil ? .init(read(mapping)) : nil, index: read(index))
    }

    /// The head of the compound page that `address` belongs to, when it is not the head itself.
    private func head(_ address: VirtualAddress, _ word: UInt64, isHead: Bool) -> VirtualAddress? {
        if let head = Self.head(ofTail: address, word) { return head }
        // With HVO (5.18) the tail pages of a huge page are mapped onto the head's: they look like heads, and only the
        // page after them tells (page_fixed_fake_head).
        let next = address.advanced(by: UInt64(map.layout.size))
        guard isHead, address.rawValue & (PageMap.pageSize - 1) == 0, let bytes = try? map.layout.read(next),
            let word = compoundHead.read(bytes), let head = Self.head(ofTail: next, word), head != address
        else { return nil }
        return head
    }

    /// What a page's word says of its head; nil when the page is no tail. The word is the head's address and 1; where it is
    /// called `compound_info` and a `struct page`'s size is a power of two it may be a mask and 1: the bits of the tail's
    /// address that are the head's (include/linux/page-flags.h of 7.3: compound_info_has_mask, for kernels with
    /// HUGETLB_PAGE_OPTIMIZE_VMEMMAP). No `struct page` has an address that is ones and then zeros only, in the top 4 GiB.
    static func head(ofTail address: VirtualAddress, _ word: UInt64) -> VirtualAddress? {
        guard word & 1 == 1 else { return nil }
        let value = word & ~1
        let span = 0 &- value
        if span.nonzeroBitCount == 1, span < 1 << 32 { return VirtualAddress(address.rawValue & value) }
        return VirtualAddress(value)
    }

    /// The head page of whatever `page` belongs to, itself when it stands alone.
    func headInfo(page: VirtualAddress) throws -> PageInfo {
        let info = try info(page: page)
        guard let head = info.head else { return info }
        guard map.isPage(head) else {
            throw ValueError.absent("the page at \(page) names \(head) as its head, which is no struct page")
        }
        return try self.info(page: head)
    }
}

/// The types that pages keep in the word of their map count, and how a type is told from a count.
struct PageTypes: Sendable {
    private enum Scheme {
        /// 6.12: the top byte is the type, from f0 up (4ffca5a96678).
        case topByte
        /// Until 6.11: all ones but for the type's bit. The bits of `base` are always set; from `reserve` up it is a
        /// count that fell below zero, or the type's bit is not one of those given.
        case clearBit(base: UInt32, reserve: UInt32)
    }

    private let scheme: Scheme
    private let names: [(value: UInt32, name: String)]

    init(_ target: Target) {
        let known = Globals.enumerators(target, "pagetype")
        func entries(_ prefix: String) -> [(value: UInt32, name: String)] {
            known.filter { $0.name.hasPrefix(prefix) }
                .map { (UInt32(truncatingIfNeeded: $0.value), String($0.name.dropFirst(prefix.utf8.count))) }
        }
        func value(_ name: String) -> UInt32? {
            known.first { $0.name == name }.map { UInt32(truncatingIfNeeded: $0.value) }
        }
        let top = entries("PGTY_").filter { $0.value >= 0xf0 && $0.value < 0xff }
        let bits = entries("PG_").filter { $0.value.nonzeroBitCount == 1 }
        if !top.isEmpty {
            scheme = .topByte
            names = top
        } else {
            // 6.11 moved the bits up and left the lower half to the types' owners; it has them as an enumeration.
            scheme = .clearBit(
                base: value("PAGE_TYPE_BASE") ?? 0xf000_0000, reserve: value("PAGE_MAPCOUNT_RESERVE") ?? 0xffff_ff80)
            names = bits.isEmpty ? Self.defaults(target) : bits
        }
    }

    /// Macros before 6.11: PageKmemcg went away with `page.mem_cgroup` in 5.11 (18b2db3b0385), and the bits after it
    /// moved down. `struct hd_struct` went in 5.11 too (0d02129e76ed), for kernels without memory cgroups.
    private static func defaults(_ target: Target) -> [(value: UInt32, name: String)] {
        let page = (try? target.types.lookup(.structure, "page")).flatMap { $0 }
        let owner = page.flatMap { try? target.types.member("mem_cgroup", of: $0) }
        let disk = (try? target.types.lookup(.structure, "hd_struct")).flatMap { $0 }
        if owner != nil || disk != nil {
            return [(0x80, "buddy"), (0x100, "offline"), (0x200, "kmemcg"), (0x400, "table"), (0x800, "guard")]
        }
        // hugetlb 6.9 (d99e3140a4d3), slab 6.10 (46df8e73a4a3).
        return [
            (0x80, "buddy"), (0x100, "offline"), (0x200, "table"), (0x400, "guard"), (0x800, "hugetlb"),
            (0x1000, "slab"),
        ]
    }

    /// The type in a word of `_mapcount` or `page_type`; nil when it is a count.
    func name(_ word: UInt32) -> String? {
        switch scheme {
        case .topByte:
            guard word >> 24 >= 0xf0, word >> 24 != 0xff else { return nil }
            return names.first { $0.value == word >> 24 }?.name ?? "type 0x" + hex(UInt64(word >> 24))
        case .clearBit(let base, let reserve):
            guard word & base == base, word < reserve else { return nil }
            return names.first { word & $0.value == 0 }?.name
        }
    }
}

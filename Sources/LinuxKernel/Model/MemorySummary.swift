// Where the machine's memory is: what /proc/meminfo would have said.

internal import Bytes
internal import DebugModel
internal import Memory
package import Target

/// One line of the summary.
package struct MemoryItem: Sendable {
    /// Stable: "total", "free", "slab_reclaimable".
    package let name: String
    /// What it is called for people.
    package let label: String
    /// Bytes; or why it is not known, which is not zero.
    package let value: Result<UInt64, MemoryGap>
}

package struct MemoryGap: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// Every figure is read on its own; one that this kernel does not keep is a gap.
package struct MemorySummary: Sendable {
    package let items: [MemoryItem]

    package subscript(name: String) -> UInt64? { try? items.first { $0.name == name }?.value.get() }

    private static let page: UInt64 = 4096

    package init(_ target: Target) {
        let counters = MemoryCounters(target)
        var items: [MemoryItem] = []
        func add(_ name: String, _ label: String, _ body: () throws -> UInt64) {
            let value: Result<UInt64, MemoryGap>
            do { value = .success(try body()) } catch { value = .failure(MemoryGap(description: "\(error)")) }
            items.append(MemoryItem(name: name, label: label, value: value))
        }
        func pages(_ name: String, _ label: String, _ body: @escaping () throws -> UInt64) {
            add(name, label) { try body().multipliedReportingOverflow(by: Self.page).partialValue }
        }
        func counted(_ name: String, _ label: String, _ names: [String]) {
            pages(name, label) { try counters.pages(anyOf: names) }
        }
        let buffers = Result { try BlockBuffers.pages(target) }
        pages("total", "total") {
            // `_totalram_pages`, an atomic, since 5.0 (ca79b0c211af).
            let newer = try? Globals.word(target, "_totalram_pages")
            return try newer ?? Globals.word(target, "totalram_pages")
        }
        counted("free", "free", ["NR_FREE_PAGES"])
        pages("available", "available") { try counters.available() }
        pages("buffers", "buffers") { try buffers.get() }
        pages("cached", "cached") {
            let file = try counters.pages(anyOf: ["NR_FILE_PAGES"])
            let swapCache = (try? counters.pages(anyOf: ["NR_SWAPCACHE"])) ?? 0
            let other = try buffers.get() &+ swapCache
            return file > other ? file - other : 0
        }
        counted("anonymous", "anonymous", ["NR_ANON_MAPPED"])
        counted("mapped", "mapped files", ["NR_FILE_MAPPED"])
        counted("shmem", "shared memory", ["NR_SHMEM"])
        // In bytes for memory cgroups since 5.9 (d42f3245c7e2), in pages for nodes all the same.
        counted("slab_reclaimable", "slab, reclaimable", ["NR_SLAB_RECLAIMABLE_B", "NR_SLAB_RECLAIMABLE"])
        counted("slab_unreclaimable", "slab, unreclaimable", ["NR_SLAB_UNRECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE"])
        counted("page_tables", "page tables", ["NR_PAGETABLE"])
        add("kernel_stacks", "kernel stacks") {
            try counters.pages(anyOf: ["NR_KERNEL_STACK_KB"]).multipliedReportingOverflow(by: 1024).partialValue
        }
        counted("mlocked", "locked in memory", ["NR_MLOCK"])
        counted("dirty", "dirty", ["NR_FILE_DIRTY"])
        counted("writeback", "in writeback", ["NR_WRITEBACK"])
        pages("vmalloc_used", "vmalloc in use") {
            // A node's counter in later kernels, an atomic of vmalloc.c (5.3, 97105f0ab7b8) before.
            let counter = try? counters.pages(anyOf: ["NR_VMALLOC"])
            return try counter ?? Globals.word(target, "nr_vmalloc_pages")
        }
        func needsSwap() throws {
            guard target.symbols.symbol(named: "total_swap_pages") != nil else {
                throw ValueError.absent("the kernel cannot swap (built without SWAP)")
            }
        }
        pages("swap_total", "swap, total") {
            try needsSwap()
            return try Globals.word(target, "total_swap_pages")
        }
        pages("swap_free", "swap, free") {
            try needsSwap()
            let free = Int64(bitPattern: try Globals.word(target, "nr_swap_pages"))
            return UInt64(max(free, 0))
        }
        let huge = Result { try HugePages.count(target) }
        add("huge_total", "huge pages, total") { try huge.get().total }
        add("huge_free", "huge pages, free") { try huge.get().free }
        self.items = items
    }
}

/// `vm_zone_stat` and `vm_node_stat`: totals, to which each CPU has yet to add what it counted since.
struct MemoryCounters {
    private let target: Target
    private let zoneItems: [String: Int64]
    private let nodeItems: [String: Int64]
    private let zones: Result<[Value], any Error>
    private let nodes: Result<[Value], any Error>

    init(_ target: Target) {
        self.target = target
        func items(_ name: String) -> [String: Int64] {
            Dictionary(Globals.enumerators(target, name).map { ($0.name, $0.value) }) { first, _ in first }
        }
        zoneItems = items("zone_stat_item")
        nodeItems = items("node_stat_item")
        let nodes = Result { try Self.nodes(target) }
        self.nodes = nodes
        zones = Result { try nodes.get().flatMap { try Self.zones(of: $0) } }
    }

    /// The first item that this kernel has, with the CPUs' shares. Items moved between zones and nodes.
    func pages(anyOf names: [String]) throws -> UInt64 {
        for name in names {
            if let index = zoneItems[name] {
                return try total("vm_zone_stat", index, differences: try zoneDifferences(), "vm_stat_diff")
            }
            if let index = nodeItems[name] {
                return try total("vm_node_stat", index, differences: try nodeDifferences(), "vm_node_stat_diff")
            }
        }
        if zoneItems.isEmpty, nodeItems.isEmpty { throw ValueError.noType("enum node_stat_item") }
        throw ValueError.absent("the kernel does not count \(names.joined(separator: " or "))")
    }

    /// CPUs' shares that cannot be read are an error: the total without them would pass for exact.
    private func total(_ array: String, _ index: Int64, differences: [Value], _ member: String) throws -> UInt64 {
        guard index >= 0, index < 4096 else { throw ValueError.absent("\(array) has no item \(index)") }
        let place = try Globals.address(target, array).advanced(by: UInt64(index) * 8)
        var sum: Int64
        do throws(MemoryFault) { sum = Int64(bitPattern: try target.space.word(place)) } catch {
            throw ValueError.fault(error)
        }
        for difference in differences { sum &+= try difference[member].element(index).signed() }
        return UInt64(max(sum, 0))
    }

    /// Each CPU's differences of each zone: `pageset` until 5.13, `per_cpu_zonestats` since (28f836b6777b).
    private func zoneDifferences() throws -> [Value] {
        try zones.get().flatMap { zone in
            try copies(try zone[zone.has("per_cpu_zonestats") ? "per_cpu_zonestats" : "pageset"])
        }
    }

    private func nodeDifferences() throws -> [Value] {
        try nodes.get().flatMap { try copies(try $0["per_cpu_nodestats"]) }
    }

    private func copies(_ pointer: Value) throws -> [Value] {
        let area = try pointer.pointee()
        guard try !area.address.isNull else { return [] }
        return try target.perCPU.offsets.indices.compactMap { cpu in
            target.perCPU.offsets[cpu] == nil ? nil : try target.perCPUCopy(of: area, cpu: cpu)
        }
    }

    /// The nodes that exist: `node_data[]` with NUMA, else `contig_page_data`.
    static func nodes(_ target: Target) throws -> [Value] {
        if target.symbols.symbol(named: "contig_page_data") != nil {
            return [try Globals.structure(target, "contig_page_data", "pglist_data")]
        }
        let start = try Globals.address(target, "node_data")
        let count = min((try? Globals.word(target, "nr_node_ids", size: 4)) ?? 1, 1024)
        return try (0..<count).compactMap { index in
            let node = VirtualAddress(try target.space.word(start.advanced(by: index * 8)))
            return node.isNull ? nil : try target.object(.structure, "pglist_data", at: node)
        }
    }

    private static func zones(of node: Value) throws -> [Value] {
        let array = try node["node_zones"]
        guard case .array(let type) = try array.strippedType, let count = type.count, count <= 64 else {
            throw ValueError.wrongType("node_zones", needed: "an array")
        }
        // Zones without pages share the boot-time set of counters, which belongs to none of them.
        return try (0..<Int64(count)).map { try array.element($0) }
            .filter { try $0["present_pages"].unsigned() != 0 }
    }

    /// What could be allocated without swapping, as the kernel estimates it (mm/show_mem.c, si_mem_available).
    func available() throws -> UInt64 {
        let free = Int64(clamping: try pages(anyOf: ["NR_FREE_PAGES"]))
        let reserved = Int64(clamping: try Globals.word(target, "totalreserve_pages"))
        var low: Int64 = 0
        for zone in try zones.get() {
            // `_watermark` and a boost to it since 5.0 (1c30844d2dfe); WMARK_LOW is 1.
            low &+= try zone["_watermark"].element(1).signed()
            if zone.has("watermark_boost") { low &+= try zone["watermark_boost"].signed() }
        }
        func counted(_ names: String...) throws -> Int64 { Int64(clamping: try pages(anyOf: names)) }
        let cache = try counted("NR_ACTIVE_FILE") &+ counted("NR_INACTIVE_FILE")
        let slab = try counted("NR_SLAB_RECLAIMABLE_B", "NR_SLAB_RECLAIMABLE")
        let reclaimable = slab &+ ((try? counted("NR_KERNEL_MISC_RECLAIMABLE")) ?? 0)
        let available =
            free &- reserved &+ (cache &- min(cache / 2, low)) &+ (reclaimable &- min(reclaimable / 2, low))
        return UInt64(max(available, 0))
    }
}

/// Pages of block devices' own caches: the "buffers" of /proc/meminfo.
enum BlockBuffers {
    /// The inodes of all block devices are on one superblock; `nrpages` of each is added, as nr_blockdev_pages does.
    static func pages(_ target: Target) throws -> UInt64 {
        // Built without BLOCK there is nothing that could be buffered: the kernel itself then says 0.
        if target.symbols.symbol(named: "blockdev_superblock") == nil,
            target.symbols.symbol(named: "submit_bio") == nil, target.symbols.symbol(named: "schedule") != nil
        {
            return 0
        }
        let inodes = try Globals.pointee(target, "blockdev_superblock", "super_block")["s_inodes"]
        var pages: UInt64 = 0
        var problem: WalkAnomaly?
        try ListWalk.entries(inodes, "inode", "i_sb_list", anomaly: { problem = problem ?? $0 }) { inode in
            pages &+= try inode.path("i_mapping", "nrpages").unsigned()
        }
        if let problem { throw ValueError.absent("the list of block devices is broken: \(problem)") }
        return pages
    }
}

/// Pools of huge pages (`hstates[]`), of all sizes, in bytes.
enum HugePages {
    static func count(_ target: Target) throws -> (total: UInt64, free: UInt64) {
        guard target.symbols.symbol(named: "hugetlb_max_hstate") != nil else {
            throw ValueError.absent("the kernel has no huge page pools (built without HUGETLBFS)")
        }
        let count = min(try Globals.word(target, "hugetlb_max_hstate", size: 4), 32)
        let layout = try StructLayout(target, "hstate")
        let start = try Globals.address(target, "hstates")
        var total: UInt64 = 0
        var free: UInt64 = 0
        for index in 0..<count {
            let state = layout.value(at: start.advanced(by: index &* UInt64(layout.size)))
            let bytes = UInt64(4096) << (try state["order"].unsigned() & 31)
            total &+= try state["nr_huge_pages"].unsigned() &* bytes
            free &+= try state["free_huge_pages"].unsigned() &* bytes
        }
        return (total, free)
    }
}

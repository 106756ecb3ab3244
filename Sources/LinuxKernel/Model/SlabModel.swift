// How this kernel's slab allocator lays things out: found out once, used for every cache and slab.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// One slab: its descriptor and what that says.
struct Slab: Sendable {
    /// The descriptor: a `struct slab` (5.17, d122019bf061), which lies over the head page's `struct page`; before
    /// that the `struct page` itself.
    let descriptor: VirtualAddress
    /// Where its memory begins, in the direct map.
    let memory: VirtualAddress
    let cache: VirtualAddress
    let freelist: VirtualAddress
    /// SLUB: objects that are in use or on the free list of the CPU that holds the slab. SLAB: `active`.
    let inUse: UInt64
    /// SLUB only; for SLAB the cache tells.
    let objects: UInt64
    /// A CPU holds it.
    let isFrozen: Bool
    /// SLUB: the next slab of a CPU's partial list. SLAB: the address of the first object.
    let next: VirtualAddress

    /// Free objects by the descriptor's own counters.
    var countedFree: UInt64 { objects > inUse ? objects - inUse : 0 }
}

/// A CPU's share of a SLUB cache.
struct CPUSlab: Sendable {
    let cpu: Int
    /// The slab that the CPU allocates from.
    let slab: Slab?
    let freelist: VirtualAddress
    /// The first slab of its partial list.
    let partial: VirtualAddress
}

struct SlabModel: Sendable {
    enum Allocator: Sendable {
        case slub
        case slab
    }

    let target: Target
    let map: PageMap
    let allocator: Allocator
    /// Bytes from a descriptor to its list node.
    let listOffset: UInt64
    let cacheLayout: StructLayout
    private let descriptor: StructLayout
    private let cacheField, freelistField: FieldPlace
    private let inUseField: FieldPlace
    private let objectsField, frozenField, nextField, firstObjectField: FieldPlace?
    private let nodeCount: UInt64

    init(_ target: Target, regions: [MemoryRegion]) throws {
        self.target = target
        map = try PageMap(target, regions: regions)
        cacheLayout = try StructLayout(target, "kmem_cache")
        // SLUB has CPU slabs (until 6.19) or sheaves (6.18, 2d517aa09bbc), SLAB has CPU arrays.
        if try cacheLayout.find("cpu_slab") != nil || cacheLayout.find("cpu_sheaves") != nil {
            allocator = .slub
        } else if try cacheLayout.find("cpu_cache") != nil {
            allocator = .slab
        } else {
            throw ValueError.absent("the kernel's slab allocator is neither SLUB nor SLAB")
        }
        if let slab = try? StructLayout(target, "slab"), try slab.find("slab_cache") != nil {
            descriptor = slab
        } else {
            descriptor = map.layout
        }
        cacheField = try descriptor.field("slab_cache")
        freelistField = try descriptor.field("freelist")
        listOffset = UInt64(try descriptor.field(anyOf: ["slab_list", "lru"]).offset)
        inUseField = try descriptor.field(anyOf: allocator == .slub ? ["inuse"] : ["active"])
        objectsField = try descriptor.find("objects")
        frozenField = try descriptor.find("frozen")
        nextField = try descriptor.find("next")
        firstObjectField = try descriptor.find("s_mem")
        // A cache has room for the nodes of this machine only, not for the array's whole length.
        nodeCount = min((try? Globals.word(target, "nr_node_ids", size: 4)) ?? 1, 1024)
    }

    /// The slab of a descriptor. Throws when it cannot be read or cannot be one.
    func slab(at address: VirtualAddress) throws -> Slab {
        guard map.isPage(address), address.distance(from: map.base) % UInt64(map.layout.size) == 0 else {
            throw ValueError.absent("\(address) is not a slab's descriptor")
        }
        let bytes = try descriptor.read(address)
        func read(_ field: FieldPlace?) -> UInt64 { field.flatMap { $0.read(bytes) } ?? 0 }
        return Slab(
            descriptor: address, memory: map.memory(of: address), cache: VirtualAddress(read(cacheField)),
            freelist: VirtualAddress(read(freelistField)), inUse: read(inUseField), objects: read(objectsField),
            isFrozen: read(frozenField) != 0,
            next: VirtualAddress(read(allocator == .slub ? nextField : firstObjectField)))
    }

    /// The `struct kmem_cache_node`s of a cache.
    func nodes(_ cache: SlabCache) throws -> [Value] {
        try perNode(cache).compactMap { try target($0.node) }
    }

    /// The `struct node_barn`s of a cache: full and empty sheaves, for all CPUs of a node.
    private func barns(_ cache: SlabCache) throws -> [Value] { try perNode(cache).compactMap { try target($0.barn) } }

    /// What a cache has of each memory node, as pointers. `node[]` points at nodes, which have barns from 6.18 to 6.19;
    /// `per_node[]` has structures with a pointer to each (7.3).
    private func perNode(_ cache: SlabCache) throws -> [(node: Value?, barn: Value?)] {
        let name = cache.value.has("per_node") ? "per_node" : "node"
        let array = try cache.value[name]
        var count = nodeCount
        if case .array(let type) = try array.strippedType, let length = type.count { count = min(count, length) }
        return try (0..<Int64(count)).map { index in
            let entry = try array.element(index)
            if name == "per_node" { return (try entry["node"], entry.has("barn") ? try entry["barn"] : nil) }
            let node = try target(entry)
            return (entry, node?.has("barn") == true ? try node?["barn"] : nil)
        }
    }

    private func target(_ pointer: Value?) throws -> Value? {
        guard let pointer, try !pointer.pointer().isNull else { return nil }
        return try pointer.pointee()
    }

    /// `kmem_cache_cpu` of each CPU.
    func cpuSlabs(_ cache: SlabCache) throws -> [CPUSlab] {
        guard try cacheLayout.find("cpu_slab") != nil else { return [] }
        let area = try cache.value["cpu_slab"].pointee()
        guard try !area.address.isNull else { return [] }
        return try target.perCPU.offsets.indices.compactMap { cpu in
            guard target.perCPU.offsets[cpu] != nil else { return nil }
            let own = try target.perCPUCopy(of: area, cpu: cpu)
            // `page` became `slab` in 5.17 (bb192ed9aa71).
            let slab = try own[own.has("slab") ? "slab" : "page"].pointer()
            return CPUSlab(
                cpu: cpu, slab: slab.isNull ? nil : try self.slab(at: slab),
                freelist: try own["freelist"].pointer(),
                partial: own.has("partial") ? try own["partial"].pointer() : VirtualAddress(0))
        }
    }

    /// SLAB's `array_cache` of each CPU.
    func cpuArrays(_ cache: SlabCache) throws -> [Value] {
        let area = try cache.value["cpu_cache"].pointee()
        return try target.perCPU.offsets.indices.compactMap { cpu in
            guard target.perCPU.offsets[cpu] != nil else { return nil }
            return try target.perCPUCopy(of: area, cpu: cpu)
        }
    }

    /// The slabs from `first` along `next`.
    func partialChain(_ first: VirtualAddress) -> (slabs: [Slab], problem: WalkAnomaly?) {
        var slabs: [Slab] = []
        var seen: Set<VirtualAddress> = []
        var current = first
        // Each slab is there once, so that the set bounds the walk; a CPU keeps some dozens at most.
        while !current.isNull {
            guard seen.insert(current).inserted else {
                return (slabs, WalkAnomaly("the list of partial slabs comes back to \(current)", at: current))
            }
            guard seen.count <= 100_000 else {
                return (slabs, WalkAnomaly("the list of partial slabs does not end", at: current))
            }
            do {
                let slab = try slab(at: current)
                slabs.append(slab)
                current = slab.next
            } catch {
                return (slabs, WalkAnomaly("the slab at \(current) cannot be read: \(error)", at: current))
            }
        }
        return (slabs, nil)
    }

    /// The free objects that queues of whole objects hold: each CPU's sheaves and the nodes' barns (6.18,
    /// 2d517aa09bbc). Their slabs count them as used.
    func sheaves(_ cache: SlabCache) throws -> (objects: [VirtualAddress], anomalies: [WalkAnomaly]) {
        guard try cacheLayout.find("cpu_sheaves") != nil else { return ([], []) }
        let area = try cache.value["cpu_sheaves"]
        guard try !area.pointer().isNull else { return ([], []) }
        var objects: [VirtualAddress] = []
        var anomalies: [WalkAnomaly] = []
        for cpu in target.perCPU.offsets.indices where target.perCPU.offsets[cpu] != nil {
            let own = try target.perCPUCopy(of: try area.pointee(), cpu: cpu)
            for name in ["main", "spare", "rcu_free"] where own.has(name) {
                let sheaf = try own[name]
                guard try !sheaf.pointer().isNull else { continue }
                try take(try sheaf.pointee(), &objects, &anomalies)
            }
        }
        for barn in try barns(cache) {
            try ListWalk.entries(
                try barn["sheaves_full"], "slab_sheaf", "barn_list", anomaly: { anomalies.append($0) }
            ) { try take($0, &objects, &anomalies) }
        }
        return (objects, anomalies)
    }

    /// More objects than a sheaf is ever made for (`sheaf_capacity` is an order of a page at most).
    private static let maximumSheaf: UInt64 = 4096

    private func take(_ sheaf: Value, _ objects: inout [VirtualAddress], _ anomalies: inout [WalkAnomaly]) throws {
        let count = try sheaf["size"].unsigned()
        let address = try sheaf.address
        guard count <= Self.maximumSheaf else {
            anomalies.append(WalkAnomaly("the sheaf at \(address) claims \(count) objects", at: address))
            return
        }
        for index in 0..<Int64(count) { objects.append(try sheaf["objects"].element(index).pointer()) }
    }
}

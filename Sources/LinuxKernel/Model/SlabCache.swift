// A slab cache: `struct kmem_cache`, of SLUB and of the SLAB that was removed in 6.8.

package import Bytes
internal import DebugModel
internal import Memory
package import Target

/// One cache as the kernel describes it.
package struct SlabCache: Sendable {
    /// The `struct kmem_cache`.
    package let value: Value
    /// Of a merged cache the name of the first one.
    package let name: String
    /// What the cache's users asked for, in bytes.
    package let objectSize: UInt64
    /// The distance of two objects in a slab: with padding and what debugging adds.
    package let size: UInt64
    package let objectsPerSlab: UInt64
    /// A slab is 2^order pages.
    package let order: UInt64
    /// How many caches were merged into this one, itself included.
    package let users: Int64

    package var address: VirtualAddress {
        guard case .memory(let address, _) = value.place else { return VirtualAddress(0) }
        return address
    }

    /// Bytes of one slab.
    package var slabBytes: UInt64 { PageMap.pageSize << min(order, 20) }

    init(_ value: Value) throws {
        self.value = value
        name = logText(try value["name"].string(limit: 256))
        objectSize = try value[value.has("object_size") ? "object_size" : "objsize"].unsigned()
        size = try value["size"].unsigned()
        users = (try? value["refcount"].signed()) ?? 1
        if value.has("oo") {
            // SLUB: order and number of objects in one word (struct kmem_cache_order_objects).
            let word = try value.path("oo", "x").unsigned()
            objectsPerSlab = word & 0xffff
            order = word >> 16
        } else {
            objectsPerSlab = try value["num"].unsigned()
            order = try value["gfporder"].unsigned()
        }
    }
}

/// How much of a cache is used. What the kernel does not count is nil.
package struct SlabUsage: Sendable {
    package fileprivate(set) var slabs: UInt64?
    /// Objects in all slabs, used and free.
    package fileprivate(set) var total: UInt64?
    /// Free objects: in partial slabs, in the slabs that CPUs hold, in their queues.
    package fileprivate(set) var free: UInt64 = 0
    /// Why a number is missing or only a bound.
    package fileprivate(set) var gaps: [String] = []
    package fileprivate(set) var anomalies: [WalkAnomaly] = []

    /// Objects in use; nil when the total is unknown or the free ones cannot all be counted.
    package var active: UInt64? {
        guard gaps.isEmpty, let total, total >= free else { return nil }
        return total - free
    }
}

/// The list `slab_caches`.
package struct SlabCaches: Sendable {
    package let caches: [SlabCache]
    package let anomalies: [WalkAnomaly]

    package init(_ target: Target) throws {
        var caches: [SlabCache] = []
        var anomalies: [WalkAnomaly] = []
        try ListWalk.entries(
            try Globals.structure(target, "slab_caches", "list_head"), "kmem_cache", "list",
            anomaly: { anomalies.append($0) }
        ) { value in
            do { caches.append(try SlabCache(value)) } catch {
                let at = (try? value.address) ?? VirtualAddress(0)
                anomalies.append(WalkAnomaly("the slab cache at \(at) cannot be read: \(error)", at: at))
            }
        }
        self.caches = caches
        self.anomalies = anomalies
    }
}

/// Counts what caches hold.
struct SlabCounter {
    private let model: SlabModel

    init(_ model: SlabModel) { self.model = model }

    func usage(_ cache: SlabCache) -> SlabUsage {
        var usage = SlabUsage()
        switch model.allocator {
        case .slub:
            attempt("the nodes' lists", &usage) { try slubNodes(cache, &$0) }
            attempt("the CPUs' slabs", &usage) { try slubCPUs(cache, &$0) }
            attempt("the sheaves", &usage) { try sheaves(cache, &$0) }
        case .slab: attempt("the nodes' lists", &usage) { try classic(cache, &$0) }
        }
        return usage
    }

    private func attempt(_ what: String, _ usage: inout SlabUsage, _ body: (inout SlabUsage) throws -> Void) {
        do { try body(&usage) } catch { usage.gaps.append("\(what) cannot be read: \(error)") }
    }

    /// `kmem_cache_node`: the counters exist with SLUB_DEBUG only; partial slabs are on a list.
    private func slubNodes(_ cache: SlabCache, _ usage: inout SlabUsage) throws {
        for node in try model.nodes(cache) {
            if node.has("nr_slabs") {
                usage.slabs = (usage.slabs ?? 0) &+ (try node.path("nr_slabs", "counter").unsigned())
                usage.total = (usage.total ?? 0) &+ (try node.path("total_objects", "counter").unsigned())
            } else if usage.gaps.isEmpty {
                usage.gaps.append("the kernel does not count its slabs (built without SLUB_DEBUG)")
            }
            var anomalies: [WalkAnomaly] = []
            try ListWalk.walk(try node["partial"], anomaly: { anomalies.append($0) }) { link in
                let slab = try model.slab(at: link.advanced(by: 0 &- model.listOffset))
                usage.free &+= slab.countedFree
            }
            if !anomalies.isEmpty { usage.gaps.append("a list of partial slabs is broken: \(anomalies[0])") }
            usage.anomalies += anomalies
        }
    }

    /// What the CPUs keep: the slab each allocates from, with its own free list, and partial slabs.
    private func slubCPUs(_ cache: SlabCache, _ usage: inout SlabUsage) throws {
        for held in try model.cpuSlabs(cache) {
            if let slab = held.slab {
                let chain = model.freeChain(cache, slab, from: held.freelist)
                usage.free &+= UInt64(chain.objects.count) &+ slab.countedFree
                if let problem = chain.problem {
                    usage.gaps.append("the free list of CPU \(held.cpu) is broken: \(problem)")
                    usage.anomalies.append(problem)
                }
            }
            let partial = model.partialChain(held.partial)
            for slab in partial.slabs { usage.free &+= slab.countedFree }
            if let problem = partial.problem {
                usage.gaps.append("the partial slabs of CPU \(held.cpu) are broken: \(problem)")
                usage.anomalies.append(problem)
            }
        }
    }

    private func sheaves(_ cache: SlabCache, _ usage: inout SlabUsage) throws {
        let found = try model.sheaves(cache)
        usage.free &+= UInt64(found.objects.count)
        usage.anomalies += found.anomalies
        if let first = found.anomalies.first { usage.gaps.append("a sheaf is broken: \(first)") }
    }

    /// The allocator SLAB: slabs know their free objects, arrays of each CPU hold more of them.
    private func classic(_ cache: SlabCache, _ usage: inout SlabUsage) throws {
        usage.slabs = 0
        for node in try model.nodes(cache) {
            let slabs = try node["total_slabs"].unsigned()
            usage.slabs = (usage.slabs ?? 0) &+ slabs
            usage.free &+= try node["free_objects"].unsigned()
            let shared = try node["shared"]
            if try !shared.pointer().isNull { usage.free &+= try shared["avail"].unsigned() }
        }
        usage.total = (usage.slabs ?? 0).multipliedReportingOverflow(by: cache.objectsPerSlab).partialValue
        for array in try model.cpuArrays(cache) { usage.free &+= try array["avail"].unsigned() }
    }
}

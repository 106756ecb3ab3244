// Which object of which slab cache an address belongs to, and whether it is in use.

package import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// An address within a slab.
package struct SlabObject: Sendable {
    package enum State: Sendable, Equatable {
        case allocated
        /// Where it waits: "the free list of CPU 1", "the slab's free list", "a sheaf".
        case free(String)
        case unknown(String)

        package var name: String {
            switch self {
            case .allocated: "allocated"
            case .free: "free"
            case .unknown: "unknown"
            }
        }
    }

    package let cache: SlabCache
    /// The slab's descriptor.
    package let slab: VirtualAddress
    /// The object's number within its slab, and where it begins. Nil: the address lies behind the last object.
    package let object: (index: UInt64, start: VirtualAddress)?
    /// From the object's start; negative within the red zone before it.
    package let offset: Int64
    package let state: State

    /// Whether the address lies in what the cache's users use, not in padding or what debugging added.
    package var isInside: Bool { offset >= 0 && UInt64(offset) < cache.objectSize }
}

/// Finds objects. Made once for a kernel.
struct SlabFinder: Sendable {
    let model: SlabModel
    private let pages: PageReader
    private let caches: [VirtualAddress: SlabCache]

    init(_ target: Target, regions: [MemoryRegion]) throws {
        model = try SlabModel(target, regions: regions)
        pages = try PageReader(target, regions: regions)
        var caches: [VirtualAddress: SlabCache] = [:]
        for cache in try SlabCaches(target).caches { caches[cache.address] = cache }
        self.caches = caches
    }

    /// The object at an address of the direct map; nil when its page is no slab's. Throws when that cannot be told.
    func object(at address: VirtualAddress) throws -> SlabObject? {
        guard let page = model.map.page(ofMemory: address) else { return nil }
        if let guarded = try guardedObject(address) { return guarded }
        let head = try pages.headInfo(page: page)
        guard head.type == "slab" else { return nil }
        let slab = try model.slab(at: head.address)
        guard let cache = caches[slab.cache] else {
            throw ValueError.absent(
                "the slab at \(head.address) belongs to \(slab.cache), which is no cache on the list slab_caches")
        }
        let lead = model.redZone(cache)
        let grid = model.grid(cache, slab)
        guard let index = grid.index(containing: address, lead: lead) else {
            return SlabObject(
                cache: cache, slab: slab.descriptor, object: nil, offset: 0,
                state: .unknown("it lies in the slab behind its last object"))
        }
        let start = grid.address(index)
        return SlabObject(
            cache: cache, slab: slab.descriptor, object: (index, start),
            offset: Int64(bitPattern: address.distance(from: start)), state: state(cache, slab, index, start))
    }

    /// Whether an object is free. One found on a list is; to say that one is in use, every list must have been read
    /// to its end.
    private func state(_ cache: SlabCache, _ slab: Slab, _ index: UInt64, _ start: VirtualAddress) -> SlabObject.State {
        switch model.allocator {
        case .slub: slubState(cache, slab, index, start)
        case .slab: classicState(cache, slab, index, start)
        }
    }

    private func slubState(
        _ cache: SlabCache, _ slab: Slab, _ index: UInt64, _ start: VirtualAddress
    ) -> SlabObject.State {
        var problem: String?
        let own = model.freeChain(cache, slab, from: slab.freelist)
        if own.objects.contains(index) { return .free("the slab's free list") }
        if let broken = own.problem {
            problem = "\(broken)"
        } else if UInt64(own.objects.count) != slab.countedFree {
            problem =
                "the slab counts \(slab.countedFree) free objects, its free list has \(own.objects.count)"
        }
        do {
            for held in try model.cpuSlabs(cache) where held.slab?.descriptor == slab.descriptor {
                let chain = model.freeChain(cache, slab, from: held.freelist)
                if chain.objects.contains(index) { return .free("the free list of CPU \(held.cpu)") }
                if let broken = chain.problem { problem = problem ?? "\(broken)" }
            }
            let sheaves = try model.sheaves(cache)
            if sheaves.objects.contains(start) { return .free("a sheaf") }
            if let broken = sheaves.anomalies.first { problem = problem ?? "\(broken)" }
        } catch {
            problem = problem ?? "what the CPUs hold cannot be read: \(error)"
        }
        return problem.map { .unknown($0) } ?? .allocated
    }

    private func classicState(
        _ cache: SlabCache, _ slab: Slab, _ index: UInt64, _ start: VirtualAddress
    ) -> SlabObject.State {
        let table = model.freeTable(cache, slab)
        if table.objects.contains(index) { return .free("the slab's table of free objects") }
        var problem = table.problem.map { "\($0)" }
        do {
            for (cpu, array) in try model.cpuArrays(cache).enumerated() {
                if try holds(array, start) { return .free("the array of CPU \(cpu)") }
            }
            for node in try model.nodes(cache) {
                let shared = try node["shared"]
                guard try !shared.pointer().isNull else { continue }
                if try holds(try shared.pointee(), start) { return .free("the node's shared array") }
            }
        } catch {
            problem = problem ?? "the arrays of free objects cannot be read: \(error)"
        }
        return problem.map { .unknown($0) } ?? .allocated
    }

    /// Whether an `array_cache` has the object among its entries.
    private func holds(_ array: Value, _ object: VirtualAddress) throws -> Bool {
        let count = min(try array["avail"].unsigned(), 4096)
        for index in 0..<Int64(count) where try array["entry"].element(index).pointer() == object { return true }
        return false
    }

    /// An object of KFENCE (5.12): each has a page of its own between two guard pages, and a `kfence_metadata`.
    private func guardedObject(_ address: VirtualAddress) throws -> SlabObject? {
        let target = model.target
        guard let pool = try? Globals.word(target, "__kfence_pool"), pool != 0,
            address.rawValue >= pool
        else { return nil }
        // CONFIG_KFENCE_NUM_OBJECTS is at most 65535; object n lies at page 2 * (n + 1) of the pool.
        let page = (address.rawValue - pool) / PageMap.pageSize
        guard page >= 2, page % 2 == 0, page <= 2 * 65535, let table = guardTable() else { return nil }
        let entry = table.value(at: table.start.advanced(by: (page / 2 - 1) &* UInt64(table.layout.size)))
        let start = try entry["addr"].pointer()
        // Beyond the pool's end there is other data, which names no object in this page.
        guard start.rawValue & ~(PageMap.pageSize - 1) == address.rawValue & ~(PageMap.pageSize - 1),
            let cache = caches[try entry["cache"].pointer()]
        else { return nil }
        let state = try entry["state"].unsigned()
        let name = Globals.enumerators(target, "kfence_object_state").first { $0.value == Int64(clamping: state) }?.name
        let found: SlabObject.State =
            switch name {
            case "KFENCE_OBJECT_ALLOCATED": .allocated
            case "KFENCE_OBJECT_FREED", "KFENCE_OBJECT_UNUSED": .free("KFENCE's pool")
            case "KFENCE_OBJECT_RCU_FREEING": .free("KFENCE's pool, waiting for RCU")
            default: .unknown("KFENCE has it in state \(state)")
            }
        return SlabObject(
            cache: cache, slab: model.map.page(ofMemory: address) ?? VirtualAddress(0),
            object: (page / 2 - 1, start), offset: Int64(bitPattern: address.distance(from: start)), state: found)
    }

    private struct GuardTable {
        let start: VirtualAddress
        let layout: StructLayout

        func value(at address: VirtualAddress) -> Value { layout.value(at: address) }
    }

    /// `kfence_metadata`: an array, or a pointer to one since 6.6 (cabdf74e6b31). A variable of 8 bytes is a pointer.
    private func guardTable() -> GuardTable? {
        let target = model.target
        guard let symbol = target.symbols.symbol(named: "kfence_metadata"),
            let layout = try? StructLayout(target, "kfence_metadata")
        else { return nil }
        var isPointer = symbol.size == 8
        if let variable = try? target.variable("kfence_metadata"), let type = try? variable.strippedType {
            if case .pointer = type { isPointer = true } else { isPointer = false }
        }
        if !isPointer { return GuardTable(start: symbol.address, layout: layout) }
        guard let word = try? target.space.word(symbol.address), word != 0 else { return nil }
        return GuardTable(start: VirtualAddress(word), layout: layout)
    }
}

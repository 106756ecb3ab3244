// The objects of one slab cache, found by looking at every page frame: full slabs are on no list.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

struct SlabObjects {
    private let kernel: LinuxKernel
    private let model: SlabModel
    private let cache: SlabCache
    private let element: ElementType?
    private let pages: PageReader
    private let owner: FieldPlace
    private let context: Context

    init(_ root: Value?, _ words: [String], of walk: any NamedWalk.Type, _ context: Context) throws {
        kernel = try linux(context)
        let given = try WalkRoot(root, words, of: walk).value("kmem_cache")
        // The cache as the model's types have it.
        cache = try SlabCache(try kernel.model.object(.structure, "kmem_cache", at: try given.address))
        element = try ElementType(words, of: walk, kernel.model)
        model = try SlabModel(kernel.model, regions: kernel.regions)
        pages = try PageReader(kernel.model, regions: kernel.regions)
        let slab = try? StructLayout(kernel.model, "slab")
        if let slab, let place = try slab.find("slab_cache") {
            owner = place
        } else {
            owner = try model.map.layout.field("slab_cache")
        }
        self.context = context
    }

    func walk(free: Bool, _ emit: (Step) throws -> Void) throws {
        let held = try model.cpuSlabs(cache)
        let sheaves = try model.sheaves(cache)
        for anomaly in sheaves.anomalies { try emit(.anomaly(anomaly)) }
        let queued = Set(sheaves.objects + (try queuedByCPUs()))
        try slabs(emit) { slab in
            let grid = model.grid(cache, slab)
            var unused = try freeObjects(of: slab, held, emit)
            for index in 0..<grid.count where queued.contains(grid.address(index)) { unused.insert(index) }
            for index in 0..<grid.count where unused.contains(index) == free {
                let address = grid.address(index)
                let value =
                    element?.value(at: address)
                    ?? Value(
                        target: model.target, number: address.rawValue,
                        type: model.target.types.pointer(to: .void))
                try emit(.element(value))
            }
        }
    }

    /// SLAB's arrays of each CPU and each node's shared one.
    private func queuedByCPUs() throws -> [VirtualAddress] {
        guard model.allocator == .slab else { return [] }
        var arrays = try model.cpuArrays(cache)
        for node in try model.nodes(cache) {
            if let shared = try node["shared"].target() { arrays.append(shared) }
        }
        return try arrays.flatMap { array in
            let count = min(try array["avail"].unsigned(), 4096)
            return try (0..<Int64(count)).map { try array["entry"].element($0).pointer() }
        }
    }

    private func freeObjects(
        of slab: Slab, _ held: [CPUSlab], _ emit: (Step) throws -> Void
    ) throws -> Set<UInt64> {
        if model.allocator == .slab {
            let table = model.freeTable(cache, slab)
            if let problem = table.problem { try emit(.anomaly(problem)) }
            return table.objects
        }
        let own = model.freeChain(cache, slab, from: slab.freelist)
        if let problem = own.problem {
            try emit(.anomaly(problem))
        } else if UInt64(own.objects.count) != slab.countedFree {
            let told =
                "the slab \(slab.descriptor) counts \(slab.countedFree) free objects, its free list has \(own.objects.count)"
            try emit(.anomaly(Anomaly(.shape, told, at: slab.descriptor)))
        }
        var free = own.objects
        for cpu in held where cpu.slab?.descriptor == slab.descriptor {
            let chain = model.freeChain(cache, slab, from: cpu.freelist)
            if let problem = chain.problem { try emit(.anomaly(problem)) }
            free.formUnion(chain.objects)
        }
        return free
    }

    /// The cache's slabs, in the order of their page frames. What cannot be read of the page frames is told in the end.
    private func slabs(_ emit: (Step) throws -> Void, _ body: (Slab) throws -> Void) throws {
        let space = model.target.space
        let map = model.map
        let size = UInt64(map.layout.size)
        let frames = try Globals.word(model.target, "max_pfn")
        // As many descriptors as lie in one page of them; the last may go on in the next.
        let step = max(4096 / size, 1)
        var missing: (count: UInt64, first: MemoryFault, at: VirtualAddress)?
        var frame: UInt64 = 0
        var turn = 0
        while frame < frames {
            turn += 1
            if turn % 1024 == 0, context.isInterrupted() { throw Interrupted() }
            let count = min(step, frames - frame)
            let start = map.base.advanced(by: frame &* size)
            defer { frame += count }
            let bytes: ByteSlice
            do throws(MemoryFault) { bytes = try space.read(start, count: Int(count * size)) } catch {
                // Frames without memory have no descriptors, which is nothing that is missing.
                if case .notSaved = error { missing = ((missing?.count ?? 0) + count, missing?.first ?? error, start) }
                continue
            }
            for index in 0..<count where owner.read(bytes, at: Int(index * size)) == cache.address.rawValue {
                let address = start.advanced(by: index * size)
                guard let page = try? pages.info(page: address), page.type == "slab", page.head == nil else { continue }
                do { try body(try model.slab(at: address)) } catch let error as ValueError {
                    try emit(.anomaly(.unreadable("the slab \(address)", error, at: address)))
                }
            }
        }
        guard let missing else { return }
        try emit(
            .anomaly(.unreadable("the descriptors of \(missing.count) page frames", missing.first, at: missing.at)))
    }
}

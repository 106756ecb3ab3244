// Free lists inside slabs: a chain of pointers in free objects (mm/slub.c), or a table of indices (mm/slab.c).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// The free objects of a chain, by number, and why it did not end as a chain should.
struct FreeChain: Sendable {
    var objects: Set<UInt64> = []
    var problem: WalkAnomaly?
}

/// Where the objects of one slab are.
struct SlabGrid: Sendable {
    /// The first object: behind the slab's first red zone, if there is one.
    let first: VirtualAddress
    let step: UInt64
    let count: UInt64

    func address(_ index: UInt64) -> VirtualAddress { first.advanced(by: index &* step) }

    /// The number of the object that begins at `address`; nil when none does.
    func index(startingAt address: VirtualAddress) -> UInt64? {
        let distance = address.distance(from: first)
        guard step > 0, distance % step == 0, distance / step < count else { return nil }
        return distance / step
    }

    /// The number of the object in whose share `address` lies; nil behind the last one.
    /// `lead` is the red zone before each object.
    func index(containing address: VirtualAddress, lead: UInt64) -> UInt64? {
        let distance = address.distance(from: first.advanced(by: 0 &- lead))
        guard step > 0, distance / step < count else { return nil }
        return distance / step
    }
}

extension SlabModel {
    /// The red zone on the left of each object, with SLAB_RED_ZONE (4.6, d86bd1bece6f).
    func redZone(_ cache: SlabCache) -> UInt64 {
        guard allocator == .slub, let field = try? cacheLayout.find("red_left_pad") else { return 0 }
        let flags = (try? cache.value["flags"].unsigned()) ?? 0
        // SLAB_RED_ZONE: `_SLAB_RED_ZONE` of an enumeration since 6.9 (cc61eb851461), 0x400 before.
        let bit = Globals.enumerator(target, "_SLAB_RED_ZONE", of: "_slab_flag_bits").map {
            UInt64(1) << UInt64($0 & 63)
        }
        guard flags & (bit ?? 0x400) != 0, field.width <= 64 else { return 0 }
        return (try? cache.value["red_left_pad"].unsigned()) ?? 0
    }

    func grid(_ cache: SlabCache, _ slab: Slab) -> SlabGrid {
        switch allocator {
        case .slub:
            // The descriptor's own number: a slab may be smaller than the cache's preferred order.
            return SlabGrid(
                first: slab.memory.advanced(by: redZone(cache)), step: cache.size, count: min(slab.objects, 32767))
        case .slab: return SlabGrid(first: slab.next, step: cache.size, count: min(cache.objectsPerSlab, 65536))
        }
    }

    /// The objects on the chain that begins at `start`.
    ///
    /// With CONFIG_SLAB_FREELIST_HARDENED a stored pointer is `pointer ^ cache.random ^ its own address`, the
    /// address byte-swapped since 5.7 (1ad53d9fa3f6, which stable releases took too): nothing but the chain itself
    /// tells which. Without it the pointer is stored as it is.
    func freeChain(_ cache: SlabCache, _ slab: Slab, from start: VirtualAddress) -> FreeChain {
        if start.isNull { return FreeChain() }
        let grid = grid(cache, slab)
        guard let field = try? cacheLayout.find("offset"), field.width > 0,
            let offset = try? cache.value["offset"].unsigned()
        else {
            return FreeChain(problem: WalkAnomaly("the free pointer's place is unknown", at: cache.address))
        }
        var keys: [(UInt64) -> UInt64] = [{ _ in 0 }]
        if let place = try? cacheLayout.find("random"), place.width == 64 {
            guard let random = try? cache.value["random"].unsigned() else {
                return FreeChain(problem: WalkAnomaly("the cache's random number cannot be read", at: cache.address))
            }
            keys = [{ random ^ $0.byteSwapped }, { random ^ $0 }]
        }
        var best = FreeChain()
        for (number, key) in keys.enumerated() {
            let chain = follow(start, grid, offset, key)
            if chain.problem == nil { return chain }
            if number == 0 || chain.objects.count > best.objects.count { best = chain }
        }
        return best
    }

    private func follow(
        _ start: VirtualAddress, _ grid: SlabGrid, _ offset: UInt64, _ key: (UInt64) -> UInt64
    ) -> FreeChain {
        var chain = FreeChain()
        var current = start
        while !current.isNull {
            guard let index = grid.index(startingAt: current) else {
                chain.problem = WalkAnomaly(
                    "the free list leads to \(current), which is no object of its slab", at: current)
                return chain
            }
            // Each object once: the set bounds the walk.
            guard chain.objects.insert(index).inserted else {
                chain.problem = WalkAnomaly("the free list comes back to object \(index) at \(current)", at: current)
                return chain
            }
            let place = current.advanced(by: offset)
            do {
                current = VirtualAddress(try target.space.word(place) ^ key(place.rawValue))
            } catch {
                chain.problem = WalkAnomaly("the free pointer at \(place) cannot be read: \(error)", at: place)
                return chain
            }
        }
        return chain
    }

    /// The free objects of a slab of SLAB: `freelist` is a table of their indices, of which those from `active` on
    /// are free (`freelist_idx_t`: a byte on x86-64).
    func freeTable(_ cache: SlabCache, _ slab: Slab) -> FreeChain {
        var chain = FreeChain()
        let type = try? target.types.lookup(.ordinary, "freelist_idx_t")
        let width = type.flatMap { $0 }.flatMap { try? target.types.size($0) } ?? 1
        let count = min(cache.objectsPerSlab, 65536)
        guard slab.inUse <= count, width == 1 || width == 2 else {
            chain.problem = WalkAnomaly(
                "the slab has \(count) objects and says that \(slab.inUse) are in use", at: slab.descriptor)
            return chain
        }
        do {
            for place in slab.inUse..<count {
                let at = slab.freelist.advanced(by: place &* width)
                let index = try target.space.unsigned(at, size: Int(width))
                guard index < count, chain.objects.insert(index).inserted else {
                    chain.problem = WalkAnomaly("entry \(place) of the table of free objects is \(index)", at: at)
                    return chain
                }
            }
        } catch {
            chain.problem = WalkAnomaly("the table of free objects cannot be read: \(error)", at: slab.freelist)
        }
        return chain
    }
}

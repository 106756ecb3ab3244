// One slab cache in a made-up kernel's memory, laid out as some release of Linux does it.

package import Bytes
internal import DebugModel
package import Target

/// Says what a cache holds; `target()` lays it out. Struct pages are at `pages`, slabs where a test puts them.
package struct LinuxImageSlab {
    package enum Layout: Sendable, CaseIterable {
        /// SLUB until 5.16: the descriptor is the `struct page`.
        case page
        /// SLUB from 5.17: a `struct slab`; the page says so by its type (6.12).
        case slab
        /// SLUB from 6.18: the same, and whole objects wait in sheaves.
        case sheaves
        /// SLUB of 7.3: all objects wait in sheaves, full ones in barns; a cache has a pair of pointers for each node.
        case barns
        /// SLAB until 6.7.
        case arrays
    }

    /// How a free pointer is stored.
    package enum Pointers: Sendable {
        case plain
        /// Until 5.6: mixed with a random number and its own address.
        case mixed
        /// Since 5.7: the address byte-swapped.
        case swapped
    }

    package enum Holder: Sendable, Equatable {
        /// On the node's list of partial slabs.
        case node
        /// The slab that a CPU allocates from; the objects are those on the CPU's free list.
        case cpu(Int, free: [UInt64])
        /// On the partial list of a CPU.
        case cpuPartial(Int)
        /// Full, on no list.
        case nobody
    }

    package struct Slab: Sendable {
        package var frame: UInt64
        package var objects: UInt64 = 8
        /// The slab's own free list, in its order.
        package var free: [UInt64] = []
        package var holder = Holder.node
        /// Replaces the stored free pointer of an object.
        package var bent: [UInt64: UInt64] = [:]

        package init(frame: UInt64, free: [UInt64] = [], holder: Holder = .node) {
            self.frame = frame
            self.free = free
            self.holder = holder
        }
    }

    package static let pages = VirtualAddress(LinearMap.direct + 0x2000_0000)
    package static let size: UInt64 = 96
    private static let random: UInt64 = 0x1357_9bdf_2468_ace0
    /// Where a free object keeps the pointer to the next one.
    private static let pointerOffset: UInt64 = 48

    package var layout: Layout
    package var pointers: Pointers
    package var slabs: [Slab] = []
    /// Objects that wait in CPU 0's sheaf or array.
    package var queued: [VirtualAddress] = []
    /// Whether the node counts its slabs (SLUB_DEBUG).
    package var isCounted = true
    /// Frames that the dump lacks.
    package var missing: [UInt64] = []

    package init(_ layout: Layout, pointers: Pointers = .plain) {
        self.layout = layout
        self.pointers = pointers
    }

    package static func address(frame: UInt64, object: UInt64) -> VirtualAddress {
        VirtualAddress(LinearMap.direct + frame * 4096 + object * size)
    }

    private static func descriptor(_ frame: UInt64) -> VirtualAddress { pages.advanced(by: frame * 64) }

    private var isSLUB: Bool { layout != .arrays }
    private var hasSheaves: Bool { layout == .sheaves || layout == .barns }
    /// The descriptor is a `struct slab`, and the page says so by its type.
    private var hasDescriptor: Bool { layout == .slab || hasSheaves }

    // MARK: types

    private func types() -> TypeBuilder {
        var types = TypeBuilder()
        types.structure("list_head") {
            $0.member("next", "struct list_head *")
            $0.member("prev", "struct list_head *")
        }
        types.structure("atomic") { $0.member("counter", "long") }
        types.structure("count") { $0.member("counter", "int") }
        types.enumeration("pageflags", [("PG_locked", 0), ("PG_slab", 9), ("PG_head", 16)])
        if hasDescriptor {
            types.enumeration("pagetype", [("PGTY_buddy", 0xf0), ("PGTY_table", 0xf2), ("PGTY_slab", 0xf5)])
        }
        types.structure("page", size: 64) { page in
            page.member("flags", "unsigned long")
            page.nested(.union) { union in
                union.nested(.structure) {
                    $0.member("mapping", "void *", at: 16)
                    $0.member("index", "unsigned long")
                }
                union.nested(.structure) { $0.member("compound_head", "unsigned long") }
                if layout == .page || layout == .arrays { union.nested(.structure) { describe(&$0) } }
            }
            page.nested(.union, at: 48) {
                $0.member("_mapcount", "struct count")
                $0.member("page_type", "unsigned int")
            }
            page.member("_refcount", "struct count")
        }
        if hasDescriptor {
            types.structure("slab", size: 64) {
                $0.member("__page_flags", "unsigned long")
                describe(&$0)
            }
        }
        cacheTypes(&types)
        return types
    }

    /// The members of a slab's descriptor. Since 6.2 the cache stands before the list.
    private func describe(_ members: inout TypeBuilder.Members) {
        if hasDescriptor { members.member("slab_cache", "struct kmem_cache *") }
        members.nested(.union) {
            $0.member("slab_list", "struct list_head")
            $0.member("next", "void *")
        }
        if layout == .page || layout == .arrays { members.member("slab_cache", "struct kmem_cache *") }
        members.member("freelist", "void *")
        members.nested(.union) { union in
            union.member("counters", "unsigned long")
            union.member("s_mem", "void *")
            if isSLUB {
                union.nested(.structure) {
                    $0.bits("inuse", "unsigned int", bit: 0, width: 16)
                    $0.bits("objects", "unsigned int", bit: 16, width: 15)
                    $0.bits("frozen", "unsigned int", bit: 31, width: 1)
                }
            }
        }
        if !isSLUB { members.member("active", "unsigned int") }
    }

    private func cacheTypes(_ types: inout TypeBuilder) {
        types.structure("kmem_cache_order_objects") { $0.member("x", "unsigned int") }
        types.structure("kmem_cache_cpu") {
            $0.member("freelist", "void *")
            $0.member("tid", "unsigned long")
            $0.member(layout == .page ? "page" : "slab", "void *")
            $0.member("partial", "void *")
        }
        types.structure("array_cache") {
            $0.member("avail", "unsigned int")
            $0.member("limit", "unsigned int")
            $0.member("entry", "void *[16]")
        }
        types.structure("slab_sheaf") {
            $0.member("barn_list", "struct list_head")
            $0.member("size", "unsigned int")
            $0.member("objects", "void *[16]")
        }
        types.structure("slub_percpu_sheaves") {
            $0.member("main", "struct slab_sheaf *")
            $0.member("spare", "struct slab_sheaf *")
        }
        types.structure("kmem_cache_node") { node in
            if isSLUB {
                node.member("nr_partial", "unsigned long")
                node.member("partial", "struct list_head")
                if isCounted {
                    node.member("nr_slabs", "struct atomic")
                    node.member("total_objects", "struct atomic")
                }
            } else {
                node.member("total_slabs", "unsigned long")
                node.member("free_objects", "unsigned long")
                node.member("shared", "struct array_cache *")
            }
        }
        types.structure("node_barn") {
            $0.member("sheaves_full", "struct list_head")
            $0.member("sheaves_empty", "struct list_head")
        }
        types.structure("kmem_cache_per_node_ptrs") {
            $0.member("barn", "struct node_barn *")
            $0.member("node", "struct kmem_cache_node *")
        }
        types.structure("kmem_cache") { cache in
            switch layout {
            case .page, .slab: cache.member("cpu_slab", "struct kmem_cache_cpu *")
            case .sheaves:
                cache.member("cpu_slab", "struct kmem_cache_cpu *")
                cache.member("cpu_sheaves", "struct slub_percpu_sheaves *")
            case .barns: cache.member("cpu_sheaves", "struct slub_percpu_sheaves *")
            case .arrays:
                cache.member("cpu_cache", "struct array_cache *")
                cache.member("num", "unsigned int")
                cache.member("gfporder", "unsigned int")
            }
            cache.member("flags", "unsigned long")
            cache.member("size", "unsigned int")
            cache.member("object_size", "unsigned int")
            if isSLUB {
                cache.member("offset", "unsigned int")
                cache.member("oo", "struct kmem_cache_order_objects")
                if pointers != .plain { cache.member("random", "unsigned long") }
            }
            cache.member("refcount", "int")
            cache.member("name", "const char *")
            cache.member("list", "struct list_head")
            if layout == .barns {
                cache.member("per_node", "struct kmem_cache_per_node_ptrs [1]")
            } else {
                cache.member("node", "struct kmem_cache_node *[1]")
            }
        }
    }

    // MARK: memory

    /// The per-CPU variables come first, so that their offsets are known: builders begin at 0x100.
    private static let perCPUOffset: UInt64 = 0x100

    package func target() -> Target {
        let builder = KernelBuilder(types())
        perCPU(builder)
        let node = builder.object("struct kmem_cache_node")
        let text = builder.object("char [16]")
        builder.write(Array("widget\0".utf8), at: text)
        let cache = builder.object(
            "struct kmem_cache",
            [("size", .number(Self.size)), ("object_size", 88), ("refcount", 1), ("name", .address(text))])
        let head = builder.variable("slab_caches", "struct list_head")
        let link = cache.advanced(by: offset(of: "list"))
        builder.set(head, "struct list_head", [("next", .address(link)), ("prev", .address(link))])
        builder.set(link, "struct list_head", [("next", .address(head)), ("prev", .address(head))])
        if layout == .barns {
            let pair = cache.advanced(by: offset(of: "per_node"))
            builder.write(word: barn(builder).rawValue, at: pair)
            builder.write(word: node.rawValue, at: pair.advanced(by: UInt64(8)))
        } else {
            builder.write(word: node.rawValue, at: cache.advanced(by: offset(of: "node")))
        }
        fill(cache, node, builder)
        for slab in slabs { write(slab, cache, builder) }
        partialList(node, builder)
        for frame in missing { builder.drop(pageOf: Self.address(frame: frame, object: 0)) }
        return builder.target()
    }

    private func offset(of member: String, in type: String = "kmem_cache") -> UInt64 {
        let graph = TypeGraph()
        graph.add(types())
        let id = (try? graph.lookup(.structure, type)).flatMap { $0 }
        return id.flatMap { try? graph.offset(ofPath: member, in: $0) } ?? 0
    }

    private func perCPU(_ builder: KernelBuilder) {
        func first(_ cpu: Int) -> Content {
            slabs.first { $0.holder == .cpuPartial(cpu) }.map { .address(Self.descriptor($0.frame)) } ?? 0
        }
        let areas: [[(String, Content)]] = (0..<2).map { cpu in
            var members: [(String, Content)] = [("partial", first(cpu))]
            for slab in slabs {
                guard case .cpu(cpu, let free) = slab.holder else { continue }
                members.append((layout == .page ? "page" : "slab", .address(Self.descriptor(slab.frame))))
                if let start = free.first {
                    members.append(("freelist", .address(Self.address(frame: slab.frame, object: start))))
                }
            }
            return members
        }
        if isSLUB { builder.perCPUVariable("test_cpu_slab", "struct kmem_cache_cpu", areas) }
        // The queue of CPU 0: a sheaf in the heap, or the CPU's own array.
        if hasSheaves {
            let main = sheaf(layout == .barns ? Array(queued.dropLast()) : queued, builder)
            builder.perCPUVariable("test_sheaves", "struct slub_percpu_sheaves", [[("main", .address(main))], []])
        } else if layout == .arrays {
            builder.perCPUVariable(
                "test_arrays", "struct array_cache", [[("avail", .number(UInt64(queued.count)))], []])
            for (index, object) in queued.enumerated() {
                let area = LinearMap.direct + 0x80_0000 + Self.perCPUOffset
                builder.write(word: object.rawValue, at: VirtualAddress(area + 8 + UInt64(index) * 8))
            }
        }
    }

    private func sheaf(_ objects: [VirtualAddress], _ builder: KernelBuilder) -> VirtualAddress {
        let sheaf = builder.object("struct slab_sheaf", [("size", .number(UInt64(objects.count)))])
        for (index, object) in objects.enumerated() {
            let place = sheaf.advanced(by: offset(of: "objects", in: "slab_sheaf") + UInt64(index) * 8)
            builder.write(word: object.rawValue, at: place)
        }
        return sheaf
    }

    /// A barn with one full sheaf, which has the last of the queued objects.
    private func barn(_ builder: KernelBuilder) -> VirtualAddress {
        let barn = builder.object("struct node_barn")
        let full = sheaf(queued.suffix(1), builder)
        for (link, other) in [(barn, full), (full, barn)] {
            builder.set(link, "struct list_head", [("next", .address(other)), ("prev", .address(other))])
        }
        return barn
    }

    private func fill(_ cache: VirtualAddress, _ node: VirtualAddress, _ builder: KernelBuilder) {
        let total = slabs.reduce(0) { $0 + $1.objects }
        guard isSLUB else {
            let free = slabs.reduce(0) { $0 + $1.free.count }
            builder.set(
                cache, "struct kmem_cache",
                [("num", 8), ("gfporder", 0), ("cpu_cache", .number(Self.perCPUOffset))])
            builder.set(
                node, "struct kmem_cache_node",
                [("total_slabs", .number(UInt64(slabs.count))), ("free_objects", .number(UInt64(free)))])
            return
        }
        builder.set(cache, "struct kmem_cache", [("offset", .number(Self.pointerOffset)), ("oo.x", 8)])
        if layout != .barns {
            builder.set(cache, "struct kmem_cache", [("cpu_slab", .number(Self.perCPUOffset))])
        }
        if hasSheaves {
            // The sheaves' variable follows the CPU slabs' 32 bytes.
            builder.set(cache, "struct kmem_cache", [("cpu_sheaves", .number(Self.perCPUOffset + 32))])
        }
        if pointers != .plain { builder.set(cache, "struct kmem_cache", [("random", .number(Self.random))]) }
        if isCounted {
            builder.set(
                node, "struct kmem_cache_node",
                [("nr_slabs", .number(UInt64(slabs.count))), ("total_objects", .number(total))])
        }
    }

    private func write(_ slab: Slab, _ cache: VirtualAddress, _ builder: KernelBuilder) {
        let descriptor = Self.descriptor(slab.frame)
        builder.write([UInt8](repeating: 0, count: 4096), at: Self.address(frame: slab.frame, object: 0))
        builder.write([UInt8](repeating: 0, count: 64), at: descriptor)
        let usesTypes = hasDescriptor
        let page: [(String, Content)] = [
            ("flags", .number(usesTypes ? 0 : 1 << 9)), ("page_type", usesTypes ? 0xf500_0000 : 0xffff_ffff),
        ]
        builder.set(descriptor, "struct page", page)
        let type = usesTypes ? "struct slab" : "struct page"
        builder.set(descriptor, type, [("slab_cache", .address(cache))])
        guard isSLUB else { return table(slab, descriptor, builder) }
        var inUse = slab.objects - UInt64(slab.free.count)
        var frozen: UInt64 = 0
        switch slab.holder {
        case .cpu(_, let free):
            chain(free, slab, builder)
            frozen = 1
        case .cpuPartial: frozen = 1
        case .node, .nobody: break
        }
        inUse = min(inUse, 0xffff)
        chain(slab.free, slab, builder)
        let start = slab.free.first.map { Content.address(Self.address(frame: slab.frame, object: $0)) }
        builder.set(
            descriptor, type,
            [("freelist", start ?? 0), ("counters", .number(inUse | slab.objects << 16 | frozen << 31))])
        if case .cpuPartial(let cpu) = slab.holder {
            let list = slabs.filter { $0.holder == .cpuPartial(cpu) }
            if let place = list.firstIndex(where: { $0.frame == slab.frame }), place + 1 < list.count {
                builder.set(descriptor, type, [("next", .address(Self.descriptor(list[place + 1].frame)))])
            }
        }
    }

    private func chain(_ objects: [UInt64], _ slab: Slab, _ builder: KernelBuilder) {
        for (index, object) in objects.enumerated() {
            let place = Self.address(frame: slab.frame, object: object).advanced(by: Self.pointerOffset)
            let next =
                index + 1 < objects.count ? Self.address(frame: slab.frame, object: objects[index + 1]).rawValue : 0
            let key: UInt64 =
                switch pointers {
                case .plain: 0
                case .mixed: Self.random ^ place.rawValue
                case .swapped: Self.random ^ place.rawValue.byteSwapped
                }
            builder.write(word: (slab.bent[object] ?? next) ^ key, at: place)
        }
    }

    /// SLAB: the table of free objects lies behind the objects, its used part first.
    private func table(_ slab: Slab, _ descriptor: VirtualAddress, _ builder: KernelBuilder) {
        let base = Self.address(frame: slab.frame, object: 0)
        let place = base.advanced(by: Self.size * slab.objects)
        let used = (0..<slab.objects).filter { !slab.free.contains($0) }
        builder.write((used + slab.free).map { UInt8(truncatingIfNeeded: $0) }, at: place)
        builder.set(
            descriptor, "struct page",
            [
                ("freelist", .address(place)), ("s_mem", .address(base)), ("active", .number(UInt64(used.count))),
            ])
    }

    private func partialList(_ node: VirtualAddress, _ builder: KernelBuilder) {
        guard isSLUB else { return }
        let head = node.advanced(by: offset(of: "partial", in: "kmem_cache_node"))
        let inner = layout == .page ? "page" : "slab"
        let links =
            slabs.filter { $0.holder == .node }
            .map { Self.descriptor($0.frame).advanced(by: offset(of: "slab_list", in: inner)) }
        let ring = [head] + links
        for (index, link) in ring.enumerated() {
            builder.set(
                link, "struct list_head",
                [
                    ("next", .address(ring[(index + 1) % ring.count])),
                    ("prev", .address(ring[(index + ring.count - 1) % ring.count])),
                ])
        }
    }
}

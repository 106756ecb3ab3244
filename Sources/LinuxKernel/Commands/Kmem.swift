// kmem: the kernel's memory: summary, counters, slab caches, areas, pages.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Kmem: Stage {
    package static let manual = Manual(
        name: "kmem", synopsis: "[-i | -V | -v | -g | -o | -z | -n | -s [NAME]... | -p ADDRESS | ADDRESS]",
        summary: "the kernel's memory: summary, counters, slab caches, vmalloc areas, zones, pages",
        text: """
            ADDRESS alone, a virtual or a physical one or that of a struct page: the slab cache and the object that it \
            lies in, and its page.
            """,
        options: [
            .init("-i", "Where the memory is, in pages and as a share of all"),
            .init("-V", "The counters of zones and nodes"), .init("-v", "The areas of vmalloc"),
            .init("-g", "The flags of pages: names, bits, values"), .init("-o", "The offsets of the per-CPU areas"),
            .init("-z", "The zones"), .init("-n", "The nodes and their zones"),
            .init("-s", "The slab caches, or those of these names; of an address the one that it lies in"),
            .init("-p", "The struct page of an address"),
        ],
        examples: [
            .init("kmem -i", "the summary"), .init("kmem -v", "vmalloc areas"),
            .init("kmem -s task_struct", "one cache"), .init("kmem -p init_task", "a variable's page"),
            .init("kmem -z", "zones"), .init("kmem -g", "page flags"),
        ], takesOperand: true)
    private let flags: [String]
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        flags = ["-i", "-V", "-v", "-g", "-o", "-z", "-n", "-s", "-p"].filter { arguments.has($0) }
        words = arguments.operands
        guard flags.count <= 1 else { throw UsageError("kmem: \(flags.joined(separator: " and ")) exclude each other") }
        guard !flags.isEmpty || !words.isEmpty else { throw UsageError("kmem: an option is missing; see: help kmem") }
        guard words.isEmpty || flags.isEmpty || ["-s", "-p"].contains(flags[0]) else {
            throw UsageError("kmem: \(flags[0]) takes no address")
        }
        guard flags != ["-p"] || !words.isEmpty else { throw UsageError("kmem: -p needs an address") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try withoutActuallyEscaping(emit) { emit in
            try run(KernelMemory(kernel: try linux(context), context: context, emit: emit))
        }
    }

    private func run(_ memory: KernelMemory) throws {
        switch flags.first {
        case "-i": try memory.summary()
        case "-V": try memory.counters()
        case "-v": try memory.areas()
        case "-g": try memory.pageFlags()
        case "-o": try memory.perCPU()
        case "-z": try memory.zones()
        case "-n": try memory.nodes()
        case "-s": try memory.caches(words)
        case "-p": for word in words { try memory.page(try memory.address(word)) }
        default:
            for word in words {
                let address = try memory.address(word)
                try memory.object(address)
                try memory.page(address)
            }
        }
    }
}

/// What `kmem` says, part by part.
struct KernelMemory {
    let kernel: LinuxKernel
    let context: Context
    let emit: Emit

    private var model: Target { kernel.model }

    /// A symbol's address, a number, an expression's value.
    func address(_ text: String) throws -> VirtualAddress {
        try AddressOperand.address(text, context.target)
    }

    // MARK: the whole

    /// Names as crash has them, of the items of the summary.
    private static let items = [
        ("free", "FREE"), ("buffers", "BUFFERS"), ("cached", "CACHED"), ("slab", "SLAB"), ("page_tables", "PAGETABLES"),
        ("anonymous", "ANON"), ("shmem", "SHMEM"), ("kernel_stacks", "KERNEL STACKS"),
    ]

    func summary() throws {
        let summary = MemorySummary(model)
        let page: UInt64 = 4096
        guard let total = summary["total"].map({ $0 / page }), total > 0 else {
            throw CommandError("kmem: how much memory there is cannot be read")
        }
        func row(_ name: String, _ label: String, _ pages: UInt64, of whole: UInt64?, _ wholeName: String) throws {
            let share = whole.map { "\($0 > 0 ? pages &* 100 / $0 : 0)% of \(wholeName)" } ?? "----"
            try emit(
                .record(
                    Record(
                        "memory_item",
                        [
                            Field("name", nil, .text(name)), Field("label", " ", .text(label)),
                            Field("pages", "PAGES", .unsigned(pages)),
                            Field("total", "TOTAL", .text(byteSize(pages &* page))),
                            Field("share", "PERCENTAGE", .text(share)),
                        ])))
        }
        try row("total", "TOTAL MEM", total, of: nil, "")
        if let free = summary["free"].map({ $0 / page }) {
            try row("used", "USED", total > free ? total - free : 0, of: total, "TOTAL MEM")
        }
        for (name, label) in Self.items {
            let bytes =
                name == "slab"
                ? summary["slab_reclaimable"].flatMap { one in summary["slab_unreclaimable"].map { one &+ $0 } }
                : summary[name]
            guard let bytes else {
                context.gaps.note(Gap("kmem -i: \(label.lowercased())", why: "it cannot be read"))
                continue
            }
            try row(name, label, bytes / page, of: total, "TOTAL MEM")
        }
        do {
            let limit = try commitLimit(total)
            try row("commit_limit", "COMMIT LIMIT", limit, of: nil, "")
            // As /proc/meminfo has it: without what CPUs have not yet handed in.
            let committed = try Globals.structure(model, "vm_committed_as", "percpu_counter")["count"].signed()
            try row("committed", "COMMITTED", UInt64(max(committed, 0)), of: limit, "TOTAL LIMIT")
        } catch {
            context.gaps.note("kmem -i: the commit limit", error)
        }
    }

    /// Pages that may be promised (mm/util.c, vm_commit_limit): a share of memory, or a number of KiB, and all swap.
    private func commitLimit(_ total: UInt64) throws -> UInt64 {
        let fixed = try Globals.word(model, "sysctl_overcommit_kbytes")
        let swap = (try? Globals.word(model, "total_swap_pages")) ?? 0
        guard fixed == 0 else { return fixed / 4 &+ swap }
        let ratio = try Globals.word(model, "sysctl_overcommit_ratio", size: 4)
        return total.multipliedReportingOverflow(by: ratio).partialValue / 100 &+ swap
    }

    /// The global counters, without what CPUs have not yet handed in.
    func counters() throws {
        for (array, enumeration) in [("vm_zone_stat", "zone_stat_item"), ("vm_node_stat", "node_stat_item")] {
            let items = Globals.enumerators(model, enumeration).filter { $0.name.hasPrefix("NR_") || $0.value >= 0 }
            guard !items.isEmpty, let start = try? Globals.address(model, array) else { continue }
            for item in items where item.value >= 0 && item.value < 4096 {
                // The last names only count the others.
                guard !item.name.hasSuffix("_ITEMS") else { continue }
                let value = try model.space.word(start.advanced(by: UInt64(item.value) &* 8))
                try emit(
                    .record(
                        Record(
                            "counter",
                            [
                                Field("set", "SET", .text(array)), Field("name", "NAME", .text(item.name)),
                                Field("value", "VALUE", .signed(Int64(bitPattern: value))),
                            ])))
            }
        }
    }

    func pageFlags() throws {
        let flags = Globals.enumerators(model, "pageflags").filter { $0.name.hasPrefix("PG_") }
        guard !flags.isEmpty else { throw CommandError("kmem: enum pageflags is not known") }
        for flag in flags where flag.value >= 0 && flag.value < 64 {
            try emit(
                .record(
                    Record(
                        "page_flag",
                        [
                            Field("name", "PAGE-FLAG", .text(flag.name)), Field("bit", "BIT", .signed(flag.value)),
                            Field("value", "VALUE", .address(1 << UInt64(flag.value))),
                        ])))
        }
    }

    func perCPU() throws {
        for (cpu, offset) in model.perCPU.offsets.enumerated() {
            guard let offset else { continue }
            try emit(
                .record(
                    Record(
                        "per_cpu_area",
                        [Field("cpu", "CPU", .signed(Int64(cpu))), Field("offset", "OFFSET", .address(offset))])))
        }
    }

    // MARK: areas, zones, nodes

    /// `vmap_area_list` until 6.8; since 6.9 lists of `vmap_nodes[]` (d093602919ad).
    func areas() throws {
        for head in try VmallocArea.lists(model) {
            var broken: WalkAnomaly?
            try ListWalk.entries(head, "vmap_area", "list", anomaly: { broken = broken ?? $0 }) { area in
                if context.isInterrupted() { throw Interrupted() }
                let start = try area["va_start"].unsigned()
                let end = try area["va_end"].unsigned()
                let owner = (try? area["vm"].pointer()).flatMap { $0.isNull ? nil : $0 }
                try emit(
                    .record(
                        Record(
                            "vmap_area",
                            [
                                Field("area", "VMAP_AREA", .address(try area.address.rawValue)),
                                Field("vm_struct", "VM_STRUCT", owner.map { .address($0.rawValue) } ?? .none),
                                Field("start", "START", .address(start)), Field("end", "END", .address(end)),
                                Field("size", "SIZE", .unsigned(end &- start)),
                            ], subject: area)))
            }
            if let broken { context.gaps.note(Gap("the list of vmalloc areas", why: broken.description)) }
        }
    }

    /// Every zone of every node, those without pages too.
    private func eachZone(_ body: (Int, Value, Int64, Value) throws -> Void) throws {
        for (number, node) in try MemoryCounters.nodes(model).enumerated() {
            let array = try node["node_zones"]
            guard case .array(let type) = try array.strippedType, let count = type.count, count <= 64 else { continue }
            for index in 0..<Int64(count) { try body(number, node, index, try array.element(index)) }
        }
    }

    func zones() throws {
        try eachZone { number, _, index, zone in
            // `_watermark` since 5.0 (a9214443427c); WMARK_MIN, WMARK_LOW, WMARK_HIGH are 0, 1, 2.
            let marks = try zone[zone.has("_watermark") ? "_watermark" : "watermark"]
            func mark(_ level: Int64) -> FieldValue {
                (try? marks.element(level).unsigned()).map { .unsigned($0) } ?? .gap("unreadable")
            }
            try emit(
                .record(
                    Record(
                        "zone",
                        [
                            Field("node", "NODE", .signed(Int64(number))), Field("zone", "ZONE", .signed(index)),
                            Field("address", "ADDR", .address(try zone.address.rawValue)),
                            Field("name", "NAME", .text(try zone["name"].text())),
                            Field("size", "SIZE", .unsigned(try zone["spanned_pages"].unsigned())),
                            Field("present", "PRESENT", .unsigned(try zone["present_pages"].unsigned())),
                            Field("min", "MIN", mark(0)), Field("low", "LOW", mark(1)), Field("high", "HIGH", mark(2)),
                        ], subject: zone)))
        }
    }

    func nodes() throws {
        try eachZone { number, node, index, zone in
            let start = try zone["zone_start_pfn"].unsigned()
            let size = try zone["spanned_pages"].unsigned()
            let pages = try? PageReader(model, regions: kernel.regions)
            let map = size == 0 ? nil : pages?.map.page(of: PhysicalAddress(start &* 4096))
            try emit(
                .record(
                    Record(
                        "node_zone",
                        [
                            Field("node", "NODE", .signed(Int64(number))),
                            Field("node_size", nil, .unsigned(try node["node_spanned_pages"].unsigned())),
                            Field("pglist_data", "PGLIST_DATA", .address(try node.address.rawValue)),
                            Field("zone", "ZONE", .signed(index)),
                            Field("name", "NAME", .text(try zone["name"].text())),
                            Field("size", "SIZE", .unsigned(size)),
                            Field("mem_map", "MEM_MAP", map.map { .address($0.rawValue) } ?? .none),
                            Field("start_paddr", "START_PADDR", .address(size == 0 ? 0 : start &* 4096)),
                            Field("start_mapnr", "START_MAPNR", .unsigned(size == 0 ? 0 : start)),
                        ], subject: zone)))
        }
    }

    // MARK: slabs and pages

    func caches(_ words: [String]) throws {
        let listing: SlabListing
        do { listing = try SlabListing(model, regions: kernel.regions) } catch {
            throw CommandError("kmem: the slab caches cannot be read: \(error)")
        }
        if words.isEmpty {
            for row in listing.rows { try emit(.record(row.record)) }
            return
        }
        for word in words {
            if let row = listing.rows.first(where: { $0.cache.name == word }) {
                try emit(.record(row.record))
                continue
            }
            guard let place = try? address(word) else { throw CommandError("kmem: no slab cache is called \(word)") }
            guard try object(place) else { throw CommandError("kmem: \(place) lies in no slab") }
        }
    }

    /// The cache, the slab and the object of an address; false when it lies in no slab.
    @discardableResult
    func object(_ address: VirtualAddress) throws -> Bool {
        guard let found = try SlabFinder(model, regions: kernel.regions).object(at: address) else { return false }
        let listing = try SlabListing(model, regions: kernel.regions)
        if let row = listing.rows.first(where: { $0.cache.address == found.cache.address }) {
            try emit(.record(row.record))
        }
        let start = found.object?.start
        let state = found.state.name
        let text = start.map { state == "allocated" ? "[\(hex($0.rawValue))]" : hex($0.rawValue) } ?? "none"
        let fields = [
            Field("slab", nil, .address(found.slab.rawValue)),
            Field("cache", nil, .address(found.cache.address.rawValue)),
            Field("object", nil, start.map { .address($0.rawValue) } ?? .none),
            Field("offset", nil, .signed(found.offset)), Field("state", nil, .text(state)),
        ]
        let lines = [
            "  SLAB              OBJECT", "  \(hex(found.slab.rawValue))  \(text)  \(state)", "",
        ]
        try emit(.record(Record("slab_object", fields, presentation: .block(lines))))
        return true
    }

    func page(_ address: VirtualAddress) throws {
        let pages = try PageReader(model, regions: kernel.regions)
        let info: PageInfo
        if pages.map.isPage(address) {
            info = try pages.info(page: VirtualAddress(address.rawValue))
        } else if address.rawValue >> 63 == 0 {
            info = try pages.info(physical: PhysicalAddress(address.rawValue & ~0xfff))
        } else {
            info = try pages.info(physical: try model.space.translate(address).pageStart(4096))
        }
        let place = pages.map.layout.value(at: info.address)
        try emit(
            .record(
                Record(
                    "page",
                    [
                        Field("page", "PAGE", .address(info.address.rawValue)),
                        Field("physical", "PHYSICAL", .address(info.physical.rawValue)),
                        Field("mapping", "MAPPING", (try? place["mapping"].unsigned()).map { .address($0) } ?? .none),
                        Field("index", "INDEX", .address(info.index)), Field("count", "CNT", .signed(info.refcount)),
                        Field("flags", "FLAGS", .address(info.rawFlags)),
                        Field("names", "", .text(info.flags.joined(separator: ","))),
                    ], subject: place)))
    }
}

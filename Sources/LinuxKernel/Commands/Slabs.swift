// slabs: the kernel's slab caches and how much of each is used.

internal import Bytes
package import Pipeline
internal import Target

package struct Slabs: Stage {
    package static let manual = Manual(
        name: "slabs", synopsis: "[-n] [NAME]...",
        summary: "slab caches, the largest first",
        text: """
            Of each cache: the size of its objects and their distance in a slab, how many are in use and how many \
            there are, and the memory of its slabs. Objects that lie ready in a CPU's slab, in a partial slab or in a \
            queue count as free. A kernel built without SLUB_DEBUG does not count its slabs: TOTAL is then unknown. \
            Of merged caches only the first name is known; USERS tells how many there are.

            NAME chooses caches whose name begins with it.
            """,
        options: [.init("-n", nil, "sorted by name")],
        examples: [
            .init("slabs", "all caches, the largest first"), .init("slabs kmalloc", "the caches of kmalloc"),
        ], section: .memory)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let listing: SlabListing
        do { listing = try SlabListing(kernel.model, regions: kernel.regions) } catch {
            throw CommandError("the slab caches cannot be read: \(error)")
        }
        var rows = listing.rows
        if arguments.has("-n") { rows.sort { $0.cache.name < $1.cache.name } }
        if !arguments.operands.isEmpty {
            rows = rows.filter { row in arguments.operands.contains { row.cache.name.hasPrefix($0) } }
            guard !rows.isEmpty else {
                throw CommandError("no slab cache's name begins with \(arguments.operands.joined(separator: " or "))")
            }
        }
        for row in rows {
            for gap in row.usage.gaps { context.gaps.note(Gap("slab cache \(row.cache.name)", why: gap)) }
            try emit(.record(row.record))
        }
        for anomaly in listing.anomalies + rows.flatMap(\.usage.anomalies) {
            try emit(
                .record(
                    Record(
                        "anomaly",
                        [
                            Field("node", nil, .address(anomaly.node.rawValue)),
                            Field("text", nil, .text(anomaly.description)),
                        ], presentation: .block(["WARNING: " + anomaly.description]))))
        }
    }
}

/// All caches with what they hold, the largest first; those of unknown size last.
struct SlabListing {
    struct Row {
        let cache: SlabCache
        let usage: SlabUsage

        /// Bytes of all slabs of the cache; nil when their number is unknown.
        var memory: UInt64? {
            usage.slabs.map { $0.multipliedReportingOverflow(by: cache.slabBytes).partialValue }
        }

        var record: Record {
            func number(_ value: UInt64?) -> FieldValue {
                if let value { return .unsigned(value) }
                return .gap(usage.gaps.first ?? "not counted by the kernel")
            }
            return Record(
                "slab_cache",
                [
                    Field("cache", "CACHE", .address(cache.address.rawValue)),
                    Field("object_size", "OBJSIZE", .unsigned(cache.objectSize)),
                    Field("size", "SIZE", .unsigned(cache.size)),
                    Field("active", "ACTIVE", number(usage.active)),
                    Field("total", "TOTAL", number(usage.total)),
                    Field("slabs", "SLABS", number(usage.slabs)),
                    Field("objects_per_slab", nil, .unsigned(cache.objectsPerSlab)),
                    Field("order", nil, .unsigned(cache.order)),
                    Field("slab_kib", "SSIZE", .unsigned(cache.slabBytes / 1024)),
                    Field("memory_kib", "KIB", number(memory.map { $0 / 1024 })),
                    Field("users", "USERS", .signed(cache.users)),
                    Field("name", "NAME", .text(cache.name)),
                ])
        }
    }

    let rows: [Row]
    let anomalies: [WalkAnomaly]

    init(_ target: Target, regions: [MemoryRegion]) throws {
        let caches = try SlabCaches(target)
        let counter = SlabCounter(try SlabModel(target, regions: regions))
        anomalies = caches.anomalies
        rows = caches.caches.map { Row(cache: $0, usage: counter.usage($0)) }
            .sorted { ($1.memory ?? 0, $0.cache.name) < ($0.memory ?? 0, $1.cache.name) }
    }
}

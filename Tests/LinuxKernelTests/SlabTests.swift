import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealSlabTests {
    /// One cache as the oracle has it: its "active" are all objects of all slabs.
    private struct Expected: Equatable {
        let size, objectSize, total: UInt64
    }

    /// `"slabs": {"NAME": {"size": N, "object_size": N, "active": N}, ...}`.
    private func expected(_ json: String) -> [String: Expected] {
        guard let start = json.range(of: "\"slabs\": {") else { return [:] }
        var result: [String: Expected] = [:]
        for entry in json[start.upperBound...].prefix(while: { $0 != "[" }).split(separator: "}") {
            let words = entry.split { !($0.isLetter || $0.isNumber || "_-.".contains($0)) }.map(String.init)
            guard let size = words.firstIndex(of: "size"), size == 1, words.count >= 7,
                let bytes = UInt64(words[2]), let object = UInt64(words[4]), let total = UInt64(words[6])
            else { continue }
            result[words[0]] = Expected(size: bytes, objectSize: object, total: total)
        }
        return result
    }

    @Test("every slab cache has the sizes and objects that another debugger counts", arguments: RealDumps.names)
    func matchesOracle(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let listing = try SlabListing(kernel.target, regions: kernel.regions)
        #expect(listing.anomalies.isEmpty)
        #expect(listing.rows.count > 50)
        for row in listing.rows {
            #expect(row.usage.gaps.isEmpty, "\(row.cache.name)")
            #expect(row.usage.anomalies.isEmpty, "\(row.cache.name)")
            #expect((row.usage.active ?? .max) <= (row.usage.total ?? 0), "\(row.cache.name)")
        }
        guard let json = try RealKernels.oracle(name) else { return }
        let oracle = expected(json)
        #expect(oracle.count > 50)
        var found: [String: Expected] = [:]
        for row in listing.rows {
            found[row.cache.name] = Expected(
                size: row.cache.size, objectSize: row.cache.objectSize, total: row.usage.total ?? 0)
        }
        for (cache, wanted) in oracle { #expect(found[cache] == wanted, "\(cache)") }
        #expect(found.count == oracle.count)
    }
}

extension String {
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(text) { return index..<self.index(index, offsetBy: text.count) }
            index = self.index(after: index)
        }
        return nil
    }
}

/// One cache in every layout that Linux had from 5.4 to 7.3, put together by hand.
@Suite struct BuiltSlabTests {
    static let layouts = LinuxImageSlab.Layout.allCases
    static let chained: [LinuxImageSlab.Layout] = [.page, .slab, .sheaves]

    private let regions = [
        MemoryRegion(
            name: "direct map",
            range: VirtualAddress(LinearMap.direct)...VirtualAddress(LinearMap.direct + 0x1fff_ffff),
            linear: PhysicalAddress(0)),
        MemoryRegion(
            name: "vmemmap", range: LinuxImageSlab.pages...LinuxImageSlab.pages.advanced(by: UInt64(0xff_ffff)),
            linear: nil),
    ]

    private func usage(_ image: LinuxImageSlab) throws -> SlabUsage {
        let listing = try SlabListing(image.target(), regions: regions)
        #expect(listing.anomalies.isEmpty)
        return try #require(listing.rows.first).usage
    }

    private func object(_ image: LinuxImageSlab, _ address: VirtualAddress) throws -> SlabObject? {
        try SlabFinder(image.target(), regions: regions).object(at: address)
    }

    private func state(_ image: LinuxImageSlab, frame: UInt64, _ number: UInt64) throws -> SlabObject.State? {
        try object(image, LinuxImageSlab.address(frame: frame, object: number))?.state
    }

    @Test("a cache without slabs has none", arguments: layouts)
    func empty(_ layout: LinuxImageSlab.Layout) throws {
        let usage = try usage(LinuxImageSlab(layout))
        #expect(usage.slabs == 0 && usage.total == 0 && usage.active == 0 && usage.gaps.isEmpty)
        #expect(try object(LinuxImageSlab(layout), VirtualAddress(LinearMap.direct + 0x9999_0000)) == nil)
    }

    @Test("free objects are told from used ones, however their list is kept", arguments: layouts)
    func partial(_ layout: LinuxImageSlab.Layout) throws {
        var image = LinuxImageSlab(layout)
        image.slabs = [.init(frame: 0x300, free: [1, 5, 2]), .init(frame: 0x301, free: [], holder: .nobody)]
        let usage = try usage(image)
        #expect(usage.slabs == 2 && usage.total == 16 && usage.active == 13 && usage.gaps.isEmpty)
        for number in UInt64(0)..<8 {
            let found = try state(image, frame: 0x300, number)
            if [1, 5, 2].contains(number) {
                guard case .free = found else {
                    Issue.record("object \(number): \(String(describing: found))")
                    continue
                }
            } else {
                #expect(found == .allocated, "object \(number)")
            }
            #expect(try state(image, frame: 0x301, number) == .allocated)
        }
    }

    @Test("the place within an object and behind it is told", arguments: layouts)
    func places(_ layout: LinuxImageSlab.Layout) throws {
        var image = LinuxImageSlab(layout)
        image.slabs = [.init(frame: 0x300)]
        let start = LinuxImageSlab.address(frame: 0x300, object: 3)
        let inside = try #require(try object(image, start.advanced(by: UInt64(87))))
        #expect(inside.cache.name == "widget" && inside.object?.index == 3 && inside.offset == 87 && inside.isInside)
        let behind = try #require(try object(image, start.advanced(by: UInt64(90))))
        #expect(behind.object?.index == 3 && !behind.isInside)
        let outside = try #require(try object(image, VirtualAddress(LinearMap.direct + 0x30_0ff0)))
        #expect(outside.object == nil)
    }

    @Test("what the CPUs hold is free, though their slabs count it as used", arguments: chained)
    func cpus(_ layout: LinuxImageSlab.Layout) throws {
        var image = LinuxImageSlab(layout)
        image.slabs = [
            .init(frame: 0x300, free: [7], holder: .cpu(0, free: [4, 0])),
            .init(frame: 0x301, free: [6, 1], holder: .cpuPartial(1)),
            .init(frame: 0x302, free: [3], holder: .cpuPartial(1)),
        ]
        let usage = try usage(image)
        #expect(usage.total == 24 && usage.free == 6 && usage.gaps.isEmpty)
        #expect(try state(image, frame: 0x300, 4) == .free("the free list of CPU 0"))
        #expect(try state(image, frame: 0x300, 7) == .free("the slab's free list"))
        #expect(try state(image, frame: 0x300, 1) == .allocated)
        #expect(try state(image, frame: 0x302, 3) == .free("the slab's free list"))
    }

    @Test(
        "objects in a sheaf or in a CPU's array are free", arguments: [LinuxImageSlab.Layout.sheaves, .barns, .arrays])
    func queues(_ layout: LinuxImageSlab.Layout) throws {
        var image = LinuxImageSlab(layout)
        image.slabs = [.init(frame: 0x300, free: [2])]
        image.queued = [
            LinuxImageSlab.address(frame: 0x300, object: 6), LinuxImageSlab.address(frame: 0x300, object: 0),
        ]
        let usage = try usage(image)
        #expect(usage.total == 8 && usage.active == 5)
        let waiting = try state(image, frame: 0x300, 6)
        #expect(waiting == .free(layout == .arrays ? "the array of CPU 0" : "a sheaf"))
        #expect(try state(image, frame: 0x300, 0) == waiting)
        #expect(try state(image, frame: 0x300, 1) == .allocated)
    }

    @Test("a tail page names its head, or the bits of its own address that are its head's")
    func headsOfTails() {
        let head = VirtualAddress(0xffff_ea00_0001_4b80 & ~0x1ff)
        let tail = head.advanced(by: UInt64(5 * 64))
        #expect(PageReader.head(ofTail: tail, head.rawValue | 1) == head)
        // Eight pages of 64 bytes: all but the low nine bits.
        #expect(PageReader.head(ofTail: tail, ~0x1ff | 1) == head)
        #expect(PageReader.head(ofTail: tail, head.rawValue) == nil)
    }

    @Test("hardened pointers are read in both variants", arguments: [LinuxImageSlab.Pointers.mixed, .swapped])
    func hardened(_ pointers: LinuxImageSlab.Pointers) throws {
        var image = LinuxImageSlab(.page, pointers: pointers)
        image.slabs = [
            .init(frame: 0x300, free: [1, 5, 2]), .init(frame: 0x301, free: [0], holder: .cpu(1, free: [7, 3])),
        ]
        #expect(try usage(image).active == 10)
        #expect(try state(image, frame: 0x300, 2) == .free("the slab's free list"))
        #expect(try state(image, frame: 0x301, 3) == .free("the free list of CPU 1"))
    }

    @Test("a free list that goes in a circle ends, and what it did not show cannot be told", arguments: chained)
    func circle(_ layout: LinuxImageSlab.Layout) throws {
        var image = LinuxImageSlab(layout, pointers: .swapped)
        var slab = LinuxImageSlab.Slab(frame: 0x300, free: [1, 5, 2])
        slab.bent[2] = LinuxImageSlab.address(frame: 0x300, object: 5).rawValue
        image.slabs = [slab]
        #expect(try state(image, frame: 0x300, 5) == .free("the slab's free list"))
        guard case .unknown(let why) = try state(image, frame: 0x300, 4) else {
            Issue.record("a broken list says that an object is in use")
            return
        }
        #expect(why.contains("comes back to object 5"))
    }

    @Test("a pointer that leads out of the slab, or into the middle of an object, is not followed")
    func strayPointer() throws {
        for stray in [
            LinuxImageSlab.address(frame: 0x305, object: 0).rawValue, 0x4141_4141_4141_4141,
            LinuxImageSlab.address(frame: 0x300, object: 2).rawValue + 8,
        ] {
            var image = LinuxImageSlab(.slab)
            var slab = LinuxImageSlab.Slab(frame: 0x300, holder: .cpu(0, free: [1, 5]))
            slab.bent[5] = stray
            image.slabs = [slab]
            let usage = try usage(image)
            #expect(usage.active == nil && !usage.gaps.isEmpty && usage.anomalies.count == 1)
            guard case .unknown = try state(image, frame: 0x300, 0) else {
                Issue.record("0x\(hex(stray))")
                continue
            }
        }
    }

    @Test("a slab whose count and list disagree is told apart from a healthy one")
    func miscounted() throws {
        var image = LinuxImageSlab(.slab)
        var slab = LinuxImageSlab.Slab(frame: 0x300, free: [1, 5, 2])
        slab.bent[5] = 0
        image.slabs = [slab]
        guard case .unknown(let why) = try state(image, frame: 0x300, 2) else {
            Issue.record("an object that fell off the list passes for used")
            return
        }
        #expect(why == "the slab counts 3 free objects, its free list has 2")
    }

    @Test("a page that the dump lacks makes unknown, not used")
    func missingPage() throws {
        var image = LinuxImageSlab(.slab)
        image.slabs = [.init(frame: 0x300, free: [1, 5]), .init(frame: 0x301, holder: .nobody)]
        image.missing = [0x300]
        guard case .unknown(let why) = try state(image, frame: 0x300, 0) else {
            Issue.record("an unreadable list says that an object is in use")
            return
        }
        #expect(why.contains("left out of the dump"))
        // The descriptor's own count is still there.
        #expect(try usage(image).active == 14)
        #expect(try state(image, frame: 0x301, 0) == .allocated)
    }

    @Test("a kernel that does not count its slabs has gaps, not zeros")
    func uncounted() throws {
        var image = LinuxImageSlab(.slab)
        image.isCounted = false
        image.slabs = [.init(frame: 0x300, free: [1, 5])]
        let usage = try usage(image)
        #expect(usage.slabs == nil && usage.total == nil && usage.active == nil && usage.gaps.count == 1)
    }
}

@Suite struct PageTypeTests {
    private func types(_ values: [(String, Int64)], _ more: (inout TypeBuilder) -> Void = { _ in }) -> PageTypes {
        var types = TypeBuilder()
        if !values.isEmpty { types.enumeration("pagetype", values) }
        types.structure("page") { $0.member("flags", "unsigned long") }
        more(&types)
        return PageTypes(KernelBuilder(types).target())
    }

    @Test("a page's type is told from a map count in each of its three encodings")
    func encodings() {
        let top = types([("PGTY_buddy", 0xf0), ("PGTY_slab", 0xf5), ("PGTY_mapcount_underflow", 0xff)])
        #expect(top.name(0xf000_0000) == "buddy" && top.name(0xf500_0010) == "slab")
        #expect(top.name(0xffff_ffff) == nil && top.name(0) == nil && top.name(7) == nil)
        let high = types([
            ("PG_buddy", 0x4000_0000), ("PG_slab", 0x0200_0000), ("PAGE_TYPE_BASE", 0x8000_0000),
            ("PAGE_MAPCOUNT_RESERVE", 0xffff_0000),
        ])
        #expect(high.name(0xbfff_ffff) == "buddy" && high.name(0xfdff_0007) == "slab")
        #expect(high.name(0xffff_ffff) == nil && high.name(0xffff_fff0) == nil && high.name(3) == nil)
        let clear = types([])
        #expect(clear.name(0xffff_ff7f) == "buddy" && clear.name(0xffff_fdff) == "table")
        #expect(clear.name(0xffff_ffff) == nil && clear.name(0xffff_fffe) == nil && clear.name(0) == nil)
        let older = types([]) { $0.structure("hd_struct") { $0.member("partno", "int") } }
        #expect(older.name(0xffff_fdff) == "kmemcg" && older.name(0xffff_fbff) == "table")
    }
}

import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealMemoryTests {
    /// The guest's own /proc/meminfo, in bytes, from a moment before the dump was taken.
    private func meminfo(_ dump: String) throws -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        for line in try RealKernels.console(dump) where line.hasPrefix("LAB-PROC: ") && line.hasSuffix(" kB") {
            let words = line.dropFirst(10).split(separator: " ")
            guard words.count == 3, let kibibytes = UInt64(words[1]) else { continue }
            values[String(words[0].dropLast())] = kibibytes * 1024
        }
        return values
    }

    @Test(
        "the summary is what the guest's /proc/meminfo said a moment before",
        arguments: RealDumps.those(["plain.elf", "plain-novmcoreinfo.elf", "plain-panic.kdump"]))
    func matchesGuest(_ name: String) throws {
        let summary = MemorySummary(try RealKernels.open(name).target)
        let guest = try meminfo(name)
        #expect(guest.count > 20)
        #expect(summary["total"] == guest["MemTotal"])
        #expect(summary["buffers"] == guest["Buffers"])
        // The guest went on for a moment: the shell ended its child, the dump was asked for.
        let moving = [
            ("free", "MemFree"), ("available", "MemAvailable"), ("cached", "Cached"), ("anonymous", "AnonPages"),
            ("mapped", "Mapped"), ("shmem", "Shmem"), ("slab_reclaimable", "SReclaimable"),
            ("slab_unreclaimable", "SUnreclaim"), ("page_tables", "PageTables"), ("kernel_stacks", "KernelStack"),
            ("vmalloc_used", "VmallocUsed"), ("mlocked", "Mlocked"), ("dirty", "Dirty"), ("writeback", "Writeback"),
        ]
        for (item, key) in moving {
            let ours = try #require(summary[item], "\(item)")
            let theirs = try #require(guest[key], "\(key)")
            #expect(max(ours, theirs) - min(ours, theirs) <= 512 << 10, "\(item): \(ours) and \(theirs)")
        }
        // Built without: gaps with their reason, not zeros.
        for item in summary.items where item.name.hasPrefix("swap") || item.name.hasPrefix("huge") {
            guard case .failure(let why) = item.value else {
                Issue.record("\(item.name)")
                continue
            }
            #expect(why.description.contains("built without"))
        }
    }

    @Test(
        "slab memory is told alike by the page counters and by the caches",
        arguments: RealDumps.those(["plain.elf", "refleak.kdump"]))
    func slabs(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let summary = MemorySummary(kernel.target)
        let slabs = (summary["slab_reclaimable"] ?? 0) + (summary["slab_unreclaimable"] ?? 0)
        let caches = try SlabListing(kernel.target, regions: kernel.regions).rows.reduce(0) { $0 + ($1.memory ?? 0) }
        // Allocations above a page pair go to the page allocator and count as unreclaimable slab: hence not equal.
        #expect(caches <= slabs && caches > slabs / 2, "\(caches) of \(slabs)")
    }

    @Test("a counter that was not saved is a gap in its own line only")
    func missing() throws {
        var kernel = try DoctoredKernel("plain.elf")
        try kernel.leaveOut(pageOf: try Globals.address(kernel.target, "vm_node_stat"))
        let summary = MemorySummary(kernel.target)
        #expect(summary["anonymous"] == nil && summary["total"] != nil)
        let failed = summary.items.first { $0.name == "anonymous" }
        guard case .failure(let why)? = failed?.value else {
            Issue.record("an unreadable counter has a value")
            return
        }
        #expect(why.description.contains("left out of the dump"))
    }
}

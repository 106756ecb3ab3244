import Bytes
import Capabilities
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

extension LinuxKernel {
    /// As the kernel's own capability is made.
    var identifier: LinuxAddressIdentifier {
        LinuxAddressIdentifier(
            target: target, regions: regions, modules: modules, cpus: cpus, architecture: architecture)
    }
}

extension Identification {
    func detail(_ name: String) -> String? { details.first { $0.name == name }?.value }
}

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealAddressTests {
    @Test("every task and every word of its stack is identified as that task's", arguments: RealDumps.names)
    func tasks(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let identifier = kernel.identifier
        for task in try kernel.tasks().tasks {
            let here = identifier.identify(task.address.advanced(by: UInt64(16)))
            #expect(here.first?.kind == "task", "\(here)")
            #expect(here.first?.detail("pid") == "\(try task.pid)")
            let object = here.first { $0.kind == "slab object" }
            #expect(object?.detail("cache") == "task_struct", "\(here)")
            #expect(object?.detail("state") == "allocated", "\(here)")
            // What the first chunk leaves of a CPU's unit is the page allocator's, and task structures may lie there.
            #expect(!here.contains { $0.kind == "per-CPU memory" }, "\(here)")
            guard let stack = try? task.stack, !stack.isNull else { continue }
            for offset in [UInt64(0), 0x2345, 0x3fff] {
                let place = identifier.identify(stack.advanced(by: offset)).first
                #expect(place?.kind == "stack")
                #expect(place?.detail("pid") == "\(try task.pid)")
                #expect(place?.detail("below_top") == "\(0x4000 - offset)")
            }
        }
    }

    /// Within the first chunk of a CPU's unit, and behind it, where the unit goes on with other memory.
    @Test("a CPU's area ends where its first chunk ends", arguments: ["abba.kdump", "abba-612.kdump"])
    func areas(_ name: String) throws {
        guard RealDumps.names.contains(name) else { return }
        let kernel = try RealKernels.open(name)
        let chunk = try Globals.pointee(kernel.target, "pcpu_first_chunk", "pcpu_chunk")
        let end = try chunk["base_addr"].unsigned() + chunk["nr_pages"].unsigned() * 4096
        func isPerCPU(_ address: UInt64) -> Bool {
            kernel.identifier.identify(VirtualAddress(address)).contains { $0.kind.hasPrefix("per-CPU") }
        }
        #expect(isPerCPU(end - 8))
        let size = try Globals.word(kernel.target, "pcpu_unit_size", size: 4)
        let base = try Globals.word(kernel.target, "pcpu_base_addr")
        if end < base + size { #expect(!isPerCPU(end)) }
    }

    @Test("the time since boot is that of the ticks, to a tenth of a second", arguments: RealDumps.names)
    func uptime(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let tick = try kernel.model.variable("tick_nsec").unsigned()
        let start = UInt32(truncatingIfNeeded: -300 * Int64(1_000_000_000 / tick))
        let ticks = UInt32(truncatingIfNeeded: try kernel.model.variable("jiffies").unsigned()) &- start
        let elapsed = Int64(UInt64(ticks) * tick)
        let kept = Int64(try Timekeeper(kernel.model).monotonic)
        #expect(abs(kept - elapsed) < 100_000_000, "\(kept), \(ticks) ticks")
    }

    @Test("per-CPU variables, symbols, modules and regions are named", arguments: RealDumps.names)
    func variables(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let identifier = kernel.identifier
        for cpu in kernel.cpus.cpus {
            let place = try cpu.runQueue.address
            let found = identifier.identify(place.advanced(by: UInt64(24))).first
            #expect(found?.kind == "per-CPU variable" && found?.detail("cpu") == "\(cpu.number)")
            #expect(found?.detail("variable") == "runqueues")
        }
        let symbol = try #require(kernel.target.symbols.symbol(named: "schedule"))
        let code = identifier.identify(symbol.address.advanced(by: UInt64(4)))
        #expect(code.first?.kind == "symbol" && code.first?.text == "schedule+0x4")
        #expect(code.contains { $0.kind == "page" })
        for module in kernel.modules.modules {
            let region = try #require(module.regions.first)
            let found = identifier.identify(region.start.advanced(by: UInt64(8)))
            #expect(found.contains { $0.kind.hasPrefix("module ") && $0.detail("module") == module.name })
            #expect(found.contains { $0.kind == "vmalloc area" }, "\(found)")
        }
        #expect(identifier.identify(VirtualAddress(0x40_1000)).map(\.kind) == ["region"])
        #expect(identifier.identify(VirtualAddress(0x8000_0000_0000_0000)).isEmpty)
    }
}

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealStackTests {
    @Test("a CPU's own stacks are the pages that it has for them", arguments: RealDumps.names)
    func cpuStacks(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let target = kernel.target
        let stacks = kernel.architecture.cpuStacks(target)
        for cpu in kernel.cpus.possible {
            let own = stacks.filter { $0.cpu == cpu }
            let expected = ["IRQ", "entry", "double fault", "NMI", "debug", "machine check"]
            #expect(Set(own.map(\.name)).isSuperset(of: expected))
            // The memory behind the mappings is the CPU's own, under other names.
            let interrupt = try #require(own.first { $0.name == "IRQ" })
            let store = try target.perCPUVariable("irq_stack_backing_store", cpu: cpu).address
            #expect(interrupt.size == 16384)
            #expect(try target.space.translate(interrupt.start) == target.space.translate(store))
            let exceptions = try target.perCPUVariable("exception_stacks", cpu: cpu)
            for (member, name) in [("NMI_stack", "NMI"), ("DF_stack", "double fault"), ("DB_stack", "debug")] {
                let stack = try #require(own.first { $0.name == name })
                let backing = try target.space.translate(exceptions[member].address)
                #expect(try target.space.translate(stack.start) == backing)
            }
            let found = kernel.identifier.identify(interrupt.start.advanced(by: UInt64(16384 - 8))).first
            #expect(found?.text == "the IRQ stack of CPU \(cpu), 8 bytes below its top")
        }
    }
}

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealSlabObjectTests {
    /// In these dumps every page was saved.
    static let whole = RealDumps.those(["plain.elf", "refleak.kdump"])

    @Test("the objects found one by one, over all pages, are as many as the caches count", arguments: whole)
    func twoSources(_ name: String) throws {
        let kernel = try RealKernels.open(name)
        let finder = try SlabFinder(kernel.target, regions: kernel.regions)
        let reader = try PageReader(kernel.target, regions: kernel.regions)
        var allocated: [String: UInt64] = [:]
        var total: [String: UInt64] = [:]
        let pages = kernel.totalPages.map { $0 + 0x1000 } ?? 0
        for frame in 0..<pages {
            let page = reader.map.page(of: PhysicalAddress(frame * 4096))
            guard let info = try? reader.info(page: page), info.type == "slab", info.head == nil else { continue }
            let slab = try finder.model.slab(at: page)
            let first = try #require(try finder.object(at: slab.memory)).cache
            for index in 0..<finder.model.grid(first, slab).count {
                let start = finder.model.grid(first, slab).address(index)
                let object = try #require(try finder.object(at: start))
                #expect(object.object?.start == start)
                #expect(object.offset == 0)
                total[object.cache.name, default: 0] += 1
                switch object.state {
                case .allocated: allocated[object.cache.name, default: 0] += 1
                case .free: break
                case .unknown(let why): Issue.record("\(object.cache.name) \(start): \(why)")
                }
            }
        }
        for row in try SlabListing(kernel.target, regions: kernel.regions).rows {
            #expect((total[row.cache.name] ?? 0) == row.usage.total, "\(row.cache.name)")
            #expect((allocated[row.cache.name] ?? 0) == row.usage.active, "\(row.cache.name)")
        }
    }
}

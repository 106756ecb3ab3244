// What walks find in real kernels, against what drgn 0.3.0 finds there with the same kernel's DWARF: how many there are,
// and the sum of their addresses.

import Bytes
import DebugModel
import FixtureKit
import Memory
import Pipeline
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, "needs the real dumps: run scripts/fixtures"))
struct KernelWalkTests {
    struct Truth: Sendable, CustomTestStringConvertible {
        let dump: String
        /// By the walks, each fed with what the one before it gave.
        let counts: [String: (count: Int, sum: UInt64)]
        var testDescription: String { dump }
    }

    static let truths = [
        Truth(
            dump: "abba.kdump",
            counts: [
                "task": (36, 0xffef32000635a180),
                "proc": (36, 0xffef32000635a180),
                "pid": (36, 0xffef3200072d7980),
                "vmap_area": (43, 0xffebed8005284c00),
                "task vma": (60, 0xffe3fe0023523400),
                "super_block": (12, 0xfffa660001abc800),
                "super_block inode": (920, 0xfe528c017ed630a8),
                "super_block inode page": (712, 0xffc2d0001bb07a80),
                "task file": (24, 0xfff4cc000d34f500),
                "mount": (6, 0xfffd330000c2de00),
                "slab_cache": (68, 0xffe04200066c2100),
                "module": (1, 0xffffffffc0002080),
                "workqueue": (16, 0xfff8880001dea200),
                "worker_pool": (5, 0xfffdaa800abd0200),
                "irq": (16, 0xfff88800015cf800),
                "hrtimer": (3, 0xfffeda00056c7ec8),
                "timer": (13, 0xfffe627b98728088),
                "net": (1, 0xffffffff81ef6f80),
                "net_device": (1, 0xffff888000157800),
            ]),
        Truth(
            dump: "readers.kdump",
            counts: [
                "task": (94, 0xffde0f9c2f729f00),
                "proc": (94, 0xffde0f9c2f729f00),
                "pid": (94, 0xffde0f9c30cc6800),
                "vmap_area": (101, 0xffdb889a2e77ee80),
                "task vma": (630, 0xff1c894dc23fdb80),
                "super_block": (11, 0xfffc0746017ec000),
                "super_block inode": (1086, 0xfe77e55dbc112108),
                "super_block inode page": (712, 0xffef30b61bb07a80),
                "task file": (251, 0xffa560269339af00),
                "mount": (5, 0xfffe31da00a0c540),
                "slab_cache": (67, 0xffe7cf3605da8100),
                "module": (1, 0xffffffffc022b100),
                "workqueue": (16, 0xfffa392001e05e00),
                "worker_pool": (5, 0xfffe31da0abd4200),
                "irq": (16, 0xfffa3920015d8800),
                "hrtimer": (3, 0xfffefcedc586fec8),
                "timer": (11, 0xffff595830be8bc8),
                "net": (1, 0xffffffff9a8f6f80),
                "net_device": (1, 0xffffa3920015f800),
            ]),
    ]

    /// Runs walks one after another: `task vma` walks the areas of every task.
    private func run(_ names: String, _ context: Context) throws -> Walked {
        var all = Walked()
        func step(_ names: ArraySlice<String>, _ root: Value?) throws {
            guard let name = names.first, let walk = context.catalog.walk(named: name) else { return }
            try walk.walk(root, [], context) { step_ in
                if case .anomaly(let anomaly) = step_ { all.anomalies.append(anomaly) }
                guard let value = step_.value else { return }
                if names.count > 1 { return try step(names.dropFirst(), value) }
                let address = try? value.address.rawValue
                all.elements.append(try address ?? value.unsigned())
            }
        }
        try step(names.split(separator: " ").map(String.init)[...], nil)
        return all
    }

    private func context(_ kernel: LinuxKernel) -> Context {
        Context(
            kernel: kernel, catalog: Catalog([LinuxCommands.all], walks: LinuxWalks.all), gaps: Gaps(),
            journal: Journal())
    }

    @Test(arguments: Self.truths) func walksFindWhatDrgnFinds(truth: Truth) throws {
        guard RealDumps.names.contains(truth.dump) else { return }
        let context = context(try RealKernels.open(truth.dump))
        for (names, expected) in truth.counts.sorted(by: { $0.key < $1.key }) {
            let walked = try run(names, context)
            #expect(walked.elements.count == expected.count, "\(names)")
            #expect(walked.elements.reduce(0, &+) == expected.sum, "\(names)")
            #expect(walked.anomalies.isEmpty, "\(names): \(walked.anomalies.first?.description ?? "")")
        }
    }

    @Test func nothingIsWrongWithHealthyKernels() throws {
        let walks = [
            "task", "pid", "cpu", "file_system", "super_block inode page", "mount", "task vma", "task file",
            "task child",
            "task thread", "vmap_area", "slab_cache", "module", "timer", "hrtimer", "irq", "workqueue",
            "worker_pool worker", "worker_pool work", "net net_device",
        ]
        for name in RealDumps.names {
            let context = context(try RealKernels.open(name))
            for names in walks {
                let walked = try run(names, context)
                #expect(walked.anomalies.isEmpty, "\(name), \(names): \(walked.anomalies.first?.description ?? "")")
            }
        }
    }

    @Test func theObjectsOfACacheAreThoseThatAreCounted() throws {
        let kernel = try RealKernels.open("abba.kdump")
        let context = context(kernel)
        let counter = SlabCounter(try SlabModel(kernel.model, regions: kernel.regions))
        var compared = 0
        for cache in try SlabCaches(kernel.model).caches
        where cache.name.hasPrefix("kmalloc") || cache.name == "task_struct" {
            let usage = counter.usage(cache)
            guard let active = usage.active, let total = usage.total else { continue }
            let used = try WalkFixture.run(KmemWalk.self, cache.value, [], context)
            let free = try WalkFixture.run(FreeKmemWalk.self, cache.value, [], context)
            #expect(UInt64(used.elements.count) == active, "\(cache.name)")
            #expect(UInt64(used.elements.count + free.elements.count) == total, "\(cache.name)")
            #expect(used.anomalies.isEmpty && free.anomalies.isEmpty, "\(cache.name)")
            compared += 1
        }
        #expect(compared > 5)
    }

    // MARK: damaged kernels

    /// Walks `names` in a kernel in which `change` was done to memory.
    private func damaged(
        _ names: String, _ change: (LinuxKernel, inout PatchedMemory) throws -> Void
    ) throws -> Walked {
        let specimen = try RealKernels.specimen("abba.kdump")
        var memory = PatchedMemory(specimen.memory)
        try change(try RealKernels.open("abba.kdump"), &memory)
        let kernel = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: NoSymbolFiles()), journal: Journal())
        return try run(names, context(kernel))
    }

    private func first(_ names: String, _ kernel: LinuxKernel) throws -> Value {
        let walked = try run(names, context(kernel))
        let type = ["inode": "inode", "timer": "timer_list", "hrtimer": "hrtimer", "child": "task_struct"]
        return try kernel.model.object(
            .structure, type[names.split(separator: " ").last.map(String.init) ?? ""] ?? names,
            at: VirtualAddress(try #require(walked.elements.first)))
    }

    @Test func anInodeOfAnotherSuperBlockIsTold() throws {
        let walked = try damaged("super_block inode") { kernel, memory in
            let inode = try first("super_block inode", kernel)
            let place = try inode.member("i_sb").address
            try memory.write(0xffff_8880_0000_1000, at: try kernel.target.space.translate(place))
        }
        #expect(walked.elements.count == 920)
        #expect(walked.kinds == [.backLink])
    }

    @Test func aTimerOfAnotherClockIsTold() throws {
        let walked = try damaged("hrtimer") { kernel, memory in
            let place = try first("hrtimer", kernel).member("base").address
            try memory.write(0xffff_8880_0000_1000, at: try kernel.target.space.translate(place))
        }
        #expect(walked.elements.count == 3)
        #expect(walked.kinds == [.backLink])
    }

    @Test func pagesThatAreNotCountedAreTold() throws {
        let walked = try damaged("super_block inode page") { kernel, memory in
            let walk = try run("super_block inode", context(kernel))
            for address in walk.elements {
                let inode = try kernel.model.object(.structure, "inode", at: VirtualAddress(address))
                let count = try inode.path("i_data", "nrpages")
                guard try count.unsigned() == 2 else { continue }
                return try memory.write(3, at: try kernel.target.space.translate(try count.address))
            }
        }
        #expect(walked.elements.count == 712)
        #expect(walked.kinds == [.shape])
    }

    @Test func aKernelThreadHasNoAreasAndNumbersNeedAType() throws {
        let kernel = try RealKernels.open("abba.kdump")
        let thread = try #require(try kernel.tasks().tasks.first { (try? $0.pid) == 2 })
        #expect(try WalkFixture.run(VMAWalk.self, thread.value, [], context(kernel)) == Walked())
        let child = try WalkFixture.run(ChildWalk.self, thread.value, [], context(kernel))
        #expect(child.elements.count > 10 && child.anomalies.isEmpty)
    }
}

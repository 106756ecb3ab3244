// Who waits for whom, against what the guests' consoles say.

import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.names.contains("self.kdump"), Comment(rawValue: RealDumps.comment)))
struct LockTests {
    private func cycles(_ dump: String) throws -> WaitCycles { WaitCycles(try LockModel(try RealKernels.open(dump))) }

    private func pids(_ steps: [WaitStep]) throws -> [Int] { try steps.map { try $0.wait.task.pid } }

    private func findings(_ dump: String) throws -> [Finding] {
        guard case .findings(let list) = DeadlockRule.run(try RealKernels.open(dump)) else { return [] }
        return list
    }

    @Test("Two tasks with a mutex and a rwsem in opposite order are a circle, and the two behind them are its victims")
    func opposite() throws {
        let cycles = try cycles("abba.kdump")
        let circle = try #require(cycles.cycles.first)
        #expect(cycles.cycles.count == 1)
        #expect(try pids(circle) == [45, 47])
        #expect(circle.map(\.wait.lock.rawValue) == [0xffff_8880_0045_7ad0, 0xffff_8880_0045_7b88])
        #expect(circle.map(\.wait.lockClass) == [.mutex, .rwsem])
        #expect(try Set(cycles.victims(of: circle).map { try $0.task.pid }) == [49, 50])
        let taken = circle.compactMap { $0.holder.acquisition?.place.prefix { $0 != "+" } }
        #expect(taken == ["abba_file_splice_write", "abba_file_write_iter"])
    }

    @Test(
        "Every circle of the hanging dumps is found, with its tasks",
        arguments: [
            ("abba-kaslr.kdump", [44, 46]), ("ring3.kdump", [42, 43, 44]), ("self.kdump", [42]),
            ("flush.kdump", [20, 42]),
        ])
    func circles(dump: String, expected: [Int]) throws {
        let cycles = try cycles(dump)
        #expect(cycles.cycles.count == 1)
        #expect(try pids(try #require(cycles.cycles.first)) == expected)
        let finding = try #require(try findings(dump).first)
        #expect(finding.rule == "deadlock")
        #expect(finding.confidence == .certain)
        #expect(finding.contradictions.isEmpty)
    }

    @Test("Eight sleeping readers are found among fifty that gave the same locks back, and no other")
    func readers() throws {
        let model = try LockModel(try RealKernels.open("readers.kdump"))
        let holders = model.lockOrder.flatMap { model.holders(.rwsem, $0) }
        #expect(holders.allSatisfy { $0.grade == .checked && $0.isShared })
        let names = holders.compactMap { model.task($0.task).flatMap { try? $0.comm } }
        #expect(names.count == 8)
        #expect(names.allSatisfy { $0.hasPrefix("read-") })
    }

    @Test("A task in user mode that owns a mutex is guilty; one that waits itself is what all wait for")
    func blockers() throws {
        let guilty = try findings("kq-mutex.kdump")
        #expect(guilty.map(\.rule) == ["held-in-user-mode"])
        #expect(guilty.allSatisfy { $0.isFault })
        let keeper = try #require(try cycles("holder-waits.kdump").blockers.first)
        #expect(keeper.victims.count == 3)
        #expect(!keeper.activity.isGone)
        #expect(try findings("nlmgc-hang.kdump").map(\.isFault) == [true])
    }

    @Test(
        "Who sleeps for no time with a lock that others want is named although the kernel would wait longer, as possible"
    )
    func stuck() throws {
        let kept = try #require(try findings("holder-waits.kdump").first)
        #expect(kept.rule == "blocked")
        #expect(kept.isFault)
        #expect(kept.confidence == .possible)
        #expect(kept.summary.contains("keeper (42)"))
        #expect(kept.contradictions.count == 1)
    }

    @Test("A ring of waiters that was overwritten leads nowhere but to its lock, by the way round that is whole")
    func overwrittenRing() throws {
        let whole = try LockModel(try RealKernels.open("readers.kdump"))
        let queue = try #require(whole.lockOrder.max { whole.waiters($0).count < whole.waiters($1).count })
        #expect(whole.waiters(queue).count == 58)
        let node = try whole.kernel.model.object(.structure, "wait_queue_head", at: queue).path("head", "next")
            .pointer()
        let space = whole.kernel.model.space
        var nodes = [node]
        while nodes.count < 58 { nodes.append(VirtualAddress(try space.word(nodes[nodes.count - 1]))) }
        /// The waits for what the waiters of the queue are found to wait for, with these links changed.
        func waits(_ links: [(at: VirtualAddress, to: UInt64)]) throws -> [VirtualAddress] {
            let specimen = try RealKernels.specimen("readers.kdump")
            var memory = PatchedMemory(specimen.memory)
            for link in links { try memory.write(link.to, at: try space.translate(link.at)) }
            let damaged = try LockModel(
                try LinuxKernel(
                    opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
            )
            let tasks = Set(whole.waiters(queue).map(\.task.address))
            return damaged.waits.filter { tasks.contains($0.task.address) }.map(\.lock)
        }
        // The tenth waiter's link back leads to a place on a stack that is no waiter. He and the one before him have a
        // neighbour who does not know them: nobody says what they wait for.
        let back = (at: nodes[9].advanced(by: UInt64(8)), to: nodes[9].rawValue &+ 256)
        #expect(try waits([back]) == Array(repeating: queue, count: 56))
        // And the twentieth's link on: whoever stands between the two is cut off from both sides.
        let forth = (at: nodes[19], to: nodes[19].rawValue &+ 256)
        #expect(try waits([back, forth]) == Array(repeating: queue, count: 8 + 37))
    }

    @Test("A task that faulted where it took a mutex of freed memory waits for nobody, and the fault is the verdict")
    func freedMutex() throws {
        let kernel = try RealKernels.open("nlmgc-panic.kdump")
        let model = try LockModel(kernel)
        #expect(model.waits.allSatisfy { (try? $0.task.comm) != "nlm_gc" })
        #expect(try findings("nlmgc-panic.kdump").isEmpty)
        // The mutex lies where slab's poison for freed objects is.
        #expect(model.lock(.mutex, VirtualAddress(0xffff_96a8_0046_e6a0)).owner == .unknown)
    }

    @Test("Times in sentences have three digits or so")
    func spans() {
        #expect(span(153_000_000) == "0.15 s")
        #expect(span(9_999_999) == "0.00 s")
        #expect(span(3_154_000_000) == "3.1 s")
        #expect(span(245_000_000_000) == "4 min 5 s")
        #expect(span(7_620_000_000_000) == "2 h 7 min")
        #expect(span(UInt64.max) == "213503 d 23 h")
    }

    @Test(
        "Innocent dumps have no circle and no fault",
        arguments: [
            "plain.elf", "plain-panic.kdump", "plain-novmcoreinfo.elf", "refleak.kdump", "uaf.kdump",
        ])
    func innocent(dump: String) throws {
        #expect(try cycles(dump).cycles.isEmpty)
        #expect(try findings(dump).filter(\.isFault).isEmpty)
    }

    @Test("The structure on the stack that tells of a wait names the task")
    func waiter() throws {
        let whole = try LockModel(try RealKernels.open("self.kdump"))
        let wait = try #require(whole.waits.first { $0.lockClass == .mutex })
        guard case .waiter(let waiter, let type, let member) = wait.proof else {
            Issue.record("the proof is no waiter")
            return
        }
        #expect(type == "mutex_waiter")
        #expect(member == "task")
        #expect(try whole.kernel.model.space.word(waiter.advanced(by: UInt64(16))) == wait.task.address.rawValue)
    }

    @Test("A word before a lock's waiter that happens to name the task makes it no waiter of a swait queue")
    func chance() throws {
        var dump = try DoctoredKernel("abba.kdump")
        let wait = try #require(try LockModel(dump.kernel).waits.first { $0.lockClass == .rwsem })
        guard case .waiter(let waiter, _, _) = wait.proof else {
            Issue.record("the proof is no waiter")
            return
        }
        let before = VirtualAddress(waiter.rawValue &- 8)
        // A word of the frame itself, not the address to which a function that was called returns.
        let old = try dump.kernel.model.space.word(before)
        #expect(dump.kernel.model.symbols.symbol(covering: VirtualAddress(old)) == nil)
        try dump.write(wait.task.address.rawValue, at: before)
        let specimen = try RealKernels.specimen("abba.kdump")
        let changed = try LinuxKernel(
            opening: Specimen(memory: dump.memory, facts: specimen.facts, files: NoSymbolFiles()), journal: Journal())
        let waits = try LockModel(changed).waits.filter { $0.task.address == wait.task.address }
        #expect(waits.map(\.lockClass.name) == ["rwsem"])
        #expect(waits.map(\.lock) == [wait.lock])
    }

    @Test("A lock within a super block is called by its member")
    func superBlock() throws {
        let kernel = try RealKernels.open("abba.kdump")
        let head = try Globals.structure(kernel.model, "super_blocks", "list_head")
        var first: Value?
        try ListWalk.entries(head, "super_block", "s_list", anomaly: { _ in }) { first = first ?? $0 }
        let block = try #require(first)
        let names = LockNames(kernel, [])
        let rename = try #require(names.name(.mutex, try block["s_vfs_rename_mutex"].address))
        #expect(rename.hasPrefix("super_block->s_vfs_rename_mutex of "))
        let mount = try #require(names.name(.rwsem, try block["s_umount"].address))
        #expect(mount.hasPrefix("super_block->s_umount of "))
    }
}

// What CPUs spin for, against what the guests' consoles say, and with the same dump's words changed.

import Analysis
import Bytes
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

/// kq-spin: reaper spins on CPU 1 for the spinlock with which watch went back to user mode on CPU 0.
@Suite(.enabled(if: RealDumps.names.contains("kq-spin.flat"), Comment(rawValue: RealDumps.comment)))
struct SpinTests {
    private static let lock = VirtualAddress(0xffff_9bfb_8022_cdf8)

    /// The dump with words changed; `half`: only the lower four bytes.
    private func kernel(_ words: [(address: VirtualAddress, value: UInt64, isHalf: Bool)]) throws -> LinuxKernel {
        let whole = try RealKernels.open("kq-spin.flat")
        let specimen = try RealKernels.specimen("kq-spin.flat")
        var memory = PatchedMemory(specimen.memory)
        for word in words {
            let start = VirtualAddress(word.address.rawValue & ~7)
            let shift = (word.address.rawValue & 7) * 8
            var value = word.value
            if word.isHalf {
                let old = try whole.model.space.word(start)
                value = old & ~(0xffff_ffff << shift) | (value & 0xffff_ffff) << shift
            }
            try memory.write(value, at: try whole.model.space.translate(start))
        }
        return try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
    }

    private func count(_ value: UInt64, cpu: Int = 0) throws -> (address: VirtualAddress, value: UInt64, isHalf: Bool) {
        let whole = try RealKernels.open("kq-spin.flat")
        return (try whole.model.perCPUVariable("__preempt_count", cpu: cpu).address, value, true)
    }

    private func wait(_ kernel: LinuxKernel) throws -> (model: LockModel, wait: Wait?) {
        let model = try LockModel(kernel)
        return (model, model.waits.first { (try? $0.task.pid) == 45 })
    }

    @Test("A CPU that a watchdog's panic interrupted spins for the lock that its function was given")
    func spins() throws {
        let (model, found) = try wait(RealKernels.open("kq-spin.flat"))
        let wait = try #require(found)
        #expect(wait.lockClass == .spinlock && wait.lock == Self.lock)
        #expect(model.place(of: wait)?.hasPrefix("proc_to_reap") == true)
        // No function on a stack took it, and this kernel does not count locks.
        #expect(model.holders(.spinlock, Self.lock).isEmpty)
        #expect(WaitCycles(model).cycles.isEmpty)
    }

    @Test("A lock that is free is not waited for, whatever function the CPU stands in")
    func free() throws {
        #expect(try wait(kernel([(Self.lock, 0, true)])).wait == nil)
    }

    @Test("A task in user mode whose CPU counts one lock has it; with two of them each may")
    func leftInUserMode() throws {
        let changed = try kernel([count(0x8000_0001)])
        let holders = try LockModel(changed).holders(.spinlock, Self.lock)
        #expect(holders.map(\.grade) == [.checked])
        #expect(try PreemptCount.leftInUserMode(changed).map { try $0.task.pid } == [41])
        let finding = try #require(
            Examination(changed).faults.first { $0.rule == "atomic-in-user-mode" })
        #expect(finding.confidence == .certain && finding.parties.contains("task 41 (watch)"))
        let two = try kernel([count(0x8000_0002)])
        #expect(try LockModel(two).holders(.spinlock, Self.lock).map(\.grade) == [.possible])
        // The other CPU is in the kernel: its count is its own affair.
        #expect(try PreemptCount.leftInUserMode(kernel([count(0x8000_0001, cpu: 1)])).isEmpty)
    }

    @Test("The lockup names the lock, and that nobody is seen to have taken it")
    func lockup() throws {
        let found = try #require(
            Examination(RealKernels.open("kq-spin.flat")).faults.first { $0.rule == "soft-lockup" })
        #expect(found.summary.contains("spins for spinlock \(Self.lock)"))
        #expect(found.summary.contains("no function on a stack"))
        #expect(found.parties.contains { $0.hasSuffix(": held") })
    }

    @Test("The queue of a spinlock is told from its first CPU to the one that its word names")
    func queue() throws {
        let whole = try RealKernels.open("kq-spin.flat")
        func node(_ cpu: Int, _ index: Int64) throws -> VirtualAddress {
            try whole.model.perCPUVariable("qnodes", cpu: cpu).element(index).address
        }
        // CPU 1's second node is the last; CPU 0's first one leads to it.
        let changed = try kernel([(try node(0, 0), try node(1, 1).rawValue, false)])
        #expect(SpinQueue.cpus(2 << 18 | 1 << 16 | 1, changed) == [0, 1])
        #expect(SpinQueue.cpus(2 << 18 | 1 << 16 | 1, whole) == [1])
        #expect(SpinQueue.cpus(1, whole).isEmpty)
        // A ring of nodes ends.
        let ring = try kernel([
            (try node(0, 0), try node(1, 1).rawValue, false), (try node(1, 1), try node(0, 0).rawValue, false),
        ])
        #expect(SpinQueue.cpus(2 << 18 | 1 << 16 | 1, ring).count <= 3)
    }

    @Test("What the words of spinning locks say")
    func words() throws {
        func state(_ lockClass: LockClass, _ value: UInt64) throws -> LockState {
            let changed = try kernel([(Self.lock, value, true)])
            return lockClass.read(
                LockFields(kernel: changed, typeName: lockClass.typeName, address: Self.lock) { _ in false })
        }
        #expect(try state(.spinlock, 0).owner == .free)
        #expect(try state(.spinlock, 1).owner == .somebody)
        #expect(try state(.spinlock, 0x101).text == "held; one CPU is next")
        #expect(try state(.rwlock, 0).owner == .free)
        #expect(try state(.rwlock, 0xff).owner == .somebody)
        #expect(try state(.rwlock, 0x600).owner == .readers(3))
        #expect(try state(.rwlock, 0x700).text == "read by 3; a writer is next")
        #expect(try state(.seqcount, 6).owner == .free)
        #expect(try state(.seqcount, 7).owner == .somebody)
    }

    @Test("The kernel's own report names the task, whatever its name is made of")
    func report() throws {
        let report = try #require(AtomicSleepLog.Report(line: "BUG: scheduling while atomic: a/b/c/96/0x00000002"))
        #expect(report.comm == "a/b/c" && report.pid == 96)
        #expect(AtomicSleepLog.Report(line: "BUG: scheduling while atomic: watch") == nil)
        #expect(AtomicSleepLog.Report(line: "BUG: scheduling while atomic: watch/x/0x2") == nil)
        #expect(AtomicSleepLog.Report(line: "watch: BUG: scheduling while atomic: watch/9/0x2") == nil)
    }
}

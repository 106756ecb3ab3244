// What spins and who has it, on stock kernels: against what each guest wrote down of itself.

import Analysis
import Bytes
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: LabDumps.arePresent, LabDumps.comment))
struct SpinLabTests {
    private static let circles = LabDumps.present([
        "hang-abspin-6.1", "hang-abspin-6.12", "hang-lock-spin-6.1", "hang-lock-spin-bare-6.1",
        "hang-lock-spin-bare-6.12", "hang-lock-rwlock-6.1",
    ])

    @Test("Two CPUs that spin for each other's locks are a circle, from the dump alone", arguments: circles)
    func circle(name: String) throws {
        let kernel = try LabDumps.open(name)
        let cycles = WaitCycles(try LockModel(kernel))
        #expect(cycles.cycles.map(\.count) == [2])
        let steps = cycles.cycles.joined()
        #expect(steps.allSatisfy { $0.wait.lockClass == (name.contains("rwlock") ? .rwlock : .spinlock) })
        #expect(steps.allSatisfy { $0.holder.grade <= .checked && $0.holder.acquisition != nil })
        let comms = try Set(steps.map { try $0.wait.task.comm })
        #expect(comms == (name.contains("abspin") ? ["abspin/ab", "abspin/ba"] : ["left", "right"]))
        let faults = Examination(kernel).faults
        #expect(faults.map(\.rule) == ["deadlock"] && faults.map(\.confidence) == [.certain])
    }

    private static let queued = LabDumps.present(["hang-lock-spin-bare-6.1", "hang-lock-spin-bare-6.12"])

    @Test("Without a hypervisor CPUs queue: the lock tells the one that comes behind the next", arguments: queued)
    func queue(name: String) throws {
        let model = try LockModel(try LabDumps.open(name))
        let victim = try #require(model.waits.first { (try? $0.task.comm) == "victim-a" })
        let lock = model.lock(.spinlock, victim.lock)
        #expect(lock.state == "held; one CPU is next; in its queue, the next first: CPU 2")
    }

    private static let odd = LabDumps.present(["hang-mixed-seq-6.1"])

    @Test("A counter that was left odd has a reader that waits for ever, and no writer", arguments: odd)
    func leftOdd(name: String) throws {
        let kernel = try LabDumps.open(name)
        let wait = try #require(try LockModel(kernel).waits.first { $0.lockClass == .seqcount })
        #expect(try wait.task.comm == "right")
        #expect(Examination(kernel).faults.map(\.rule) == ["seqcount-left-odd"])
    }

    private static let atomic = LabDumps.present(["hang-kq-atomic-6.1", "hang-kq-spin-6.1", "hang-kq-spin-6.12"])

    @Test("The kernel's report of a task that it switched out with a lock is a finding", arguments: atomic)
    func reported(name: String) throws {
        let kernel = try LabDumps.open(name)
        let finding = try #require(Examination(kernel).faults.first { $0.rule == "scheduling-while-atomic" })
        #expect(finding.parties.first?.hasPrefix("watch (") == true)
        guard name.contains("kq-spin") else { return }
        let model = try LockModel(kernel)
        let wait = try #require(model.waits.first { $0.lockClass == .spinlock })
        // Nothing but the report speaks for it.
        #expect(model.holders(.spinlock, wait.lock).map(\.grade) == [.possible])
    }

    private static let asleep = LabDumps.present(["extra-sleepatomic-6.1"])

    @Test("A task that sleeps with a spinlock that its function took is named with the lock", arguments: asleep)
    func sleeps(name: String) throws {
        let faults = Examination(try LabDumps.open(name)).faults.filter { $0.rule == "scheduling-while-atomic" }
        let finding = try #require(faults.first)
        #expect(finding.summary.hasPrefix("sleeper (131) sleeps") && finding.summary.contains("lock_a"))
        #expect(finding.confidence == .certain && finding.parties.first?.contains("sleep_in_atomic") == true)
        // All that went before, in one.
        #expect(faults.count == 2)
    }

    private static let innocent = LabDumps.present(
        ["innocent-fair-spin-6.1", "innocent-fair-spin-bare-6.1", "innocent-fair-all-6.1", "innocent-fair-all-6.12"]
            + (1...10).flatMap { ["innocent-load-6.1-\($0)", "innocent-load-6.12-\($0)"] })

    @Test(
        "Short spins accuse nobody, and no task that sleeps is taken for one that holds a spinlock", arguments: innocent
    )
    func short(name: String) throws {
        let kernel = try LabDumps.open(name)
        #expect(Examination(kernel).faults.isEmpty)
        let model = try LockModel(kernel)
        for task in model.tasks where !model.isOnCPU(task) {
            let held = model.held(by: task, deep: true).filter { taken in
                guard taken.isCertain, let lockClass = LockClass(named: taken.group), lockClass.holdersRun else {
                    return false
                }
                return model.lock(lockClass, taken.lock).owner != .free
            }
            #expect(held.isEmpty, "\(model.title(task.address)): \(held.map(\.place))")
        }
    }

    private static let seqlocks = LabDumps.present(["innocent-load-6.1-7"])

    @Test("The writer of a seqlock is the one that has its spinlock", arguments: seqlocks)
    func writer(name: String) throws {
        let model = try LockModel(try LabDumps.open(name))
        let wait = try #require(model.waits.first { $0.lockClass == .seqcount })
        let holder = try #require(model.holders(.seqcount, wait.lock).first)
        #expect(holder.acquisition?.place.hasPrefix("d_move") == true)
        #expect(try model.task(holder.task)?.comm == "ext-2")
    }
}

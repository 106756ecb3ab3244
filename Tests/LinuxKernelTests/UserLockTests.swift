// What processes share: futexes and file locks; and locks of the kernel that went along to user mode.

import Analysis
import Bytes
import Capabilities
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.names.contains("holder-waits.kdump"), Comment(rawValue: RealDumps.comment)))
struct UserLockTests {
    private func names(_ model: LockModel, _ waits: [Wait]) -> [String] {
        waits.compactMap { try? $0.task.comm }.sorted()
    }

    @Test("Threads that wait for a mutex of their process lead to the thread that has it, and that is nothing wrong")
    func mutex() throws {
        let kernel = try RealKernels.open("plain.elf")
        let model = try LockModel(kernel)
        let waits = model.waits.filter { $0.lockClass == .futex }
        #expect(names(model, waits) == ["worker/0", "worker/3"])
        #expect(Set(waits.map(\.lock)).count == 1)
        for wait in waits {
            let holder = try #require(wait.holder)
            #expect(try model.task(holder.task)?.comm == "pooled")
            #expect(holder.grade == .derived)
        }
        #expect(Examination(kernel).faults.isEmpty)
    }

    @Test("Without the page of the futex it is known that they wait, and not for whom")
    func unread() throws {
        let whole = try RealKernels.open("plain.elf")
        let wait = try #require(try LockModel(whole).waits.first { $0.lockClass == .futex })
        let user = try #require(whole.capability((any UserMemorySource).self)).userSpace(pid: try wait.task.pid)
        let specimen = try RealKernels.specimen("plain.elf")
        var memory = PatchedMemory(specimen.memory)
        memory.leaveOut(try user.translate(wait.lock))
        let kernel = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
        let waits = try LockModel(kernel).waits.filter { $0.lockClass == .futex }
        #expect(waits.count == 2 && waits.allSatisfy { $0.holder == nil })
        #expect(!(try WaitCycles(LockModel(kernel)).blockers).contains { $0.locks.contains(wait.lock) })
    }

    /// holder-waits with another owner of the mutex; `isOld`: one that was there before all others.
    private func changed(isOld: Bool = false, owner: (LinuxKernel, LockModel) throws -> Task) throws -> (
        kernel: LinuxKernel, owner: Task
    ) {
        let specimen = try RealKernels.specimen("holder-waits.kdump")
        let whole = try RealKernels.open("holder-waits.kdump")
        let model = try LockModel(whole)
        let wait = try #require(model.waits.first { $0.lockClass == .mutex })
        let task = try owner(whole, model)
        var memory = PatchedMemory(specimen.memory)
        let word = try whole.model.object(.structure, "mutex", at: wait.lock)["owner"]["counter"].address
        // MUTEX_FLAG_WAITERS
        if isOld { try memory.write(1, at: whole.target.space.translate(task.value["start_time"].address)) }
        try memory.write(task.address.rawValue | 1, at: whole.target.space.translate(word))
        let kernel = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
        return (kernel, task)
    }

    @Test("A mutex whose owner sleeps in a system call that took none went along to user mode")
    func userMode() throws {
        let (kernel, owner) = try changed(isOld: true) { kernel, _ in
            try #require(try kernel.tasks().tasks.first { try $0.comm == "sleep" })
        }
        let finding = try #require(Examination(kernel).faults.first)
        #expect(finding.rule == "held-in-user-mode", "\(finding.summary) \(finding.contradictions)")
        #expect(finding.confidence == .certain)
        #expect(try finding.summary.hasPrefix("sleep (\(owner.pid)) went back to user mode with mutex"))
    }

    @Test("An owner that began after others had begun to wait is another task than the one that took the mutex")
    func younger() throws {
        let (kernel, owner) = try changed { kernel, model in
            let longest = model.waits.filter { $0.lockClass == .mutex }.compactMap(\.since).max() ?? 0
            let now = try #require(KernelTime.monotonic(kernel))
            return try #require(
                try kernel.tasks().tasks.last {
                    try $0.memory != nil && $0.value["start_time"].unsigned() > now - longest && $0.state.letter == "S"
                })
        }
        let finding = try #require(Examination(kernel).faults.first)
        #expect(finding.rule == "exited-owner")
        #expect(try finding.summary.contains("is now that of \(owner.comm) (\(owner.pid))"))
    }

    @Test("A mutex that a kernel thread owns has not gone to user mode")
    func kernelThread() throws {
        let (kernel, _) = try changed { kernel, _ in
            try #require(
                try kernel.tasks().tasks.first { try $0.isKernelThread && $0.state.letter == "S" })
        }
        #expect(!Examination(kernel).faults.contains { $0.rule == "held-in-user-mode" })
    }
}

@Suite(.enabled(if: LabDumps.arePresent, LabDumps.comment))
struct LabLockTests {
    private func circles(_ dump: String) throws -> [[WaitStep]] {
        WaitCycles(try LockModel(try LabDumps.open(dump))).cycles
    }

    @Test(
        "Tasks that wait for each other by what processes share are a circle",
        arguments: [
            ("hang-futexes-6.1", "futex", ["futex-left", "futex-right"]),
            ("hang-flocks-6.1", "file lock", ["left", "right"]), ("hang-lock-ww-6.1", "ww_mutex", ["left", "right"]),
        ])
    func circle(dump: String, lockClass: String, tasks: [String]) throws {
        let circles = try circles(dump)
        let circle = try #require(circles.first)
        #expect(circles.count == 1)
        #expect(circle.map(\.wait.lockClass.name) == [lockClass, lockClass])
        #expect(try circle.map { try $0.wait.task.comm }.sorted() == tasks)
    }

    @Test("A wait queue with a list before it is no file lock")
    func waitQueue() throws {
        let model = try LockModel(try LabDumps.open("hang-holder-waits-6.1"))
        let wait = try #require(try model.waits.first { try $0.task.comm == "keeper" })
        #expect(wait.lockClass == .waitQueue)
    }

    @Test("A futex that hands on priorities has the owner that the kernel knows")
    func inherited() throws {
        let model = try LockModel(try LabDumps.open("hang-futexes-pi-6.1"))
        let wait = try #require(try model.waits.first { try $0.task.comm == "futex-right" })
        let holder = try #require(wait.holder)
        #expect(wait.lockClass == .futex && wait.lock.rawValue == 0x4c7420 && holder.grade == .exact)
        #expect(try model.task(holder.task)?.comm == "futex-left")
    }

    @Test("An owner that sleeps in a later system call is named, and for certain")
    func userMode() throws {
        let faults = Examination(try LabDumps.open("hang-holder-user-6.1")).faults
        #expect(faults.map(\.rule) == ["held-in-user-mode"] && faults.map(\.confidence) == [.certain])
        #expect(faults.first?.summary.hasPrefix("leaver (98) ") == true)
    }
}

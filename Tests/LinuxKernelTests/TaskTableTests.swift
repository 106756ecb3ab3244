// Tasks are enumerated twice; what one enumeration lacks is told by its pid.

import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, "needs the real dumps: run scripts/fixtures"))
struct TaskTableTests {
    /// A kernel on a copy of a dump's memory that `change` was applied to.
    private func changed(
        _ name: String, _ change: (LinuxKernel, inout PatchedMemory) throws -> Void
    ) throws -> LinuxKernel {
        let specimen = try RealKernels.specimen(name)
        var memory = PatchedMemory(specimen.memory)
        try change(try RealKernels.open(name), &memory)
        return try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: NoSymbolFiles()), journal: Journal())
    }

    private func task(_ pid: Int, _ kernel: LinuxKernel) throws -> Task {
        try #require(try kernel.tasks().tasks.first { (try? $0.pid) == pid })
    }

    @Test("a healthy kernel's two enumerations agree") func healthy() throws {
        for name in RealDumps.names {
            let table = try RealKernels.open(name).tasks()
            #expect(table.disagreements.isEmpty, "\(name)")
            #expect(table.anomalies.isEmpty, "\(name)")
            #expect(table.tasks.count > 30, "\(name)")
        }
    }

    @Test("a task unlinked from the task list is still shown, and its pid is named") func unlinked() throws {
        let kernel = try changed("abba.kdump") { kernel, memory in
            let links = try task(45, kernel).value["tasks"]
            let space = kernel.target.space
            let next = try links["next"].pointer()
            let previous = try links["prev"].pointer()
            try memory.write(next.rawValue, at: try space.translate(previous))
            try memory.write(previous.rawValue, at: try space.translate(next.advanced(by: UInt64(8))))
        }
        let table = try kernel.tasks()
        #expect(table.tasks.count == 36)
        #expect(table.disagreements.map(\.pid) == [45])
        #expect(table.disagreements[0].text.contains("is in the pid IDR and not on the task list"))
    }

    @Test("a task whose pid was taken out of the IDR is still shown, and its pid is named") func withoutPID() throws {
        let kernel = try changed("abba.kdump") { kernel, memory in
            // struct pid.tasks[PIDTYPE_PID].first = NULL: nobody has this pid.
            let pid = try task(47, kernel).value["thread_pid"].pointee()
            let first = try pid["tasks"].element(0)["first"].address
            try memory.write(0, at: try kernel.target.space.translate(first))
        }
        let table = try kernel.tasks()
        #expect(table.tasks.count == 36)
        #expect(table.disagreements.map(\.pid) == [47])
        #expect(table.disagreements[0].text.contains("is on the task list and not in the pid IDR"))
    }

    @Test("a task list that loops ends, and says where") func cycle() throws {
        let kernel = try changed("abba.kdump") { kernel, memory in
            let first = try task(2, kernel).value["tasks"].address
            let later = try task(20, kernel).value["tasks"].address
            try memory.write(first.rawValue, at: try kernel.target.space.translate(later))
        }
        let table = try kernel.tasks()
        #expect(table.tasks.count == 36)
        #expect(table.anomalies.contains { $0.description.contains("without meeting its head") })
        #expect(!table.disagreements.isEmpty)
    }

    @Test("a page of task structures that is missing loses those tasks only, and says so") func missingPage() throws {
        let kernel = try changed("abba.kdump") { kernel, memory in
            let space = kernel.target.space
            memory.leaveOut(try space.translate(try task(45, kernel).value["tasks"].address))
        }
        let table = try kernel.tasks()
        #expect(!table.anomalies.isEmpty)
        #expect(table.tasks.count >= 30)
    }
}

@Suite(.enabled(if: RealDumps.arePresent, "needs the real dumps: run scripts/fixtures"))
struct MissingStackTests {
    @Test("the stacks whose pages are gone are exactly those that the report lists") func threeStacks() throws {
        let healthy = try RealKernels.open("abba.kdump")
        let specimen = try RealKernels.specimen("abba.kdump")
        var memory = PatchedMemory(specimen.memory)
        for pid in [45, 47, 49] {
            let task = try #require(try healthy.tasks().tasks.first { (try? $0.pid) == pid })
            let stack = try task.stack
            for page in UInt64(0)..<4 {
                memory.leaveOut(try healthy.target.space.translate(stack.advanced(by: page * 4096)))
            }
        }
        let kernel = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: NoSymbolFiles()), journal: Journal())
        let lines = try CommandText.lines("report", kernel)
        let completeness = lines.drop { $0 != "COMPLETENESS" }
        let gone = completeness.filter { $0.contains("the stack of task") }
        #expect(gone.count == 3)
        for name in ["45 (ruby)", "47 (ruby-copy)", "49 (rm)"] {
            #expect(gone.contains { $0.contains("the stack of task \(name)") && $0.contains("left out of the dump") })
        }
        #expect(completeness.filter { $0.contains("unreadable") }.count == 3)
    }
}

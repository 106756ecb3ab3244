// A kernel without BTF and without a symbol file: what is lost is said, and the rest is the same.

import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing
import Unwind

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct NoTypesTests {
    /// The kernel of a dump in which the BTF has no header any more.
    private func open(_ name: String, _ journal: Journal = Journal()) throws -> (whole: LinuxKernel, bare: LinuxKernel)
    {
        let whole = try RealKernels.open(name)
        let specimen = try RealKernels.specimen(name)
        var memory = PatchedMemory(specimen.memory)
        let start = try #require(whole.model.symbols.symbol(named: "__start_BTF")?.address)
        try memory.write(0, at: try whole.target.space.translate(start))
        let bare = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: NoSymbolFiles()), journal: journal)
        return (whole, bare)
    }

    @Test("the log is read by what VMCOREINFO says of it", arguments: ["plain-panic.kdump", "abba-kaslr.kdump"])
    func log(name: String) throws {
        let (whole, bare) = try open(name)
        let (ours, theirs) = (try KernelLog(bare.model), try KernelLog(whole.model))
        #expect(ours.records.count > 100)
        #expect(ours.records == theirs.records)
        #expect(ours.records.map(\.level) == theirs.records.map(\.level))
        #expect(ours.records.map(\.facility) == theirs.records.map(\.facility))
        #expect(ours.anomalies.isEmpty)
    }

    @Test("the stacks of the CPUs are followed by ORC, whose entries tell their layout")
    func stacks() throws {
        let (whole, bare) = try open("plain-panic.kdump")
        let (ours, theirs) = (StackReader(bare), StackReader(whole))
        #expect(bare.states.count == 2)
        let known = try whole.cpus.cpus.map { try theirs.stack(of: $0).stack.frames.map(\.programCounter) }
        let found = bare.states.enumerated().map {
            ours.stack(of: $1, number: $0).stack.frames.map(\.programCounter)
        }
        #expect(Set(found) == Set(known))
        #expect(found.contains { $0.count > 5 })
    }

    @Test("nothing is said to be right that could not be looked at, and the remedy is named")
    func verdict() throws {
        let journal = Journal()
        let (_, bare) = try open("abba-kaslr.kdump", journal)
        let examination = Examination(bare)
        #expect(examination.outcome == .cannotTell)
        #expect(journal.remarks.contains { $0.hasPrefix("types are unknown") && $0.contains("vmlinux") })
        #expect(bare.cpus.failure?.contains("-s FILE") == true)
        #expect(bare.modules.failure?.contains("-s FILE") == true)
        #expect(throws: ValueError.self) { try bare.tasks() }
        #expect(bare.cpus.possible == [0, 1])
        #expect(
            (try? Identity(bare).version.get())
                == (try? Identity(try RealKernels.open("abba-kaslr.kdump")).version.get()))
    }
}

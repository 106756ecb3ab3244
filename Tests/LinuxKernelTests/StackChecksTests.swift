// What is checked of stacks: return addresses, the log's own traces, which note is which CPU's, the memory of frames.

import Bytes
import DebugModel
import FixtureKit
import Machine
import Memory
import Pipeline
import Target
import Testing
import Unwind

@testable import LinuxKernel

private let files = ["\(RealDumps.symbols)/vmlinux", "\(RealDumps.symbols)/modules"]

@Suite(.enabled(if: RealDumps.arePresent, "\(RealDumps.comment)")) struct StackChecksTests {
    @Test("every return address of every stack follows a call, but where the kernel starts", arguments: RealDumps.names)
    func returnAddresses(name: String) throws {
        let kernel = try RealKernels.open(name)
        let reader = StackReader(kernel)
        var checked = 0
        for task in try kernel.tasks().tasks + kernel.cpus.cpus.map({ try $0.idle }) {
            guard let stack = try? reader.stack(of: task) else { continue }
            checked += stack.stack.frames.filter(\.isReturnAddress).count
            for index in stack.suspects {
                let name = kernel.model.symbols.describe(stack.stack.frames[index].lookupAddress) ?? "?"
                // The entry code pushes an address and returns to it.
                #expect(name.hasPrefix("secondary_startup_64") || name.hasPrefix("start_kernel"), "\(name)")
            }
        }
        #expect(checked > 100)
    }

    @Test func anAddressThatNoCallStandsBeforeIsMarked() throws {
        let name = try #require(RealDumps.names.first)
        let whole = try RealKernels.open(name)
        let task = try #require(
            try whole.tasks().tasks.first { task in
                guard let stack = try? StackReader(whole).stack(of: task), case .switchedOut = stack.origin else {
                    return false
                }
                return stack.stack.frames.count > 4
            })
        let stack = try StackReader(whole).stack(of: task)
        // The second frame's return address, moved by one byte into the instruction behind the call.
        let slot = try #require(stack.stack.frames[1].saved[X86_64.rip])
        var doctored = try DoctoredKernel(name)
        try doctored.write(stack.stack.frames[2].programCounter.rawValue + 1, at: slot)
        let addresses = ReturnAddresses(doctored.target)
        let wrong = stack.stack.frames[2].programCounter.advanced(by: UInt64(1))
        #expect(try doctored.target.space.word(slot) == wrong.rawValue)
        #expect(addresses.followsCall(wrong) == false)
        #expect(addresses.followsCall(stack.stack.frames[2].programCounter) == true)
        #expect(addresses.followsCall(VirtualAddress(0xdead_0000_0000_0000)) == nil)
    }

    @Test("a panicked task's stack is the one that the kernel printed", arguments: RealDumps.names)
    func trace(name: String) throws {
        let kernel = try RealKernels.open(name)
        guard let cpu = kernel.panicCPU else { return }
        let stack = try StackReader(kernel).stack(of: cpu)
        let pid = try stack.task.pid
        let traces = try KernelLog(kernel.model).traces
        guard let trace = traces.last(where: { $0.pid == pid && !$0.entries.isEmpty }) else { return }
        let frames = StackListing(stack, kernel.model).frames
        guard case .agrees(let count) = TraceAgreement.compare(frames, with: trace, kernel.model) else {
            Issue.record("\(name): \(TraceAgreement.compare(frames, with: trace, kernel.model))")
            return
        }
        #expect(count >= 3)
        // A trace that differs in one entry near its outermost end does not pass.
        var other = trace
        let last = other.entries.count - 2
        other.entries[last] = LogTrace.Entry(symbol: "nobody", offset: 1)
        guard case .differs = TraceAgreement.compare(frames, with: other, kernel.model) else {
            Issue.record("\(name): a trace with another function agrees")
            return
        }
    }

    @Test func tracesAreReadWithTheirTaskAndWithoutWhatIsUnreliable() throws {
        let name = try #require(RealDumps.those(["kq-spin.flat", "plain-panic.kdump"]).first)
        let traces = try KernelLog(RealKernels.open(name).model).traces
        #expect(!traces.isEmpty)
        for trace in traces { #expect(!trace.entries.contains { $0.symbol.hasPrefix("?") || $0.symbol.contains(" ") }) }
        #expect(traces.contains { $0.entries.contains { $0.symbol.hasPrefix("entry_SYSCALL_64") } })
    }

    @Test(
        "notes belong to CPUs by what they hold, whatever their order",
        arguments: RealDumps.those(["uaf.kdump", "ring3.kdump", "kq-spin.flat"]))
    func notes(name: String) throws {
        let whole = try RealKernels.open(name)
        let specimen = try RealKernels.specimen(name)
        func open(_ change: (inout [RawNote]) -> Void) throws -> LinuxKernel {
            var facts = specimen.facts
            change(&facts.notes)
            return try LinuxKernel(
                opening: Specimen(memory: specimen.memory, facts: facts, files: NoSymbolFiles()), journal: Journal())
        }
        // Reversed, with QEMU's notes and, as kexec has them, without: then the stack pointers alone can tell.
        let reversed = try open { $0.reverse() }
        let plain = try open { notes in
            notes.removeAll { $0.name == "QEMU" }
            notes.reverse()
        }
        for cpu in whole.cpus.cpus {
            let right = try #require(whole.state(of: cpu))
            #expect(reversed.state(of: cpu)?.registers == right.registers, "CPU \(cpu.number)")
            // A CPU in user mode tells nothing but a pid, which QEMU does not write.
            guard right.isUserMode != true, let found = plain.state(of: cpu) else { continue }
            #expect(found.registers[X86_64.rip] == right.registers[X86_64.rip], "CPU \(cpu.number) by its stack")
        }
        #expect(whole.cpus.cpus.contains { plain.state(of: $0) != nil })
    }
}

@Suite(.enabled(if: RealDumps.hasSymbols, "\(RealDumps.symbolsComment)")) struct FrameCommandsTests {
    /// Lines in one session.
    private struct Typed {
        let context: Context

        init(_ kernel: LinuxKernel) {
            context = Context(
                kernel: kernel, catalog: Catalog([LinuxCommands.all]), gaps: Gaps(), journal: Journal())
        }

        func callAsFunction(_ line: String) throws -> [String] {
            var lines: [String] = []
            let outcome = Engine.run(line: line, context: context) { datum in
                if case .record(let record) = datum, case .block(let block) = record.presentation { lines += block }
            }
            if case .failed(let why) = outcome { throw CommandError(why.description) }
            return lines
        }
    }

    @Test func aFrameIsChosenAndKept() throws {
        let type = Typed(try RealKernels.open("uaf.kdump", given: files))
        #expect(try type("set").contains { $0.contains("PID: 41") })
        #expect(try type("frame 6").first?.contains("__list_del_entry_valid+0x2f") == true)
        #expect(try type("regs").contains { $0.contains("RCX: 3f3f3f3f3f3f3f3f") })
        #expect(try type("regs -p").contains { $0.contains("RCX: 3f3f3f3f3f3f3f3f") })
        #expect(try type("up").first?.hasPrefix(" #7") == true)
        #expect(try type("down 2").first?.hasPrefix(" #5") == true)
        #expect(try type("down 100").first?.hasPrefix(" #0") == true)
        #expect(try type("up 100").first?.contains("ret_from_fork") == true)
        #expect(throws: (any Error).self) { try type("frame 99") }
        #expect(try type("set 1").contains { $0.contains("PID: 1") })
        #expect(try type("frame").first?.hasPrefix(" #0") == true)
        #expect(try type("bt").first?.hasPrefix("PID: 1 ") == true)
        #expect(try type("set -p").contains { $0.contains("(PANIC)") })
        #expect(throws: (any Error).self) { try type("set 99999") }
        #expect(throws: (any Error).self) { try type("regs -c 77") }
    }

    @Test func theMemoryOfFramesIsAnnotated() throws {
        let type = Typed(try RealKernels.open("uaf.kdump", given: files))
        let lines = try type("bt -f")
        #expect(lines.contains { $0.contains("return address: panic+0x296") })
        #expect(lines.contains { $0.contains("pt_regs.ip: __list_del_entry_valid+0x2f") })
        #expect(lines.contains { $0.contains("pt_regs.orig_ax") })
        #expect(lines.contains { $0.contains("the task's stack canary") })
        #expect(lines.contains { $0.contains("rbx of #10") && $0.contains("slab") })
        // A call that does not return is the last instruction of its function.
        #expect(lines.contains { $0.contains("return address: oops_end.cold+0x18") })
        // Every frame's memory ends where the next one's begins, but for what the processor skips to align its own.
        let words = lines.filter { $0.hasPrefix("    ffffa951c011") }
            .compactMap { UInt64($0.dropFirst(4).prefix(16), radix: 16) }
        #expect(words.count > 80)
        #expect(zip(words, words.dropFirst()).allSatisfy { $1 > $0 && $1 <= $0 + 16 })
    }

    @Test func linesStandBelowTheirFramesWhenAskedFor() throws {
        let type = Typed(try RealKernels.open("uaf.kdump", given: files))
        #expect(try type("bt -l").contains { $0.hasPrefix("    /") && $0.hasSuffix("lib/list_debug.c: 59") })
    }

    @Test func identicalStacksHaveOneKey() throws {
        let kernel = try RealKernels.open("uaf.kdump", given: files)
        let reader = StackReader(kernel)
        let keys = try kernel.tasks().tasks.compactMap { try? StackListing(reader.stack(of: $0), kernel.model) }
        #expect(Set(keys.map(\.key)).count < keys.count)
        #expect(keys.contains { $0.key.hasPrefix("__schedule;schedule;") })
    }
}

import Bytes
import Commands
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import LinuxKernel
import Memory
import Pipeline
import Synchronization
import Target
import Testing

@testable import DDB

/// ddb on a Linux dump, compared with what the guest itself said while it lived (Fixtures/abba.log) and with the CPUs as
/// QEMU had them (Fixtures/abba.registers).
@Suite(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.sharedComment)))
struct RealDumpTests {
    private struct NoFiles: SymbolFiles {
        func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)? { nil }
        func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources? { nil }
    }

    private static let opened = Mutex<[String: LinuxKernel]>([:])

    private static func kernel(_ name: String) throws -> LinuxKernel {
        if let known = opened.withLock({ $0[name] }) { return known }
        let dump = try Dump.open(paths: [RealDumps.path(name)])
        let kernel = try LinuxKernel(
            opening: Specimen(memory: dump.memory, facts: dump.facts, files: NoFiles()), journal: Journal())
        opened.withLock { $0[name] = kernel }
        return kernel
    }

    private func session(_ name: String = "abba.kdump") throws -> DDBSession {
        DDBSession(try Self.kernel(name), [[Help.self], Commands.all, LinuxCommands.all])
    }

    /// "abba_file_write_iter() at abba_file_write_iter+0x68/frame ..." to what stands before the frame.
    private func functions(_ lines: [String]) -> [String] {
        lines.compactMap { line in
            guard let at = line.firstRange(of: "() at ") else { return nil }
            return String(line[at.upperBound...].prefix { $0 != "/" })
        }
    }

    @Test func chainsSayWhereTheyClose() throws {
        let lines = try session().lines("show allchains")
        let starts = lines.filter { !$0.hasPrefix(" ") }.compactMap { $0.split(separator: " ").first }
        #expect(starts == ["ruby", "ruby-copy", "rm", "stat-ioctl"])
        #expect(lines.count { $0.hasSuffix("and that closes the circle") } == 4)
    }

    /// The stacks as /proc/PID/stack had them in the guest; the kernel leaves the scheduler's own frames out there.
    @Test(arguments: [
        (
            "45",
            [
                "abba_file_write_iter+0x68", "vfs_write+0x18e", "ksys_write+0x66", "do_syscall_64+0x2b",
                "entry_SYSCALL_64_after_hwframe+0x4b",
            ]
        ),
        (
            "47",
            [
                "abba_generic_splice_write.isra.0+0x51", "abba_file_splice_write+0x82", "do_splice+0x329",
                "__x64_sys_splice+0x159", "do_syscall_64+0x2b", "entry_SYSCALL_64_after_hwframe+0x4b",
            ]
        ),
        (
            "0t49",
            [
                "vfs_unlink+0x3e", "do_unlinkat+0x1c0", "__x64_sys_unlink+0x1a", "do_syscall_64+0x2b",
                "entry_SYSCALL_64_after_hwframe+0x4b",
            ]
        ),
        (
            "0x32",
            [
                "abba_file_ioctl+0x3a", "__x64_sys_ioctl+0x434", "do_syscall_64+0x2b",
                "entry_SYSCALL_64_after_hwframe+0x4b",
            ]
        ),
    ])
    func traceShowsTheStackThatTheGuestShowed(thread: String, expected: [String]) throws {
        let lines = try session().lines("trace \(thread)")
        #expect(Array(functions(lines).suffix(expected.count)) == expected)
        #expect(lines.last?.hasPrefix("--- user mode, rip = 0x") == true)
    }

    @Test func traceNamesTheThreadAndTakesACount() throws {
        let session = try session()
        #expect(session.lines("trace 45").first == "Tracing pid 45 tid 45 td 0xffff8880008a2b00")
        for name in ["bt", "t", "where"] {
            #expect(session.lines("\(name) 45,3").count == 4)
        }
        #expect(session.lines("trace 0xffff8880008a1580").first == "Tracing pid 47 tid 47 td 0xffff8880008a1580")
        #expect(session.lines("trace 9999") == ["failed: there is no thread 9999"])
        #expect(session.lines("trace/u 45").first?.hasPrefix("failed: trace/u") == true)
    }

    /// The return address lies eight bytes above what a frame is called by.
    @Test func theFrameIsWhereAFramePointerWouldBe() throws {
        let session = try session()
        let trace = session.run("trace 45")
        guard case .list(let frames)? = trace.records.first?["frames"] else {
            Issue.record("no frames")
            return
        }
        for (inner, outer) in zip(frames, frames.dropFirst()) {
            guard case .record(let inner) = inner, case .record(let outer) = outer,
                case .address(let base)? = inner["frame"], case .address(let pc)? = outer["pc"]
            else { continue }
            #expect(session.lines("print/x *(0x\(hex(base))+8)") == [hex(pc)])
        }
    }

    @Test func theThreadsThatWaitAreThoseOfTheLog() throws {
        let lines = try session().lines("show all procs")
        #expect(lines.first?.hasPrefix("  pid  ppid  pgrp   uid  state   wmesg") == true)
        func words(_ pid: String) -> [String] {
            lines.first { $0.split(separator: " ").first.map(String.init) == pid }?.split(separator: " ").map(
                String.init)
                ?? []
        }
        // pid ppid pgrp uid state wmesg wchan cmd
        #expect(words("45").count == 8)
        #expect(Array(words("45").dropFirst(4).prefix(2)) == ["D", "abba_file_write_iter"])
        #expect(words("45").last == "ruby")
        #expect(Array(words("47").dropFirst(4).prefix(2)) == ["D", "abba_generic_splice_write.isra.0"])
        #expect(Array(words("49").dropFirst(4).prefix(2)) == ["D", "vfs_unlink"])
        #expect(Array(words("50").dropFirst(4).prefix(2)) == ["D", "abba_file_ioctl"])
        #expect(words("1").first == "1" && words("1")[4] == "S" && words("1")[3] == "0")
        // Threads of the kernel have the L of ddb's own, and brackets.
        #expect(words("24")[4] == "SL" && words("24").last == "[khungtaskd]")
        #expect(try session().lines("ps") == lines)
    }

    @Test func aProcessAndAThreadAreShown() throws {
        let session = try session()
        let process = session.lines("show proc 45")
        #expect(process.first == "Process 45 (ruby) at 0xffff8880008a2b00:")
        #expect(process.contains(" state: D") && process.contains(" uid: 0") && process.contains(" threads: 1"))
        let thread = session.lines("show thread 47")
        #expect(thread.first == "Thread 47 at 0xffff8880008a1580:")
        #expect(thread.contains(" state: INHIBITED: {SLEEPING, uninterruptible}"))
        #expect(thread.contains { $0.hasPrefix(" wmesg: abba_generic_splice_write.isra.0  wchan: 0xffffffff") })
        #expect(session.lines("show thread 0xffff8880008a1580") == thread)
        #expect(session.lines("show thread 12345") == ["failed: there is no thread 12345"])
    }

    /// Fixtures/abba.registers, CPU#0 and CPU#1.
    @Test func registersAreTheCPUs() throws {
        let session = try session()
        let lines = session.lines("show registers")
        func value(_ name: String) -> String? {
            lines.first { $0.hasPrefix(name + " ") }?.split(separator: " ").dropFirst().first.map(String.init)
        }
        let expected = [
            ("rcx", "0x4000000000000000"), ("rsi", "0x46"), ("rdi", "0x6a64"), ("rbp", "0xffffffff81c0f600"),
            ("rsp", "0xffffffff81c03ec8"), ("r8", "0xffffffffffd39fd3"), ("r9", "0x37e"), ("r14", "0xffffffff81c0f118"),
            ("r15", "0x13bd0"), ("rip", "0xffffffff8101b19e"), ("rax", "0x0"),
        ]
        for (name, number) in expected { #expect(value(name) == number, "\(name)") }
        #expect(session.lines("print/x $rsp") == ["ffffffff81c03ec8"])
        #expect(session.lines("print/x $rdi+$rsi") == ["    6aaa"])
        #expect(session.lines("set $rax = 1") == ["failed: set $rax would change a register; a dump is only read"])
    }

    @Test func choosingAThreadChangesWhatFollows() throws {
        let session = try session()
        #expect(session.lines("thread 45").first == "[ thread pid 45 tid 45 ]")
        #expect(session.lines("trace").first == "Tracing pid 45 tid 45 td 0xffff8880008a2b00")
        #expect(session.lines("show thread").first == "Thread 45 at 0xffff8880008a2b00:")
        #expect(session.context.session.focus.task == VirtualAddress(0xffff_8880_008a_2b00))
        #expect(session.lines("thread 9999") == ["failed: there is no thread 9999"])
        #expect(session.lines("thread").first == "[ thread pid 45 tid 45 ]")
    }

    /// GS bases of Fixtures/abba.registers are the per-CPU areas; both CPUs idle.
    @Test func theCPUsAreShown() throws {
        let session = try session()
        let first = session.lines("show pcpu 0")
        #expect(first[0] == "cpuid        = 0")
        #expect(first[1] == "dynamic pcpu = 0xffff888002a00000")
        #expect(first[2].hasSuffix(#": pid 0 tid 0 "swapper/0""#))
        let second = session.lines("show pcpu 1")
        #expect(second[1] == "dynamic pcpu = 0xffff888002b00000")
        #expect(second[2] == #"curthread    = 0xffff8880001eab00: pid 0 tid 0 "swapper/1""#)
        #expect(session.lines("show all pcpu").filter { $0.hasPrefix("cpuid") }.count == 2)
        #expect(session.lines("show pcpu 7") == ["failed: there is no CPU 7"])
    }

    @Test func activeAndAllTracesCoverTheirThreads() throws {
        let session = try session()
        let active = session.lines("acttrace").filter { $0.hasPrefix("Tracing command") }
        #expect(active.count == 2 && active[0].hasSuffix("(CPU 0)") && active[1].hasSuffix("(CPU 1)"))
        #expect(session.lines("show active trace").count > 2)
        let all = session.lines("alltrace").filter { $0.hasPrefix("Tracing command") }
        let threads = session.lines("show threads")
        #expect(all.count == threads.count)
        #expect(threads.contains { $0.hasPrefix("      45 (0xffff8880008a2b00) (stack 0x") })
        #expect(session.lines("show all trace") == session.lines("alltrace"))
    }

    /// CPU 1's stack pointer in Fixtures/abba.registers is on the stack of its idle thread.
    @Test func aStackAddressFindsItsThread() throws {
        let lines = try session().lines("findstack 0xffffc90000083f08")
        #expect(lines == ["Thread 0xffff8880001eab00 (pid 0, [swapper/1])"])
        #expect(try session().lines("findstack 0x1000") == ["failed: 0x1000 is on no thread's stack"])
        #expect(try session().lines("findstack") == ["failed: findstack needs an address"])
    }

    @Test func memoryIsReadByName() throws {
        let session = try session()
        // The banner that the guest printed first.
        let banner = session.lines("x/s linux_banner").first ?? ""
        #expect(banner.hasPrefix("linux_banner:") && banner.contains("Linux version 6.1.192-klab"))
        #expect(session.lines("show struct 0xffff8880008a2b00 task_struct").contains { $0.contains(#"comm = "ruby""#) })
        #expect(session.lines("kldstat").isEmpty == false || !session.run("kldstat").records.isEmpty)
    }

    /// The first instructions of schedule, as objdump shows them in its vmlinux: push %rbp; mov %rsp,%rbp; push %r12.
    @Test func examineDisassembles() throws {
        let session = try session()
        let lines = session.lines("x/i schedule,3")
        #expect(lines.count == 3)
        #expect(lines[0].hasPrefix("schedule:") && lines[0].contains("push") && lines[0].contains("rbp"))
        #expect(lines[1].hasPrefix("schedule+0x1:") && lines[1].contains("mov"))
        #expect(lines[2].hasPrefix("schedule+0x4:") && lines[2].contains("r12"))
        // And the blank line goes on behind them: push %rbx.
        #expect(session.lines("").first?.hasPrefix("schedule+0x6:") == true)
    }

    @Test func theMessageBufferIsTheLog() throws {
        let records = try session().run("show msgbuf").records
        #expect(
            records.contains { record in
                if case .text(let text)? = record["text"] { return text.contains("TRUTH abba: write") }
                return false
            })
        #expect(try session().lines("show panic") == ["failed: show panic: there was none"])
        #expect(try session("nlmgc-panic.kdump").lines("show panic") == ["panic: Fatal exception"])
        #expect(try session("kq-spin.flat").lines("show panic") == ["panic: softlockup: hung tasks"])
    }

    /// The register dump of the guest's own oops: where it died, in which task.
    @Test func aPanicIsWhereTheSessionBegins() throws {
        let session = try session("nlmgc-panic.kdump")
        let lines = session.lines("trace")
        #expect(
            lines.first?.hasPrefix("Tracing pid ") == true && lines.first?.hasSuffix("td 0xffff96a800b71640") == true)
        #expect(lines.contains { $0.hasPrefix("--- interrupted, rip = 0x") })
        #expect(functions(lines).contains("__mutex_lock.constprop.0+0xdd"))
    }
}

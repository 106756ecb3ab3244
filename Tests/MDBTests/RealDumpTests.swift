// mdb's language on a real kernel's dump: what the dump's own tables say, counted and compared another way.

import Bytes
import Capabilities
import Commands
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Machine
import Memory
import Pipeline
import Synchronization
import Target
import Testing

@testable import LinuxKernel
@testable import MDB

/// No symbol file anywhere: what a clone alone has.
private struct NoFiles: SymbolFiles {
    func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)? { nil }
    func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources? { nil }
}

private enum Real {
    private static let known = Mutex<[String: LinuxKernel]>([:])

    /// The dump of a kernel that died in nlm_gc; every clone has it.
    static func kernel(_ name: String = "nlmgc-panic.kdump") throws -> LinuxKernel {
        if let kernel = known.withLock({ $0[name] }) { return kernel }
        let dump = try Dump.open(paths: [try RealDumps.path(name)])
        let specimen = Specimen(memory: dump.memory, facts: dump.facts, files: NoFiles())
        let kernel = try LinuxKernel(opening: specimen, journal: Journal())
        known.withLock { $0[name] = kernel }
        return kernel
    }

    static func run(_ lines: String..., on name: String = "nlmgc-panic.kdump") throws -> [String] {
        let dialect = MDB()
        let context = Context(
            kernel: try kernel(name), catalog: Catalog([Commands.all, LinuxCommands.all], walks: LinuxWalks.all),
            gaps: Gaps(), journal: Journal(),
            session: SessionState(dialects: [dialect], dialect: "mdb", allowsShell: true))
        let outlet = Collector()
        for line in lines {
            do { try dialect.run(line, context, outlet) } catch { outlet.lines.append("error: \(error)") }
        }
        return outlet.lines
    }
}

@Suite(.enabled(if: RealDumps.have("nlmgc-panic.kdump"), "\(RealDumps.comment)"))
struct RealDumpTests {
    @Test(.enabled(if: RealDumps.have("abba.kdump"), "\(RealDumps.comment)"))
    func locksHaveTheNamesThatTheyHaveElsewhere() throws {
        let mutex = try Real.run("ffff888000457ad0::mutex", on: "abba.kdump")
        #expect(mutex.count == 4)
        #expect(mutex[0].hasPrefix("mutex 0xffff888000457ad0") && mutex[0].hasSuffix(": held"))
        #expect(mutex[1].contains("ruby-copy (47) [owner word]"))
        #expect(mutex[2].hasPrefix("  waited for  by ruby (45) in abba_file_write_iter"))
        #expect(try Real.run("ffff888000457b88::rwlock", on: "abba.kdump").first?.hasPrefix("rwsem") == true)
        #expect(try Real.run("ffff888000457ad0::wchaninfo", on: "abba.kdump") == mutex)
        #expect(try Real.run("::wchaninfo", on: "abba.kdump").count == 8)
        let held = try Real.run("ffff8880008a2b00::findlocks", on: "abba.kdump")
        #expect(held.first?.hasPrefix("ruby (45) holds rwsem 0xffff888000457b88") == true)
    }

    @Test func statusNamesTheKernelAndItsDeath() throws {
        let lines = try Real.run("::status")
        #expect(lines.count == 4)
        #expect(lines[1].hasPrefix("operating system: Linux 6.1.") && lines[1].hasSuffix("(x86_64)"))
        #expect(lines[2].hasPrefix("panic message: general protection fault"))
    }

    @Test func theStackEndsWhereTheThreadBegan() throws {
        let lines = try Real.run("$c")
        #expect(lines.first == "delay_tsc+0x1e()" || lines.contains { $0.hasPrefix("panic+") })
        #expect(lines.contains { $0.hasPrefix("nlm_gc+") } && lines.last?.hasPrefix("ret_from_fork") == true)
        // $C is the same with a frame pointer before each.
        #expect(try Real.run("$C").map { String($0.dropFirst(17)) } == lines)
    }

    @Test func theRegistersAreThoseOfTheNote() throws {
        let kernel = try Real.kernel()
        let state = try #require(kernel.panicCPU.flatMap { kernel.state(of: $0) })
        let layout = kernel.model.machine.layout
        let pointer = try #require(state.registers[layout.stackPointer])
        #expect(try Real.run("<rsp=J") == ["                " + hex(pointer)])
        #expect(try Real.run("<esp=J") == ["                " + hex(pointer & 0xffff_ffff)])
    }

    @Test func aStructureIsItsBytes() throws {
        let kernel = try Real.kernel()
        let task = try kernel.model.variable("init_task")
        let comm = try task["comm"].text()
        #expect(try Real.run("init_task::print struct task_struct comm pid") == ["comm = [ \"\(comm)\" ]", "pid = 0"])
        let offset = try #require(try kernel.model.types.offset(ofPath: "comm", in: task.type))
        #expect(try Real.run("init_task+\(hex(offset))/s").first?.hasSuffix(comm) == true)
        #expect(try Real.run("::offsetof struct task_struct comm").first?.contains("= 0x\(hex(offset)), ") == true)
    }

    @Test func aListThroughALinkHasEveryTask() throws {
        let kernel = try Real.kernel()
        // Threads of one process are on another list.
        let leaders = try kernel.tasks().tasks.filter { try $0.pid == $0.tgid }.count
        let offset = hex(
            try #require(try kernel.model.types.offset(ofPath: "tasks", in: kernel.model.variable("init_task").type)))
        let walked = try Real.run(
            "init_task+\(offset)::list struct list_head next | ::map .-\(offset) | ::print struct task_struct pid")
        #expect(walked.filter { $0.hasPrefix("pid = ") }.count == leaders + 1)
    }

    @Test func whatAWalkerGivesKeepsItsType() throws {
        let names = try Real.kernel().tasks().tasks.map { "comm = [ \"\(try $0.comm)\" ]" }
        #expect(try Real.run("::walk task | ::print comm").sorted() == names.sorted())
        #expect(try Real.run("::walk task | ::printf \"%d\\n\" pid").count == names.count)
        #expect(try Real.run("::walk task | ::head -1 | ::print parent | ::print comm").count == 1)
        #expect(try Real.run("::walk task t | ::eval \"<t::print struct task_struct comm\"").count == names.count)
    }

    @Test func everyStackIsCountedOnce() throws {
        let kernel = try Real.kernel()
        let all = try kernel.tasks().tasks.count
        let lines = try Real.run("::ps | ::stacks").filter { $0.hasPrefix("ffff") }
        let counts = lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        // Every task has a stack here, so that the groups make up all of them.
        #expect(counts.count > 5 && counts.reduce(0, +) <= all && counts.reduce(0, +) > all / 2)
    }

    @Test func theFunctionsInstructionsFillIt() throws {
        let lines = try Real.run("schedule::dis")
        #expect(lines.first?.hasPrefix("schedule: ") == true && lines.count > 20)
        #expect(!lines.contains { $0.contains("(bad)") })
        let before = try Real.run("schedule+10::dis")
        // Instructions in a window are those of the whole function.
        #expect(before.allSatisfy { lines.contains($0) })
    }

    @Test func whatRefersToASymbolIsFound() throws {
        let found = try Real.run("::findsym schedule")
        #expect(found.count > 10)
        #expect(found.allSatisfy { $0.contains("<schedule>") || $0.contains("schedule") })
    }

    @Test func theSymbolsOfOneModuleAreItsOwn() throws {
        let lines = try Real.run("::nm -h -f name nlmgc")
        #expect(lines.contains("nlm_gc") && lines.contains("nlm_host_expired") && !lines.contains("schedule"))
        #expect(try Real.run("nlmgc`nlm_gc=p") == ["                nlm_gc"])
        #expect(try Real.run("vmlinux`nlm_gc=p").first?.hasPrefix("error: ") == true)
    }

    @Test func theMessagesAreTheLogs() throws {
        let lines = try Real.run("::msgbuf")
        #expect(lines.first == "MESSAGE" && lines.dropFirst().first?.hasPrefix("Linux version 6.1.") == true)
        let stamped = try Real.run("::msgbuf -t")
        #expect(stamped.count == lines.count && stamped.dropFirst().first?.hasPrefix("[") == true)
    }

    @Test func aProcessHasItsOwnMemory() throws {
        let kernel = try Real.kernel()
        let task = try #require(try kernel.tasks().tasks.first { try $0.pid == 1 })
        let address = hex(task.address.rawValue)
        let lines = try Real.run("\(address)::context", "init_task::print struct task_struct pid", "0::context")
        #expect(lines == ["debugger context set to proc \(address)", "pid = 0", "debugger context set to kernel"])
        let physical = try kernel.model.space.translate(try kernel.model.variable("init_task").address)
        #expect(try Real.run("init_task::vtop").first?.hasSuffix("physical \(hex(physical.rawValue))") == true)
        #expect(
            try Real.run("\(hex(physical.rawValue))\\X", "init_task/X").map { $0.split(separator: " ").last }.count == 2
        )
    }

    @Test func theRegionsAndTheImageAreListed() throws {
        let objects = try Real.run("::objects")
        #expect(objects.contains { $0.hasSuffix(" vmlinux") } && objects.contains { $0.hasSuffix(" nlmgc") })
        #expect(try Real.run("schedule::mappings").contains { $0.hasSuffix(" vmlinux") })
    }
}

import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Pipeline
import Target
import Testing

@testable import Commands
@testable import LinuxKernel

/// The rules on real dumps: what is guilty is named, what is innocent is not.
@Suite(.enabled(if: RealDumps.names.contains("nlmgc-hang.kdump"), Comment(rawValue: RealDumps.comment)))
struct RuleTests {
    private func faults(_ dump: String) throws -> [Finding] { Examination(try RealKernels.open(dump)).faults }

    private func names(_ dump: String, _ rules: Set<String>) throws -> [String] {
        try faults(dump).map(\.rule).filter { rules.contains($0) }
    }

    @Test(arguments: ["plain.elf", "plain-panic.kdump", "kq-mutex.kdump", "refleak.kdump"])
    func anInnocentDumpHasNoStallAndNoHungTask(dump: String) throws {
        let found = try names(
            dump, ["soft-lockup", "hard-lockup", "rcu-stall", "workqueue-stall", "hung-task", "oops"])
        #expect(found.isEmpty)
    }

    @Test func aLoopWithoutEndIsASoftLockupAndStallsRCU() throws {
        let found = try faults("nlmgc-hang.kdump")
        let lockup = try #require(found.first { $0.rule == "soft-lockup" })
        #expect(lockup.parties.contains("CPU 1") && lockup.parties.contains("task 41 (nlm_gc)"))
        let stall = try #require(found.first { $0.rule == "rcu-stall" })
        #expect(stall.parties.count == 1 && stall.parties.first?.contains("CPU 1 running task 41 (nlm_gc)") == true)
    }

    /// As a report of the watchdog's left it before 5.13, and as what prints on a console leaves it.
    @Test func aWatchdogTimeThatBeganAnewHidesNoSoftLockup() throws {
        let whole = try RealKernels.open("nlmgc-hang.kdump")
        let specimen = try RealKernels.specimen("nlmgc-hang.kdump")
        var memory = PatchedMemory(specimen.memory)
        let touched = try whole.model.perCPUVariable("watchdog_touch_ts", cpu: 1).address
        let clock = try #require(KernelTime(whole).latest?.clock)
        try memory.write(KernelTime.watchdogSeconds(clock), at: try whole.target.space.translate(touched))
        let changed = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
        let lockup = try #require(Examination(changed).faults.first { $0.rule == "soft-lockup" })
        #expect(lockup.parties.contains("CPU 1") && lockup.parties.contains("task 41 (nlm_gc)"))
        #expect(lockup.summary.contains("for 33 s"))
    }

    @Test func aWatchdogsPanicIsTheLockupOfTheTaskThatItInterrupted() throws {
        let lockup = try #require(try faults("kq-spin.flat").first { $0.rule == "soft-lockup" })
        #expect(lockup.parties.contains("task 45 (reaper)"))
        #expect(lockup.summary.contains("proc_to_reap"))
    }

    @Test func anExceptionIsNamedByTheFunctionThatTookIt() throws {
        let oops = try #require(try faults("uaf.kdump").first { $0.rule == "oops" })
        #expect(oops.summary.contains("zil_itxg_clean") && oops.parties.contains("task 41 (itxg_clean)"))
    }

    @Test func oneOtherByteContradictsExactlyTheClaimsThatReadIt() throws {
        let whole = try RealKernels.open("nlmgc-hang.kdump")
        let file = EvidenceFile(DumpIdentity(whole), Examination(whole))
        let address = try #require(whole.model.symbols.symbol(named: "rcu_cpu_stall_timeout")?.address)
        let specimen = try RealKernels.specimen("nlmgc-hang.kdump")
        var memory = PatchedMemory(specimen.memory)
        let place = try whole.target.space.translate(address)
        let old = try whole.target.space.word(address)
        try memory.write(old ^ 0x40, at: place)
        let changed = try LinuxKernel(
            opening: Specimen(memory: memory, facts: specimen.facts, files: specimen.files), journal: Journal())
        for (kernel, isChanged) in [(whole, false), (changed, true)] {
            let context = Context(
                kernel: kernel, catalog: Catalog([Commands.all, LinuxCommands.all]), gaps: Gaps(), journal: Journal())
            let verification = Verification(file, context)
            for claim in file.claims {
                let outcome = verification.check(claim)
                if isChanged, claim.command.contains("rcu_cpu_stall_timeout") {
                    #expect(outcome == .contradicted("\((old ^ 0x40) & 0xffff_ffff)"))
                } else {
                    #expect(outcome == .holds, "\(claim.command)")
                }
            }
        }
        #expect(file.claims.contains { $0.command.contains("rcu_cpu_stall_timeout") })
    }
}

// Hung workqueues: work that waits, and no worker takes it up.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

/// The kernel's own measure (`wq_watchdog_timer_fn`, kernel/workqueue.c): a pool has work and has begun none for
/// `wq_watchdog_thresh` seconds. Asked of the pools that belong to a CPU.
enum WorkqueueStallRule: Analysis {
    static let rule = "workqueue-stall"
    static let question = "Does work wait in a CPU's pool of workers that begins none?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        let model = kernel.model
        // Without CONFIG_WQ_WATCHDOG nothing is kept that could be asked.
        guard let seconds = try? model.variable("wq_watchdog_thresh").unsigned(), seconds < 1_000_000 else {
            return nil
        }
        guard seconds > 0 else { return .undecided("this kernel was told to have no limit") }
        let clocks = KernelTime(kernel)
        guard let ticks = clocks.ticks, let jiffies = try? model.variable("jiffies").unsigned() else {
            return .undecided("the kernel's time cannot be read")
        }
        var findings: [Finding] = []
        var failure: String?
        for cpu in kernel.cpus.cpus {
            do {
                let pools = try model.perCPUVariable("cpu_worker_pools", cpu: cpu.number)
                for index in 0..<Int64(2) {
                    let pool = Pool(cpu: cpu.number, index: index, value: try pools.element(index))
                    if let finding = try pool.finding(model, jiffies, limit: seconds, ticks) {
                        findings.append(finding)
                    }
                }
            } catch { failure = "the pools of CPU \(cpu.number): \(error)" }
        }
        if !findings.isEmpty, clocks.hasPanicked {
            return .undecided("the kernel panicked, and its time went on while no worker ran")
        }
        if findings.isEmpty, let failure { return .undecided(failure) }
        return .findings(findings)
    }

    private struct Pool {
        let cpu: Int
        /// 0: of normal priority; 1: of high priority.
        let index: Int64
        let value: Value

        func finding(_ model: Target, _ jiffies: UInt64, limit: UInt64, _ ticks: UInt64) throws -> Finding? {
            let list = try value["worklist"]
            let head = try list.address
            let first = try list["next"].pointer()
            guard first != head else { return nil }
            let begun = try value["watchdog_ts"].unsigned()
            let touched = (try? model.perCPUVariable("wq_watchdog_touched_cpu", cpu: cpu).unsigned()) ?? begun
            let last = Int64(bitPattern: touched &- begun) > 0 ? touched : begun
            let waited = jiffies &- last
            guard Int64(bitPattern: waited) > 0, waited > limit &* ticks else { return nil }
            let name = "per_cpu(cpu_worker_pools, \(cpu))[\(index)]"
            let work = try? model.object(.structure, "list_head", at: first).container("work_struct", "entry")
            let function = (try? work?["func"].pointer()).flatMap { model.symbols.describe($0) }
            return Finding(
                rule: WorkqueueStallRule.rule, confidence: .certain,
                summary:
                    "work\(function.map { " (\($0))" } ?? "") has waited on CPU \(cpu) for \(waited / ticks) s and no "
                    + "worker takes it up",
                parties: ["CPU \(cpu)'s pool \(index)"] + (function.map { ["work \($0)"] } ?? []),
                evidence: [
                    Evidence(
                        claim: "the pool has work at \(first)", expected: .number(first.rawValue),
                        reproduce: "print (unsigned long)\(name).worklist.next"),
                    Evidence(
                        claim: "it last began work at tick \(begun)", expected: .number(begun),
                        reproduce: "print \(name).watchdog_ts"),
                    Evidence(
                        claim: "the kernel complains after \(limit) s", expected: .number(limit),
                        reproduce: "print wq_watchdog_thresh"),
                ])
        }
    }
}

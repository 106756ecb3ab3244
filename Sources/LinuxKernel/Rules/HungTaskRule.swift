// Tasks that wait uninterruptibly for longer than the kernel thinks right.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

/// The kernel's own measure (kernel/hung_task.c): uninterruptible, not killable, counted as load, and not switched in for
/// `hung_task_timeout_secs`. It tells that they hang, and which wait for I/O; why, other rules tell.
enum HungTaskRule: Analysis {
    static let rule = "hung-task"
    static let question = "Does a task wait uninterruptibly for longer than the kernel's limit?"

    /// `TASK_WAKEKILL`, `TASK_NOLOAD` (include/linux/sched.h): waits that a signal ends, and those of idle workers.
    private static let excused: UInt64 = 0x100 | 0x400
    /// Those that are named one by one.
    private static let named = 12

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        guard let now = latest(kernel) else { return .undecided("no CPU's clock can be read") }
        let (own, limit) = KernelTime.hungTaskLimit(kernel)
        if own == 0 { return .undecided("this kernel was told to have no limit") }
        let table: TaskTable
        do { table = try kernel.tasks() } catch { return .undecided("the tasks cannot be listed: \(error)") }
        let hung = table.tasks.compactMap { task -> (task: Task, seconds: UInt64)? in
            guard let state = try? task.state, state.isUninterruptible, state.run & excused == 0,
                let last = try? task.value.path("se", "exec_start").unsigned(), last != 0, now.clock > last
            else { return nil }
            let seconds = (now.clock - last) / 1_000_000_000
            return seconds > limit ? (task, seconds) : nil
        }.sorted { ($1.seconds, $0.task.address) < ($0.seconds, $1.task.address) }
        guard !hung.isEmpty else { return .findings([]) }
        return .findings([
            finding(hung, now, limit, isOwn: own != nil, try? LockModel(kernel, only: hung.prefix(named).map(\.task)))
        ])
    }

    private static func finding(
        _ hung: [(task: Task, seconds: UInt64)], _ now: (cpu: Int, clock: UInt64), _ limit: UInt64, isOwn: Bool,
        _ model: LockModel?
    ) -> Finding {
        var evidence: [Evidence] = []
        if isOwn {
            evidence.append(
                Evidence(
                    claim: "the kernel's limit is \(limit) s", expected: .number(limit),
                    reproduce: "print sysctl_hung_task_timeout_secs"))
        }
        for (task, seconds) in hung.prefix(named) {
            let place = "((struct task_struct *)0x\(hex(task.address.rawValue)))"
            let name = StackOutput.name(task)
            let member = task.value.has("__state") ? "__state" : "state"
            if let state = try? task.state.run {
                evidence.append(
                    Evidence(
                        claim: "task \(name) waits uninterruptibly", expected: .number(state),
                        reproduce: "print \(place)->\(member)"))
            }
            evidence.append(
                Evidence(
                    claim: "it last ran \(seconds) s ago", expected: .number(seconds),
                    reproduce:
                        "print (per_cpu(runqueues, \(now.cpu)).clock_task - \(place)->se.exec_start) / 1000000000"))
            if let model, let wait = model.waitOf[task.address] {
                evidence.append(LockEvidence(model: model).waiting(wait))
            }
        }
        let longest = hung.first.map(\.seconds) ?? 0
        let waiting = hung.filter { (try? $0.task.value["in_iowait"].unsigned()) == 1 }.count
        let io = waiting == 0 ? "" : waiting == hung.count ? ", for I/O" : ", \(waiting) of them for I/O"
        let noun = hung.count == 1 ? "1 task hangs" : "\(hung.count) tasks hang"
        let names = hung.prefix(4).map { StackOutput.name($0.task) }.joined(separator: ", ")
        let what = hung.count == 1 ? hung.first.map { doing($0.task, model) } ?? "" : ""
        return Finding(
            rule: rule, confidence: .certain,
            summary:
                "\(noun) in uninterruptible sleep\(io): \(names)\(hung.count > 4 ? ", ..." : "")\(what.isEmpty ? "" : ", which\(what)"); "
                + "the longest for \(longest) s",
            parties: hung.prefix(named).map {
                "task \(StackOutput.name($0.task))\(doing($0.task, model)): \($0.seconds) s"
            }
                + (hung.count > named ? ["and \(hung.count - named) more"] : []),
            evidence: evidence,
            contradictions: isOwn ? [] : ["this kernel has no limit of its own; measured with Linux's default of 120 s"]
        )
    }

    /// What the task waits for, and where.
    private static func doing(_ task: Task, _ model: LockModel?) -> String {
        guard let model, let wait = model.waitOf[task.address] else { return "" }
        return " waits for \(model.name(wait.lockClass, wait.lock))" + (model.place(of: wait).map { " in \($0)" } ?? "")
    }

    /// The CPU with the latest `clock_task`, which is what `exec_start` is held against. After a panic not the CPU that
    /// panicked, whose clock goes on.
    private static func latest(_ kernel: LinuxKernel) -> (cpu: Int, clock: UInt64)? {
        let panicked = kernel.panicCPU?.number
        let known = kernel.cpus.cpus.compactMap { cpu -> (cpu: Int, clock: UInt64)? in
            guard let clock = try? cpu.clockTask, clock != 0 else { return nil }
            return (cpu.number, clock)
        }
        let stopped = known.filter { $0.cpu != panicked }
        return (stopped.isEmpty ? known : stopped).max { $0.clock < $1.clock }
    }
}

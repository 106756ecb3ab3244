// Tasks that were switched out, or went back to user mode, with a spinlock held: whoever wants it spins for as long.

internal import Analysis
internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Target

/// What the kernel itself finds when it happens (`__schedule_bug`, kernel/sched/core.c), and then forgets: it sets the count of
/// locks back. Asked of the stacks of those that sleep, of the counts of those in user mode, and of the log.
enum AtomicSleepRule: Analysis {
    static let rule = "scheduling-while-atomic"
    static let question =
        "Does a task sleep, or run in user mode, with a spinlock held or in a read-side section of RCU?"

    // Each stack has to be unwound, and its functions followed: half a millisecond.
    private static let mostTasks = 4096
    private static let mostWithoutSign = 512

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        let log = AtomicSleepLog(kernel)
        let readers = ReadSideSleep.all(kernel)
        let told = PreemptCount.leftInUserMode(kernel).map { inUserMode($0) }
        func user(_ model: LockModel?) -> [Finding] { told + readers.map { $0.finding(model) } }
        let signs = signs(kernel, log)
        guard signs != .against else {
            return .findings(user(readers.isEmpty ? nil : try? LockModel(kernel)))
        }
        let most = signs == .for ? mostTasks : mostWithoutSign
        let model: LockModel
        do {
            // Before all their stacks are read.
            if signs == .none, try kernel.tasks().tasks.count > most { return .findings(user(nil)) }
            model = try LockModel(kernel)
        } catch {
            return .undecided("the tasks cannot be listed: \(error)")
        }
        let asleep = model.tasks.prefix(most).compactMap { sleeping($0, model, log) }
        let known = Set(asleep.map(\.task))
        let others = log.reports.filter { report in
            !known.contains { task in model.task(task).map { report.names($0) } ?? false }
        }
        let found = asleep.map(\.finding) + user(model) + (others.isEmpty ? [] : [reported(others, model)])
        if found.isEmpty, model.tasks.count > most {
            return .undecided("there are \(model.tasks.count) tasks: more than are looked at")
        }
        return .findings(found)
    }

    private enum Signs {
        case `for`
        case against
        case none
    }

    /// A kernel that counts its locks says so when this happens, and is tainted from then on. One that does not count them
    /// (neither preemptible nor able to become so) gives no sign.
    private static func signs(_ kernel: LinuxKernel, _ log: AtomicSleepLog) -> Signs {
        if !log.reports.isEmpty { return .for }
        guard kernel.model.symbols.symbol(named: "preempt_schedule") != nil, let taint = kernel.taint else {
            return .none
        }
        // TAINT_WARN (include/linux/panic.h)
        return taint & 1 << 9 != 0 ? .for : .against
    }

    private static func sleeping(
        _ task: Task, _ model: LockModel, _ log: AtomicSleepLog
    ) -> (task: VirtualAddress, finding: Finding)? {
        guard !model.isOnCPU(task) else { return nil }
        for taken in model.held(by: task, deep: true) where taken.isCertain {
            guard let lockClass = LockClass(named: taken.group), lockClass.holdersRun else { continue }
            // The lock itself has to say that it is taken, and nobody else may be the one who took it.
            let lock = model.lock(lockClass, taken.lock)
            let holders = model.holders(lockClass, taken.lock)
            guard lock.owner != .free,
                !holders.contains(where: { $0.task != task.address && $0.grade <= .checked })
            else { continue }
            let isSure = holders.contains { $0.task == task.address && $0.grade <= .checked }
            let name = model.name(lockClass, taken.lock)
            let activity = TaskActivity(of: task.address, model)
            let waiters = model.waiters(taken.lock)
            var evidence: [Evidence] = []
            if let word = lock.word {
                evidence.append(
                    Evidence(
                        claim: "\(name) is \(lock.state)", expected: .number(word.value), reproduce: word.expression,
                        reads: [taken.lock..<taken.lock.advanced(by: UInt64(8))]))
            }
            evidence.append(
                Evidence(
                    claim: "\(model.title(task.address)) took it in \(taken.place) and has not released it",
                    expected: .contains("taken in \(taken.place)"),
                    reproduce: "lock 0x\(hex(taken.lock.rawValue)) \"\(lockClass.name)\""))
            evidence += log.reports.filter { $0.names(task) }.map(\.evidence)
            let finding = Finding(
                rule: rule, confidence: isSure ? .certain : .probable,
                summary: "\(model.title(task.address)) \(activity.text) with \(name) held"
                    + (waiters.isEmpty ? "" : "; \(waiters.count) wait\(waiters.count == 1 ? "s" : "") for it"),
                parties: ["\(model.title(task.address)) took \(name) in \(taken.place)"]
                    + waiters.prefix(12).map { "\(model.title($0.task.address)) waits for it" },
                evidence: evidence)
            return (task.address, finding)
        }
        return nil
    }

    private static func inUserMode(_ found: PreemptCount) -> Finding {
        let name = StackOutput.name(found.task)
        return Finding(
            rule: "atomic-in-user-mode", confidence: .certain,
            summary:
                "task \(name) is in user mode with preempt_count \(found.count): what ran for it in the kernel "
                + (found.count < 0
                    ? "gave back more locks that spin than it took"
                    : "took \(found.count == 1 ? "a lock that spins" : "locks that spin") and did not give back"),
            parties: ["task \(name)", "CPU \(found.cpu.number)"],
            evidence: [
                Evidence(
                    claim: "CPU \(found.cpu.number) counts \(found.count) in its preempt_count",
                    expected: .number(UInt64(found.count & 0xff)), reproduce: "print \(found.expression)"),
                Evidence(
                    claim: "task \(name) is on CPU \(found.cpu.number)",
                    expected: .number(UInt64(bitPattern: Int64((try? found.task.pid) ?? 0))),
                    reproduce: "print per_cpu(runqueues, \(found.cpu.number)).curr->pid"),
            ])
    }

    /// The kernel found them, and what the tasks held then no stack tells any more.
    private static func reported(_ reports: [AtomicSleepLog.Report], _ model: LockModel) -> Finding {
        let who = reports.map { report -> String in
            let task = model.tasks.first { report.names($0) }
            let now = task.map { "now it \(TaskActivity(of: $0.address, model).text)" } ?? "it is no task any more"
            return "\(report.comm) (\(report.pid)): \(now)"
        }
        let names = reports.prefix(4).map { "\($0.comm) (\($0.pid))" }.joined(separator: ", ")
        let isOne = reports.count == 1
        return Finding(
            rule: rule, confidence: .certain,
            summary:
                "\(names)\(reports.count > 4 ? ", ..." : "") \(isOne ? "was" : "were") switched out with a lock that spins "
                + "held, or preemption off"
                + (isOne ? who.first.map { "; \($0.drop { $0 != ":" }.dropFirst(2))" } ?? "" : ""),
            parties: who.prefix(12) + (who.count > 12 ? ["and \(who.count - 12) more"] : []),
            evidence: reports.prefix(12).map(\.evidence),
            contradictions: ["that they hold it still is not known: no function on their stacks took one"])
    }
}

/// What the kernel said of tasks that it switched out with a lock held: `BUG: scheduling while atomic: comm/pid/0xcount`.
struct AtomicSleepLog {
    struct Report {
        let comm: String
        let pid: Int
        let line: String

        /// Nil when it is none of these lines.
        init?(line: String) {
            guard line.hasPrefix(AtomicSleepLog.beginning) else { return nil }
            // A name may have slashes in it: the last two parts are numbers.
            let parts = line.dropFirst(AtomicSleepLog.beginning.count).split(
                separator: "/", omittingEmptySubsequences: false)
            guard parts.count >= 3, let pid = Int(parts[parts.count - 2]) else { return nil }
            comm = parts.dropLast(2).joined(separator: "/")
            self.pid = pid
            self.line = line
        }

        func names(_ task: Task) -> Bool { (try? task.pid) == pid && (try? task.comm) == comm }

        var evidence: Evidence {
            Evidence(
                claim: "the kernel found \(comm) (\(pid)) scheduling while atomic", expected: .contains(line),
                reproduce: "log -p")
        }
    }

    /// Each task once, in the order of the log.
    let reports: [Report]

    private static let beginning = "BUG: scheduling while atomic: "
    // A loop that does it reports it each time.
    private static let most = 64

    init(_ kernel: LinuxKernel) {
        var reports: [Report] = []
        for trouble in (try? KernelLog(kernel.model))?.troubles ?? []
        where trouble.kind == .warning && reports.count < Self.most {
            guard let report = Report(line: trouble.line) else { continue }
            if reports.contains(where: { $0.pid == report.pid && $0.comm == report.comm }) { continue }
            reports.append(report)
        }
        self.reports = reports
    }

    /// The tasks that it names, as far as they live.
    func tasks(among tasks: [Task]) -> [Task] {
        tasks.filter { task in reports.contains { $0.names(task) } }
    }
}

// Tasks that wait for each other in a circle, and locks that will not be released: their owner has exited, or has gone back
// to user mode, or has not run for too long.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

enum DeadlockRule: Analysis {
    static let rule = "deadlock"
    static let question = "Do tasks wait for each other, or for somebody who will not release what he holds?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        let model: LockModel
        do { model = try LockModel(kernel) } catch {
            return .undecided("the tasks cannot be listed: \(error)")
        }
        return .findings(LockFindings(model).all())
    }
}

/// Turns circles and blockers into findings.
private struct LockFindings {
    let model: LockModel
    let cycles: WaitCycles
    /// Nanoseconds after which the kernel itself calls a task hung.
    let limit: UInt64

    init(_ model: LockModel) {
        self.model = model
        cycles = WaitCycles(model)
        limit = Self.limit(model.kernel)
    }

    /// `sysctl_hung_task_timeout_secs`; when it is off or unknown what the kernel's default is.
    private static func limit(_ kernel: LinuxKernel) -> UInt64 {
        let seconds = (try? Globals.word(kernel.model, "sysctl_hung_task_timeout_secs")) ?? 0
        return (seconds == 0 || seconds > 1 << 32 ? 120 : seconds) &* 1_000_000_000
    }

    func all() -> [Finding] {
        var findings: [Finding] = []
        for circle in cycles.cycles {
            findings.append(deadlock(circle))
        }
        // Readers of one lock block the same tasks: one finding.
        var groups: [[Blocker]] = []
        for blocker in cycles.blockers {
            let place = groups.firstIndex { group in
                group[0].locks == blocker.locks && !group[0].isGone && !blocker.isGone
                    && Set(group[0].victims.map(\.task.address)) == Set(blocker.victims.map(\.task.address))
            }
            if let place { groups[place].append(blocker) } else { groups.append([blocker]) }
        }
        for group in groups {
            guard let blocker = group.first else { continue }
            let own = cycles.steps(blocker.task).first { $0.holder.task == blocker.task }
            if blocker.isReused, let step = own {
                findings.append(reusedOwner(step))
            } else {
                findings.append(blocked(blocker, with: Array(group.dropFirst())))
            }
        }
        return findings.sorted { ($1.isFault ? 1 : 0) < ($0.isFault ? 1 : 0) }
    }

    private var unread: [String] { model.gaps.map { "\($0.what): \($0.why)" } }

    // MARK: Circles

    private func deadlock(_ circle: [WaitStep]) -> Finding {
        let victims = cycles.victims(of: circle)
        let weakest = circle.map(\.holder.grade).max() ?? .exact
        var contradictions: [String] = []
        for step in circle where step.holder.acquisition == nil && step.wait.lockClass != .work {
            contradictions.append(
                "no function on the stack of \(model.title(step.holder.task)) is seen to take "
                    + model.name(step.wait.lockClass, step.wait.lock))
        }
        let who = circle.map { model.title($0.wait.task.address) }
        let what =
            circle.count == 1
            ? "\(who[0]) waits for \(name(circle[0].wait)), which it holds itself"
            : "\(who.joined(separator: ", ")) wait for each other"
        var parties: [String] = []
        for step in circle {
            let wait = step.wait
            let verb = wait.lockClass == .work ? "run by" : "held by"
            let taken = step.holder.acquisition.map { ", taken in \($0.place)" } ?? ""
            parties.append(
                "\(model.title(wait.task.address)) waits for \(name(wait))\(place(wait)), \(verb) "
                    + "\(model.title(step.holder.task))\(taken)")
        }
        parties += victims.map { "\(model.title($0.task.address)) waits behind them for \(name($0))" }
        let members = Set(circle.map(\.wait.task.address) + victims.map(\.task.address))
        return Finding(
            rule: "deadlock", confidence: weakest <= .checked ? .certain : .probable,
            summary: what + (victims.isEmpty ? "" : "; \(victims.count) more wait behind them"), parties: parties,
            chronology: chronology(circle.map(\.wait) + victims),
            evidence: circle.flatMap { evidence($0) }, contradictions: contradictions, unread: unread,
            graph: LinuxWaitGraph.graph(cycles, only: members))
    }

    private func reusedOwner(_ step: WaitStep) -> Finding {
        let wait = step.wait
        return Finding(
            rule: "exited-owner", confidence: .probable,
            summary:
                "the owner of \(name(wait)) has exited: its task_struct is now that of \(model.title(wait.task.address)), "
                + "which waits for the lock and took it in no function on its stack",
            parties: model.waiters(wait.lock).map {
                "\(model.title($0.task.address)) waits for \(name($0))\(place($0))"
            },
            chronology: chronology(model.waiters(wait.lock)), evidence: evidence(step), unread: unread,
            graph: LinuxWaitGraph.graph(cycles, only: Set(model.waiters(wait.lock).map(\.task.address))))
    }

    // MARK: Those that block others

    private func blocked(_ blocker: Blocker, with others: [Blocker]) -> Finding {
        let longest = blocker.victims.compactMap(\.since).max() ?? 0
        let isHung = blocker.victims.contains {
            ($0.since ?? 0) >= limit && (try? $0.task.state.isUninterruptible) == true
        }
        let inUserMode = blocker.state.hasSuffix("in user mode")
        let direct = blocker.victims.first { blocker.locks.contains($0.lock) } ?? blocker.victims.first
        let lock = direct.map { name($0) } ?? "a lock"
        let all = blocker.victims.flatMap { cycles.steps($0.task.address) }
        let steps = all.filter { $0.holder.task == blocker.task }
        let isExact = steps.contains { $0.holder.grade <= .checked }
        let rule: String
        let summary: String
        let waiting = "\(blocker.victims.count) task\(blocker.victims.count == 1 ? " waits" : "s wait")"
        if blocker.isGone {
            rule = "exited-owner"
            summary = "the owner of \(lock) has exited without releasing it; \(waiting) for ever"
        } else if inUserMode {
            rule = "held-in-user-mode"
            summary = "\(model.title(blocker.task)) went back to user mode with \(lock) held; \(waiting) for it"
        } else {
            rule = "blocked"
            summary =
                "\(waiting) for \(model.title(blocker.task))"
                + (others.isEmpty ? "" : " and \(others.count) more who hold the same")
                + ", which holds \(lock) and \(blocker.state); "
                + "the longest since \(elapsed(longest))"
        }
        var parties = ["\(model.title(blocker.task)) \(blocker.state)" + taken(steps)]
        for other in others {
            let own = all.filter { $0.holder.task == other.task }
            parties.append("\(model.title(other.task)) \(other.state)" + taken(own))
        }
        var contradictions: [String] = []
        if !blocker.isGone, !inUserMode,
            steps.allSatisfy({ $0.holder.acquisition == nil && $0.wait.lockClass != .work })
        {
            contradictions.append(
                "no function on the stack of \(model.title(blocker.task)) is seen to take the lock: it may have gone back to "
                    + "user mode with it")
        }
        parties += blocker.victims.map { "\(model.title($0.task.address)) waits for \(name($0))\(place($0))" }
        return Finding(
            rule: rule, confidence: isExact ? .certain : .probable,
            isFault: blocker.isGone || inUserMode && isExact || isHung, summary: summary, parties: parties,
            chronology: chronology(blocker.victims), evidence: steps.flatMap { evidence($0) },
            contradictions: contradictions, unread: unread,
            graph: LinuxWaitGraph.graph(cycles, only: Set(blocker.victims.map(\.task.address))))
    }

    private func taken(_ steps: [WaitStep]) -> String {
        steps.compactMap { $0.holder.acquisition?.place }.first.map { "; it took the lock in \($0)" } ?? ""
    }

    // MARK: Words

    private func name(_ wait: Wait) -> String { model.name(wait.lockClass, wait.lock) }

    private func place(_ wait: Wait) -> String { model.place(of: wait).map { " in \($0)" } ?? "" }

    private func chronology(_ waits: [Wait]) -> [String] {
        waits.filter { $0.since != nil }.sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
            .map {
                "\(elapsed($0.since ?? 0)) before the dump: \(model.title($0.task.address)) began to wait for \(name($0))"
            }
    }

    private func waiting(_ wait: Wait) -> Evidence {
        let member = wait.waiter
        return Evidence(
            claim: "\(model.title(wait.task.address)) waits for \(name(wait)): the waiter on its list names the task",
            expected: .number(wait.task.address.rawValue),
            reproduce:
                "print -x (unsigned long)((struct \(wait.waiterType)*)0x\(hex(member.rawValue)))->\(wait.taskMember)",
            reads: [member..<member.advanced(by: UInt64(64))])
    }

    private func evidence(_ step: WaitStep) -> [Evidence] {
        let wait = step.wait
        var list = [waiting(wait)]
        let lock = model.lock(wait.lockClass, wait.lock)
        if let word = lock.word {
            let claim =
                switch lock.owner {
                case .readers(let count): "\(name(wait)) is read by \(count)"
                case .gone: "the owner word of \(name(wait)) names what is no task"
                case .free: "\(name(wait)) is free"
                case .unknown: "\(name(wait)) does not name its owner"
                case .task: "the owner word of \(name(wait)) names \(model.title(step.holder.task))"
                }
            list.append(
                Evidence(
                    claim: claim, expected: .number(word.value), reproduce: word.expression,
                    reads: [wait.lock..<wait.lock.advanced(by: UInt64(64))]))
        }
        let show = "lock 0x\(hex(wait.lock.rawValue)) \"\(wait.lockClass.rawValue)\""
        if let acquisition = step.holder.acquisition {
            list.append(
                Evidence(
                    claim: "\(model.title(step.holder.task)) took it in \(acquisition.place) and has not released it",
                    expected: .contains("taken in \(acquisition.place)"), reproduce: show))
        } else if wait.lockClass == .work {
            list.append(
                Evidence(
                    claim: "\(model.title(step.holder.task)) runs that work",
                    expected: .contains("\(model.title(step.holder.task)) [worker that runs it]"), reproduce: show))
        }
        return list
    }
}

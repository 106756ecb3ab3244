// Circles and blockers as findings.

internal import Analysis
internal import Bytes
internal import DebugModel
internal import Target

struct LockFindings {
    private let model: LockModel
    private let cycles: WaitCycles
    private let evidence: LockEvidence
    /// Nanoseconds after which the kernel itself calls a task hung.
    private let limit: UInt64

    /// Nanoseconds: what is expected of somebody who only was slow comes within a second as a rule.
    private static let settled: UInt64 = 1_000_000_000

    /// Tasks that a finding names one by one: it is to be read.
    private static let named = 12

    init(_ model: LockModel) {
        self.model = model
        cycles = WaitCycles(model)
        evidence = LockEvidence(model: model)
        limit = KernelTime.hungTaskLimit(model.kernel).seconds &* 1_000_000_000
    }

    func all() -> [Finding] {
        var findings = cycles.cycles.map { deadlock($0) }
        for group in groups() {
            guard let blocker = group.first, !isOrdinary(blocker) else { continue }
            let own = cycles.steps(blocker.task).first { $0.holder.task == blocker.task }
            if case .reused = blocker.activity, let step = own {
                findings.append(reusedOwner(step))
            } else {
                findings.append(blocked(blocker, with: Array(group.dropFirst())))
            }
        }
        findings += FrozenFindings(model: model, limit: limit).all()
        return findings.sorted { ($1.isFault ? 1 : 0) < ($0.isFault ? 1 : 0) }
    }

    /// Processes wait for each other's futexes and file locks all the time: those are told that a signal does not end.
    private func isOrdinary(_ blocker: Blocker) -> Bool {
        blocker.victims.allSatisfy {
            $0.lockClass.nature == .user && (try? $0.task.state.isUninterruptible) == false
        }
    }

    /// Readers of one lock block the same tasks: one finding.
    private func groups() -> [[Blocker]] {
        struct Key: Hashable {
            let locks: [VirtualAddress]
            let gone: VirtualAddress?
        }
        var places: [Key: Int] = [:]
        var groups: [[Blocker]] = []
        for blocker in cycles.blockers {
            // Who holds the same has the same tasks behind it.
            let key = Key(locks: blocker.locks, gone: blocker.activity.isGone ? blocker.task : nil)
            if let place = places[key] {
                groups[place].append(blocker)
            } else {
                places[key] = groups.count
                groups.append([blocker])
            }
        }
        return groups
    }

    private var unread: [String] { model.gaps.prefix(Self.named).map { "\($0.what): \($0.why)" } }

    // MARK: Circles

    private func deadlock(_ circle: [WaitStep]) -> Finding {
        let victims = cycles.victims(of: circle)
        let weakest = circle.map(\.holder.grade).max() ?? .exact
        // Where a word says who alone can end a wait he is as good as an owner.
        let isOwned = circle.allSatisfy { $0.holder.relation != .obliged || $0.holder.grade == .exact }
        let who = circle.map { model.title($0.wait.task.address) }
        let what =
            circle.count == 1
            ? "\(who[0]) waits for \(name(circle[0].wait)), which "
                + (isOwned ? "it holds itself" : "cannot be before it goes on itself")
            : "\(few(who) { $0 }.joined(separator: ", ")) wait for each other"
        let behind =
            victims.isEmpty ? "" : "; \(victims.count) more \(victims.count == 1 ? "waits" : "wait") behind them"
        let parties = few(circle) { party($0) } + few(victims) { "\(waits($0, "waits behind them for"))" }
        return Finding(
            rule: "deadlock", confidence: weakest <= .checked && isOwned ? .certain : .probable,
            isFault: isOwned || isSettled(circle),
            summary: what + behind, parties: parties,
            chronology: chronology(circle.map(\.wait) + victims), evidence: evidence.of(circle),
            contradictions: few(circle.compactMap { unseen($0) }) { $0 }, unread: unread,
            graph: graph(circle.map(\.wait) + victims, what))
    }

    /// Those who are told by others wait for long enough that nobody else can be about to do it, and no timer wakes them.
    private func isSettled(_ circle: [WaitStep]) -> Bool {
        circle.allSatisfy { step in
            step.holder.relation != .obliged
                || (step.wait.since ?? 0) >= Self.settled && !model.hasTimer(step.wait.task)
        }
    }

    private func party(_ step: WaitStep) -> String {
        let taken = step.holder.acquisition.map { ", taken in \($0.place)" } ?? ""
        return "\(waits(step.wait, "waits for"))\(place(step.wait)), \(step.holder.relation.rawValue) "
            + "\(model.titles(of: step))\(taken)"
    }

    /// What speaks against a holder of whom no function is seen to have taken the lock.
    private func unseen(_ step: WaitStep) -> String? {
        guard step.holder.acquisition == nil, step.holder.relation == .holds, step.wait.lockClass.nature == .lock else {
            return nil
        }
        return "no function on the stack of \(model.title(step.holder.task)) is seen to take \(name(step.wait))"
    }

    private func reusedOwner(_ step: WaitStep) -> Finding {
        let wait = step.wait
        let waiters = model.waiters(wait.lock)
        return Finding(
            rule: "exited-owner", confidence: .probable,
            summary:
                "the owner of \(name(wait)) has exited: its task_struct is now that of \(model.title(wait.task.address)), "
                + "which waits for the lock and took it in no function on its stack",
            parties: few(waiters) { waits($0, "waits for") + place($0) },
            chronology: chronology(waiters), evidence: evidence.of([step]), unread: unread, graph: graph(waiters))
    }

    // MARK: Those that block others

    /// What ends a chain, as a finding says it.
    private struct ChainEnd {
        let rule: String
        let summary: String
        /// It will not end by itself, however short it has lasted.
        var isSure = false
        var contradictions: [String] = []
        var evidence: [Evidence] = []
    }

    private func blocked(_ blocker: Blocker, with others: [Blocker]) -> Finding {
        let steps = cycles.held(by: blocker.task)
        let isExact = steps.contains { $0.holder.grade <= .checked && $0.holder.relation != .obliged }
        // What processes share among themselves is theirs to keep for as long as they like.
        let isUsers = steps.allSatisfy { $0.wait.lockClass.nature == .user }
        // What nobody owns is not taken along.
        let owned = steps.filter { $0.holder.relation == .holds }
        let userReturn = isUsers ? nil : UserReturnSearch(model).judge(blocker.task, owned)
        if case .reused? = userReturn { return reused(blocker, steps) }
        let end = end(blocker, others.count, steps, isUsers, isExact, userReturn)
        var contradictions = end.contradictions
        let isHung = blocker.victims.contains {
            ($0.since ?? 0) >= limit && (try? $0.task.state.isUninterruptible) == true
        }
        let isStuck = !isHung && !end.isSure && !isUsers && isStuck(blocker)
        if isStuck {
            contradictions.append(
                "the kernel would wait for \(limit / 1_000_000_000) s before it calls this a hang: it may yet go on")
        }
        return Finding(
            rule: end.rule, confidence: isStuck ? .possible : isExact ? .certain : .probable,
            isFault: isHung || end.isSure || isStuck, summary: end.summary,
            parties: few([blocker] + others) { "\(model.title($0.task)) \($0.activity.text)\(taken($0))" }
                + few(blocker.victims) { waits($0, "waits for") + place($0) },
            chronology: chronology(blocker.victims),
            evidence: evidence.of(cycles.steps(among: blocker.victims, to: blocker.task, most: Self.named))
                + end.evidence,
            contradictions: contradictions, unread: unread, graph: graph(blocker.victims))
    }

    private func lock(_ blocker: Blocker) -> String {
        let all = blocker.victims.filter { blocker.locks.contains($0.lock) }
        let direct = all.first { $0.lockClass.nature == .lock } ?? all.first ?? blocker.victims.first
        return direct.map { name($0) } ?? "a lock"
    }

    private func end(
        _ blocker: Blocker, _ others: Int, _ steps: [WaitStep], _ isUsers: Bool, _ isExact: Bool,
        _ userReturn: UserReturn?
    ) -> ChainEnd {
        let lock = lock(blocker)
        let count = blocker.victims.count
        let waiting = "\(count) task\(count == 1 ? " waits" : "s wait")"
        let title = model.title(blocker.task)
        if case .returned(let because, let function)? = userReturn {
            return ChainEnd(
                rule: "held-in-user-mode",
                summary:
                    "\(title) went back to user mode with \(lock) held: \(because); \(waiting) for it, and it "
                    + blocker.activity.text, isSure: true, evidence: stack(blocker.task, function))
        }
        if blocker.activity.isGone {
            return ChainEnd(
                rule: "exited-owner",
                summary: "the owner of \(lock) has exited without releasing it; \(waiting) for ever", isSure: !isUsers)
        }
        if blocker.activity.isUserMode, !isUsers, steps.contains(where: { $0.holder.relation == .holds }) {
            return ChainEnd(
                rule: "held-in-user-mode",
                summary: "\(title) went back to user mode with \(lock) held; \(waiting) for it", isSure: isExact)
        }
        var contradictions: [String] = []
        if !isUsers, steps.allSatisfy({ $0.holder.acquisition == nil && $0.holder.relation == .holds }) {
            var unseen = "no function on the stack of \(title) is seen to take the lock"
            if case .conceivable(let doubt)? = userReturn {
                unseen += ": it may have gone back to user mode with it; but \(doubt)"
            }
            contradictions.append(unseen)
        }
        let longest = blocker.victims.compactMap(\.since).max().map { "; the longest for \(span($0))" } ?? ""
        let isEvent = !steps.isEmpty && steps.allSatisfy { $0.holder.relation == .obliged }
        let has = isEvent ? "has to bring about" : "holds"
        return ChainEnd(
            rule: "blocked",
            summary: "\(waiting) for \(title)" + (others == 0 ? "" : " and \(others) more who hold the same")
                + ", which \(has) \(lock) and \(blocker.activity.text)\(longest)", contradictions: contradictions)
    }

    private func stack(_ task: VirtualAddress, _ function: String) -> [Evidence] {
        guard let pid = try? model.task(task)?.pid else { return [] }
        return [
            Evidence(
                claim: "\(model.title(task)) stands in \(function)", expected: .contains(function),
                reproduce: "bt -N \(pid)")
        ]
    }

    private func reused(_ blocker: Blocker, _ steps: [WaitStep]) -> Finding {
        let victims = blocker.victims
        return Finding(
            rule: "exited-owner", confidence: .probable,
            summary:
                "the owner of \(lock(blocker)) has exited: its task_struct is now that of \(model.title(blocker.task)), which began "
                + "after others had begun to wait for the lock",
            parties: few(victims) { waits($0, "waits for") + place($0) }, chronology: chronology(victims),
            evidence: evidence.of(steps), unread: unread, graph: graph(victims))
    }

    /// It holds what others wait for and has itself slept for long, for no time and for no device. Two seconds: holders that
    /// are only preempted, or fought over, are there again in less, even where the whole machine is loaded.
    private func isStuck(_ blocker: Blocker) -> Bool {
        guard blocker.activity.waitsForSomebody, let task = model.task(blocker.task),
            let asleep = model.sinceLastRun(task), asleep >= Self.long
        else { return false }
        return blocker.victims.contains { ($0.since ?? 0) >= Self.long }
    }

    private static let long: UInt64 = 2_000_000_000

    private func taken(_ blocker: Blocker) -> String {
        cycles.held(by: blocker.task).compactMap { $0.holder.acquisition?.place }.first.map {
            "; it took the lock in \($0)"
        } ?? ""
    }

    // MARK: Words

    private func name(_ wait: Wait) -> String { model.name(wait.lockClass, wait.lock) }

    private func place(_ wait: Wait) -> String { model.place(of: wait).map { " in \($0)" } ?? "" }

    private func waits(_ wait: Wait, _ verb: String) -> String {
        "\(model.title(wait.task.address)) \(verb) \(name(wait))"
    }

    /// The first of many, and how many more there are.
    private func few<Element>(_ all: [Element], _ text: (Element) -> String) -> [String] {
        guard all.count > Self.named + 1 else { return all.map(text) }
        return all.prefix(Self.named).map(text) + ["and \(all.count - Self.named) more"]
    }

    private func chronology(_ waits: [Wait]) -> [String] {
        let known = waits.filter { $0.since != nil }
            .sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
        let lines = known.prefix(Self.named).map {
            "\(span($0.since ?? 0)) before the dump: \(model.title($0.task.address)) began to wait for \($0.lockClass.name) \($0.lock)"
        }
        return known.count > Self.named ? lines + ["and \(known.count - Self.named) more, later"] : lines
    }

    private func graph(_ waits: [Wait], _ title: String = "who waits for whom") -> Graph {
        // What a picture can show: the first are those of the circle and those that wait longest.
        var graph = LinuxWaitGraph.graph(cycles, only: Set(waits.prefix(40).map(\.task.address)))
        graph.title = title
        return graph
    }
}

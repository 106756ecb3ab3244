// The evidence of waits and holders: claims, each with the command that shows it.

internal import Analysis
internal import Bytes
internal import Target

struct LockEvidence {
    let model: LockModel

    /// Steps that are proved one by one; a finding must stay readable.
    private static let most = 12

    /// Each claim once.
    func of(_ steps: [WaitStep]) -> [Evidence] {
        var seen: Set<String> = []
        return steps.prefix(Self.most).flatMap { of($0) }.filter { seen.insert("\($0.claim) \($0.reproduce)").inserted }
    }

    /// That tasks wait, as far as a finding is readable.
    func waiting(_ waits: [Wait]) -> [Evidence] { waits.prefix(Self.most).map { waiting($0) } }

    private func name(_ wait: Wait) -> String { model.name(wait.lockClass, wait.lock) }

    private func of(_ step: WaitStep) -> [Evidence] {
        [waiting(step.wait)] + [state(step), holding(step)].compactMap { $0 }
    }

    /// That a task waits.
    func waiting(_ wait: Wait) -> Evidence {
        let who = "\(model.title(wait.task.address)) waits for \(name(wait))"
        switch wait.proof {
        case .waiter(let waiter, let type, let member):
            return Evidence(
                claim: "\(who): the waiter on its list names the task", expected: .number(wait.task.address.rawValue),
                reproduce: "print -x (unsigned long)((struct \(type)*)0x\(hex(waiter.rawValue)))->\(member)",
                reads: model.kernel.model.range(of: member, in: type, at: waiter))
        case .shown(let command, let text):
            return Evidence(claim: who, expected: .contains(text), reproduce: command)
        }
    }

    /// What the lock's own word says.
    private func state(_ step: WaitStep) -> Evidence? {
        let wait = step.wait
        let lock = model.lock(wait.lockClass, wait.lock)
        guard let word = lock.word else { return nil }
        let claim =
            switch lock.owner {
            case .readers(let count): "\(name(wait)) is read by \(count)"
            case .gone: "the owner word of \(name(wait)) names what is no task"
            case .free: "\(name(wait)) is free"
            case .unknown, .somebody: "\(name(wait)) is \(lock.state)"
            case .last: "\(name(wait)) was last taken by \(model.title(step.holder.task))"
            case .task: "the owner word of \(name(wait)) names \(model.title(step.holder.task))"
            }
        return Evidence(
            claim: claim, expected: .number(word.value), reproduce: word.expression,
            reads: lock.reads)
    }

    private func holding(_ step: WaitStep) -> Evidence? {
        let (wait, holder) = (step.wait, step.holder)
        let show = "lock 0x\(hex(wait.lock.rawValue)) \"\(wait.lockClass.name)\""
        if let acquisition = holder.acquisition {
            return Evidence(
                claim: "\(model.title(holder.task)) took it in \(acquisition.place) and has not released it",
                expected: .contains("taken in \(acquisition.place)"), reproduce: show, reads: owner(step))
        }
        guard holder.relation != .holds || wait.lockClass.nature == .user else { return nil }
        return Evidence(
            claim: "\(name(wait)) is \(holder.relation.rawValue) \(model.title(holder.task))",
            expected: .contains("\(model.title(holder.task)) [\(holder.because)]"), reproduce: show,
            reads: wait.holder == nil ? [] : waiting(wait).reads)
    }

    /// The owner's word, which decides whose stack is looked at; the stack's own words are not listed.
    private func owner(_ step: WaitStep) -> [Range<VirtualAddress>] {
        let lock = model.lock(step.wait.lockClass, step.wait.lock)
        if case .task = lock.owner { return lock.reads }
        return []
    }
}

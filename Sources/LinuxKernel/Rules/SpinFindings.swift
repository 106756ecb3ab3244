// What CPUs spin for, in words, and the readers of a sequence counter that no writer will make even again.

internal import Analysis
internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Target
internal import Unwind

/// The lock that a CPU spins for and who has it, as other findings tell it.
struct SpinText {
    /// "spins for spinlock 0x... (kmalloc-64 object ...+0x38)"
    let doing: String
    /// " in f at file.c:12"
    let place: String
    /// "which watch (98) holds, ..."; nil when nothing is known of it.
    let holders: String?
    let parties: [String]
    let evidence: [Evidence]

    /// Nil when the CPU does not spin for a lock that is known.
    init?(_ cpu: CPU, _ model: LockModel) {
        guard let task = try? cpu.current, let wait = model.waitOf[task.address], wait.lockClass.holdersRun else {
            return nil
        }
        let name = model.name(wait.lockClass, wait.lock)
        let lock = model.lock(wait.lockClass, wait.lock)
        doing = "spins for \(name)"
        place = model.place(of: wait).map { " in \($0)" } ?? ""
        let known = model.holders(wait.lockClass, wait.lock)
        let texts = known.prefix(4).map { holder in
            let has = holder.grade == .possible ? "may have" : "has"
            let taken = holder.acquisition.map { ", taken in \($0.place)," } ?? ""
            return "\(model.title(holder.task)) \(has) it\(taken) and \(TaskActivity(of: holder.task, model).text)"
        }
        holders = texts.isEmpty ? "no function on a stack is seen to have taken it" : texts.joined(separator: "; ")
        parties =
            ["\(name): \(lock.state)"]
            + known.prefix(12).map { "\(model.title($0.task)) [\($0.because)]" }
        var evidence = [LockEvidence(model: model).waiting(wait)]
        if let word = lock.word {
            evidence.append(
                Evidence(
                    claim: "\(name) is \(lock.state)", expected: .number(word.value), reproduce: word.expression,
                    reads: [wait.lock..<wait.lock.advanced(by: UInt64(8))]))
        }
        self.evidence = evidence
    }
}

/// Readers that wait for a writer that is not there.
struct SpinFindings {
    private let model: LockModel

    init(_ model: LockModel) { self.model = model }

    func all() -> [Finding] {
        var seen: Set<VirtualAddress> = []
        return model.waits.filter { $0.lockClass == .seqcount && seen.insert($0.lock).inserted }.compactMap {
            leftOdd($0)
        }
    }

    /// A writer may not be switched out before he is done: he is on a CPU, or nobody writes.
    private func leftOdd(_ wait: Wait) -> Finding? {
        let readers = model.waiters(wait.lock)
        guard model.holders(wait.lockClass, wait.lock).isEmpty,
            model.kernel.cpus.cpus.allSatisfy({ cannotWrite($0, readers) })
        else { return nil }
        let name = model.name(wait.lockClass, wait.lock)
        let lock = model.lock(wait.lockClass, wait.lock)
        var evidence = readers.prefix(12).map { LockEvidence(model: model).waiting($0) }
        if let word = lock.word {
            evidence.append(
                Evidence(
                    claim: "\(name) is odd", expected: .number(word.value), reproduce: word.expression,
                    reads: [wait.lock..<wait.lock.advanced(by: UInt64(4))]))
        }
        let who = readers.prefix(4).map { model.title($0.task.address) }.joined(separator: ", ")
        return Finding(
            rule: "seqcount-left-odd", confidence: .probable,
            summary:
                "\(who) wait\(readers.count == 1 ? "s" : "") for ever for \(name): it is odd, and nobody writes "
                + "(a writer went without saying that he is done)",
            parties: readers.prefix(12).map { reader in
                "\(model.title(reader.task.address)) spins for it"
                    + (model.place(of: reader).map { " in \($0)" } ?? "")
            }, evidence: evidence)
    }

    /// A CPU in user mode, one that idles, and one that itself waits for that counter outside of any interrupt.
    private func cannotWrite(_ cpu: CPU, _ readers: [Wait]) -> Bool {
        if PreemptCount.isInUserMode(cpu, model.kernel) == true { return true }
        guard let task = try? cpu.current, let stack = try? model.stacks.stack(of: task).stack else { return false }
        let interrupted = stack.frames.dropFirst().filter { !$0.isReturnAddress }
        if readers.contains(where: { $0.task.address == task.address }) {
            // Where the reader itself was interrupted, by code that is not a writer of this: who knows.
            return interrupted.isEmpty
        }
        return (try? cpu.idle.address) == task.address && interrupted.isEmpty
    }
}

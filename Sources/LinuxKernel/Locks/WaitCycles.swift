// Circles among tasks that wait for each other, and those that wait for nobody while others wait for them.

package import Bytes
internal import DebugModel
internal import Target

/// One step of a circle or chain: a task, the lock that it waits for, and who holds that.
package struct WaitStep: Sendable {
    package let wait: Wait
    package let holder: Holder
}

extension LockModel {
    /// Whom a step leads to; those beside him who could end the wait as well, and do not.
    func titles(of step: WaitStep) -> String {
        guard step.holder.isOneOfAll else { return title(step.holder.task) }
        let all = holders(step.wait.lockClass, step.wait.lock)
        return all.prefix(4).map { title($0.task) }.joined(separator: " or ")
            + (all.count > 4 ? " or \(all.count - 4) more" : "")
    }
}

/// A task that others wait for and that waits for no lock itself.
package struct Blocker: Sendable {
    package let task: VirtualAddress
    /// What ends the chain.
    package let activity: TaskActivity
    /// The tasks that wait for it, directly or behind others, the longest waiting first.
    package let victims: [Wait]
    package let locks: [VirtualAddress]
}

/// The wait-for graph of a kernel.
package struct WaitCycles {
    package let model: LockModel
    /// Each waits for the next, the last for the first. The task with the lowest pid comes first.
    package let cycles: [[WaitStep]]
    package let blockers: [Blocker]
    private let edges: WaitEdges

    package init(_ model: LockModel) {
        self.model = model
        var edges = WaitEdges(model)
        func pid(_ task: VirtualAddress) -> Int { model.task(task).flatMap { try? $0.pid } ?? .max }
        // An owner word that names the waiter itself is a circle only when the waiter took the lock: the structure of a task
        // that has exited may have been given to a new one.
        let found = edges.parts().compactMap { part in
            part.tasks.min { (pid($0), $0) < (pid($1), $1) }.flatMap { edges.circle(in: part, from: $0) }
        }.sorted { a, b in
            guard let first = a.first?.wait.task.address, let second = b.first?.wait.task.address else { return false }
            return (pid(first), first) < (pid(second), second)
        }
        func isReused(_ circle: [WaitStep]) -> Bool {
            guard circle.count == 1, let step = circle.first, step.holder.relation == .holds,
                step.wait.lockClass.nature == .lock
            else { return false }
            return step.holder.acquisition == nil
        }
        cycles = found.filter { !isReused($0) }
        let reused = found.filter(isReused).flatMap { $0 }.map { step in
            Blocker(
                task: step.holder.task, activity: .reused, victims: model.waiters(step.wait.lock),
                locks: [step.wait.lock])
        }
        for blocker in reused { edges.markReused(blocker.task) }
        self.edges = edges
        blockers = reused + Self.blockers(edges, model)
    }

    /// What a task waits for, and behind whom.
    package func steps(_ task: VirtualAddress) -> [WaitStep] { edges.steps(task) }

    /// The same without the wait: who makes the wait of a task end.
    package func holders(of task: VirtualAddress) -> [Holder] { edges.holders(of: task) }

    /// What a task holds that others wait for, each once, with one of the waits.
    package func held(by task: VirtualAddress) -> [WaitStep] { edges.held(by: task) }

    /// The first of some waits that are for a task directly, at most `most`.
    package func steps(among waits: [Wait], to task: VirtualAddress, most: Int) -> [WaitStep] {
        var found: [WaitStep] = []
        for wait in waits where found.count < most {
            if let step = edges.step(from: wait.task.address, to: task) { found.append(step) }
        }
        return found
    }

    /// The tasks that are not part of a circle and wait for it, directly or behind others, the longest waiting first.
    package func victims(of circle: [WaitStep]) -> [Wait] { edges.reached(from: circle.map(\.wait.task.address)) }

    private static func blockers(_ edges: WaitEdges, _ model: LockModel) -> [Blocker] {
        var gone: Set<VirtualAddress> = []
        for group in edges.groups { for holder in group.holders where holder.isGone { gone.insert(holder.task) } }
        // The readers of one lock have the same tasks behind them.
        var known: [[Int]: [Wait]] = [:]
        return edges.roots.map { root in
            let held = edges.heldGroups(root)
            let victims = known[held] ?? edges.reached(from: [root])
            known[held] = victims
            return Blocker(
                task: root, activity: gone.contains(root) ? .exited : TaskActivity(of: root, model), victims: victims,
                locks: Set(held.map { edges.groups[$0].lock }).sorted())
        }.sorted { ($1.victims.count, $0.task) < ($0.victims.count, $1.task) }
    }
}

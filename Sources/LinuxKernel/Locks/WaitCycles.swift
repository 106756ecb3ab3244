// Circles among tasks that wait for each other, and those that wait for nobody while others wait for them.

package import Bytes
internal import DebugModel
internal import Target

/// One step of a circle or chain: a task, the lock that it waits for, and who holds that.
package struct WaitStep: Sendable {
    package let wait: Wait
    package let holder: Holder
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
    private let next: [VirtualAddress: [WaitStep]]
    /// Who waits, by the task that is waited for.
    private let behind: [VirtualAddress: [Wait]]

    package init(_ model: LockModel) {
        self.model = model
        var next = Self.edges(model)
        var behind: [VirtualAddress: [Wait]] = [:]
        for wait in model.waits {
            for step in next[wait.task.address] ?? [] { behind[step.holder.task, default: []].append(wait) }
        }
        self.behind = behind
        // An owner word that names the waiter itself is a circle only when the waiter took the lock: the structure of a task
        // that has exited may have been given to a new one.
        let found = Self.cycles(next, model)
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
        for wait in reused.flatMap(\.victims) {
            next[wait.task.address] = next[wait.task.address]?.map { WaitStep(wait: $0.wait, holder: $0.holder.reused) }
        }
        self.next = next
        blockers = reused + Self.blockers(next, behind, model)
    }

    /// What a task waits for, and behind whom.
    package func steps(_ task: VirtualAddress) -> [WaitStep] { next[task] ?? [] }

    /// The tasks that are not part of a circle and wait for it, directly or behind others, the longest waiting first.
    package func victims(of circle: [WaitStep]) -> [Wait] {
        Self.reached(from: circle.map(\.wait.task.address), behind)
    }

    /// All that wait for tasks, directly or behind others, without these, the longest waiting first.
    private static func reached(from roots: [VirtualAddress], _ behind: [VirtualAddress: [Wait]]) -> [Wait] {
        var reached = Set(roots)
        var waiting = roots
        var victims: [Wait] = []
        while let task = waiting.popLast() {
            for wait in behind[task] ?? [] where reached.insert(wait.task.address).inserted {
                victims.append(wait)
                waiting.append(wait.task.address)
            }
        }
        return victims.sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
    }

    /// The holders of what tasks wait for. Of the many tasks that wait for events, which is what idle tasks do, those
    /// are asked that cannot be woken by a signal, and those that others wait for.
    private static func edges(_ model: LockModel) -> [VirtualAddress: [WaitStep]] {
        var next: [VirtualAddress: [WaitStep]] = [:]
        var waiting = model.waits.filter {
            ![.event, .user].contains($0.lockClass.nature) || $0.holder != nil
                || (try? $0.task.state.isUninterruptible) == true
        }
        while let wait = waiting.popLast() {
            guard next[wait.task.address] == nil else { continue }
            let holders = wait.holder.map { [$0] } ?? model.holders(wait.lockClass, wait.lock)
            next[wait.task.address] = holders.map { WaitStep(wait: wait, holder: $0) }
            waiting += holders.compactMap { model.waitOf[$0.task] }
        }
        return next
    }

    // MARK: Circles

    /// One circle of each strongly connected part (Tarjan's algorithm, without recursion: chains can be long).
    private static func cycles(_ next: [VirtualAddress: [WaitStep]], _ model: LockModel) -> [[WaitStep]] {
        var index: [VirtualAddress: Int] = [:]
        var low: [VirtualAddress: Int] = [:]
        var onStack: Set<VirtualAddress> = []
        var stack: [VirtualAddress] = []
        var parts: [Set<VirtualAddress>] = []
        func successors(_ task: VirtualAddress) -> [VirtualAddress] {
            (next[task] ?? []).filter { !$0.holder.isGone && $0.holder.grade < .possible }.map(\.holder.task)
        }
        for root in model.waits.map(\.task.address) where index[root] == nil {
            var path: [(task: VirtualAddress, edge: Int)] = [(root, 0)]
            while let (task, edge) = path.last {
                if index[task] == nil {
                    index[task] = index.count
                    low[task] = index[task]
                    stack.append(task)
                    onStack.insert(task)
                }
                let edges = successors(task)
                if edge < edges.count {
                    path[path.count - 1].edge += 1
                    let to = edges[edge]
                    if index[to] == nil {
                        path.append((to, 0))
                    } else if onStack.contains(to) {
                        low[task] = min(low[task] ?? 0, index[to] ?? 0)
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.task { low[parent] = min(low[parent] ?? 0, low[task] ?? 0) }
                guard low[task] == index[task] else { continue }
                var part: Set<VirtualAddress> = []
                while let member = stack.popLast() {
                    onStack.remove(member)
                    part.insert(member)
                    if member == task { break }
                }
                if part.count > 1 || edges.contains(task) { parts.append(part) }
            }
        }
        return parts.compactMap { circle(in: $0, next, model) }
    }

    private static func circle(
        in part: Set<VirtualAddress>, _ next: [VirtualAddress: [WaitStep]], _ model: LockModel
    ) -> [WaitStep]? {
        func pid(_ task: VirtualAddress) -> Int { model.task(task).flatMap { try? $0.pid } ?? .max }
        guard let start = part.min(by: { (pid($0), $0) < (pid($1), $1) }) else { return nil }
        var seen: [VirtualAddress: Int] = [:]
        var steps: [WaitStep] = []
        var here = start
        while seen[here] == nil {
            seen[here] = steps.count
            guard
                let step = (next[here] ?? []).first(where: {
                    part.contains($0.holder.task) && $0.holder.grade < .possible
                })
            else { return nil }
            steps.append(step)
            here = step.holder.task
        }
        return Array(steps[(seen[here] ?? 0)...])
    }

    // MARK: Roots

    private static func blockers(
        _ next: [VirtualAddress: [WaitStep]], _ behind: [VirtualAddress: [Wait]], _ model: LockModel
    ) -> [Blocker] {
        var gone: Set<VirtualAddress> = []
        var locks: [VirtualAddress: Set<VirtualAddress>] = [:]
        for (_, steps) in next {
            for step in steps {
                locks[step.holder.task, default: []].insert(step.wait.lock)
                if step.holder.isGone { gone.insert(step.holder.task) }
            }
        }
        let roots = behind.keys.filter { (next[$0] ?? []).isEmpty }
        return roots.map { root in
            Blocker(
                task: root, activity: gone.contains(root) ? .exited : TaskActivity(of: root, model),
                victims: reached(from: [root], behind), locks: (locks[root] ?? []).sorted())
        }.sorted { ($1.victims.count, $0.task) < ($0.victims.count, $1.task) }
    }
}

// Circles among tasks that wait for each other, and those that wait for nobody while others wait for them.

package import Bytes
internal import DebugModel
internal import Machine
internal import Target
internal import Unwind

/// One step of a circle or chain: a task, the lock that it waits for, and who holds that.
package struct WaitStep: Sendable {
    package let wait: Wait
    package let holder: Holder
}

/// A task that others wait for and that waits for no lock itself.
package struct Blocker: Sendable {
    package let task: VirtualAddress
    package let isGone: Bool
    /// It has exited, and its structure is now that of a task that waits for the lock itself.
    package let isReused: Bool
    /// The tasks that wait for it, directly or behind others, the longest waiting first.
    package let victims: [Wait]
    /// What ends the chain: "runs on CPU 1", "has exited".
    package let state: String
    package let locks: [VirtualAddress]
}

/// The wait-for graph of a kernel.
package struct WaitCycles {
    package let model: LockModel
    /// Each waits for the next, the last for the first. The task with the lowest pid comes first.
    package let cycles: [[WaitStep]]
    package let blockers: [Blocker]
    private let next: [VirtualAddress: [WaitStep]]

    package init(_ model: LockModel) {
        self.model = model
        var next: [VirtualAddress: [WaitStep]] = [:]
        for wait in model.waits where wait.lockClass.isLock || wait.lockClass == .work {
            next[wait.task.address] = model.holders(wait.lockClass, wait.lock).map { WaitStep(wait: wait, holder: $0) }
        }
        self.next = next
        // An owner word that names the waiter itself is a circle only when the waiter took the lock: the structure of a task
        // that has exited may have been given to a new one.
        let found = Self.cycles(next, model)
        func isReused(_ circle: [WaitStep]) -> Bool {
            guard circle.count == 1, let step = circle.first, step.wait.lockClass != .work else { return false }
            return step.holder.acquisition == nil
        }
        cycles = found.filter { !isReused($0) }
        let reused = found.filter(isReused).flatMap { $0 }.map { step in
            Blocker(
                task: step.holder.task, isGone: true, isReused: true, victims: model.waiters(step.wait.lock),
                state:
                    "has exited: its task_struct is now that of this task, which waits for the lock and did not take it",
                locks: [step.wait.lock])
        }
        blockers = reused + Self.blockers(next, model)
    }

    /// What a task waits for, and behind whom.
    package func steps(_ task: VirtualAddress) -> [WaitStep] { next[task] ?? [] }

    /// The tasks that are not part of a circle and wait for it, directly or behind others, the longest waiting first.
    package func victims(of circle: [WaitStep]) -> [Wait] {
        let members = Set(circle.map(\.wait.task.address))
        var reached = members
        var victims: [Wait] = []
        var grows = true
        while grows {
            grows = false
            for wait in model.waits where !reached.contains(wait.task.address) {
                guard steps(wait.task.address).contains(where: { reached.contains($0.holder.task) }) else { continue }
                reached.insert(wait.task.address)
                victims.append(wait)
                grows = true
            }
        }
        return victims.sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
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

    private static func blockers(_ next: [VirtualAddress: [WaitStep]], _ model: LockModel) -> [Blocker] {
        var behind: [VirtualAddress: [Wait]] = [:]
        var gone: Set<VirtualAddress> = []
        var locks: [VirtualAddress: Set<VirtualAddress>] = [:]
        for (_, steps) in next {
            for step in steps {
                behind[step.holder.task, default: []].append(step.wait)
                locks[step.holder.task, default: []].insert(step.wait.lock)
                if step.holder.isGone { gone.insert(step.holder.task) }
            }
        }
        let roots = behind.keys.filter { (next[$0] ?? []).isEmpty }
        return roots.map { root in
            var victims: [VirtualAddress: Wait] = [:]
            var waiting = [root]
            while let task = waiting.popLast() {
                for wait in behind[task] ?? [] where victims[wait.task.address] == nil {
                    victims[wait.task.address] = wait
                    waiting.append(wait.task.address)
                }
            }
            let sorted = victims.values.sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
            let isGone = gone.contains(root)
            return Blocker(
                task: root, isGone: isGone, isReused: false, victims: sorted,
                state: isGone ? "has exited" : state(root, model),
                locks: (locks[root] ?? []).sorted())
        }.sorted { ($1.victims.count, $0.task) < ($0.victims.count, $1.task) }
    }

    private static func state(_ address: VirtualAddress, _ model: LockModel) -> String {
        guard let task = model.task(address) else { return "is no task" }
        for cpu in model.kernel.cpus.cpus where (try? cpu.current.address) == address {
            let mode = model.kernel.state(of: cpu)?.isUserMode == true ? " in user mode" : ""
            return "runs on CPU \(cpu.number)\(mode)"
        }
        if let wait = model.waitOf[address] {
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            return "waits for \(model.name(wait.lockClass, wait.lock))\(place)"
        }
        let name = (try? task.state.name) ?? "in an unreadable state"
        guard let stack = try? StackReader(model.kernel).stack(of: task) else { return "is \(name)" }
        let frames = stack.stack.frames.compactMap {
            model.kernel.model.symbols.symbol(covering: $0.lookupAddress)?.name
        }
        let place = frames.first { !$0.hasPrefix("__switch_to") && !$0.contains("schedule") }
        if frames.contains("io_schedule") || frames.contains("io_schedule_timeout") {
            return "waits for I/O in \(place ?? "?")"
        }
        return name == "running" ? "is ready to run" : "sleeps (\(name)) in \(place ?? "?")"
    }
}

// Who waits for whom, by what is waited for: many tasks behind many readers are one group, not a pair for each two of them.

internal import Bytes
internal import DebugModel
internal import Target

/// The edges of the wait-for graph. A task waits for a group, and a group is in the hands of its holders.
struct WaitEdges {
    /// All that wait for one thing.
    struct Group {
        let lock: VirtualAddress
        fileprivate(set) var holders: [Holder]
        /// In the order of the tasks.
        fileprivate(set) var waits: [Wait] = []
    }

    private struct Key: Hashable {
        let lock: VirtualAddress
        /// What the wait itself tells of who has to end it.
        let holder: VirtualAddress?
    }

    private(set) var groups: [Group] = []
    private var byTask: [VirtualAddress: (wait: Wait, group: Int)] = [:]
    /// The groups that a task holds.
    private var byHolder: [VirtualAddress: [Int]] = [:]

    /// Of the many tasks that wait for events, which is what idle tasks do, those are asked that cannot be woken by a
    /// signal, and those that others wait for. Complexity: waits and holders together, not their product.
    init(_ model: LockModel) {
        var byKey: [Key: Int] = [:]
        var waiting = model.waits.filter {
            ![.event, .user].contains($0.lockClass.nature) || $0.holder != nil
                || (try? $0.task.state.isUninterruptible) == true
        }
        while let wait = waiting.popLast() {
            guard byTask[wait.task.address] == nil else { continue }
            let key = Key(lock: wait.lock, holder: wait.holder?.task)
            if let known = byKey[key] {
                byTask[wait.task.address] = (wait, known)
                continue
            }
            let holders = wait.holder.map { [$0] } ?? model.holders(wait.lockClass, wait.lock)
            byKey[key] = groups.count
            byTask[wait.task.address] = (wait, groups.count)
            for holder in holders { byHolder[holder.task, default: []].append(groups.count) }
            groups.append(Group(lock: wait.lock, holders: holders))
            waiting += holders.compactMap { model.waitOf[$0.task] }
        }
        for wait in model.waits {
            if let group = byTask[wait.task.address]?.group { groups[group].waits.append(wait) }
        }
    }

    /// The owner of what these wait for has exited, and its structure is another task's now.
    mutating func markReused(_ task: VirtualAddress) {
        guard let group = byTask[task]?.group else { return }
        groups[group].holders = groups[group].holders.map(\.reused)
    }

    /// Who makes the wait of a task end; none when it waits for nothing or nobody is known.
    func holders(of task: VirtualAddress) -> [Holder] {
        byTask[task].map { groups[$0.group].holders } ?? []
    }

    /// What a task waits for, and behind whom.
    func steps(_ task: VirtualAddress) -> [WaitStep] {
        guard let (wait, group) = byTask[task] else { return [] }
        return groups[group].holders.map { WaitStep(wait: wait, holder: $0) }
    }

    /// What a task holds that others wait for, in the order of the locks; each with one of the waits.
    func held(by task: VirtualAddress) -> [WaitStep] {
        (byHolder[task] ?? []).sorted { groups[$0].lock < groups[$1].lock }.compactMap { number in
            guard let wait = groups[number].waits.first,
                let holder = groups[number].holders.first(where: { $0.task == task })
            else { return nil }
            return WaitStep(wait: wait, holder: holder)
        }
    }

    /// The step from one task to another that it waits for directly; nil when it does not.
    func step(from task: VirtualAddress, to holder: VirtualAddress) -> WaitStep? {
        guard let (wait, group) = byTask[task], byHolder[holder]?.contains(group) == true,
            let known = groups[group].holders.first(where: { $0.task == holder })
        else { return nil }
        return WaitStep(wait: wait, holder: known)
    }

    /// The tasks that others wait for and that wait for nobody.
    var roots: [VirtualAddress] { byHolder.keys.filter { holders(of: $0).isEmpty } }

    /// All that wait for tasks, directly or behind others, without these, the longest waiting first.
    func reached(from roots: [VirtualAddress]) -> [Wait] {
        var reached = Set(roots)
        var waiting = roots
        var seen: Set<Int> = []
        var victims: [Wait] = []
        while let task = waiting.popLast() {
            for group in byHolder[task] ?? [] where seen.insert(group).inserted {
                for wait in groups[group].waits where reached.insert(wait.task.address).inserted {
                    victims.append(wait)
                    waiting.append(wait.task.address)
                }
            }
        }
        return victims.sorted { ($1.since ?? 0, $0.task.address) < ($0.since ?? 0, $1.task.address) }
    }

    /// The numbers of the groups that a task holds, which say all about who waits for it.
    func heldGroups(_ task: VirtualAddress) -> [Int] { byHolder[task] ?? [] }

    // MARK: Circles

    /// A set of tasks that can reach each other.
    struct Part {
        let tasks: Set<VirtualAddress>
        /// The groups whose wait any one of the holders could end, and none of them will: all are of the part.
        fileprivate let doomed: Set<Int>
    }

    // Each leaves out all that can be left out: a second one is rare.
    private static let mostRounds = 32

    /// The sets of tasks that can reach each other: strongly connected parts of a graph whose nodes are groups; from a
    /// group to those that its holders wait for. A way through one of several holders that could all end a wait counts only
    /// where all of them are of one part: that is found by leaving out those of which it is not so, until it is of all.
    func parts() -> [Part] {
        var doomed = Set(groups.indices.filter { isOfSeveral($0) })
        var rounds = 0
        while true {
            let found = components(doomed)
            var whole: Set<Int> = []
            for part in found { whole.formUnion(doomed.intersection(part).filter { isWithin($0, part) }) }
            rounds += 1
            if rounds > Self.mostRounds { whole = [] }
            if whole == doomed {
                return found.compactMap { part in
                    // The holders that wait within the part are its tasks.
                    var tasks: Set<VirtualAddress> = []
                    for number in part {
                        for holder in groups[number].holders where counts(holder, number, doomed) {
                            if let group = byTask[holder.task]?.group, part.contains(group) {
                                tasks.insert(holder.task)
                            }
                        }
                    }
                    return tasks.isEmpty ? nil : Part(tasks: tasks, doomed: doomed.intersection(part))
                }
            }
            doomed = whole
        }
    }

    private func components(_ doomed: Set<Int>) -> [Set<Int>] {
        let successors = groups.indices.map { number in
            groups[number].holders.compactMap { counts($0, number, doomed) ? byTask[$0.task]?.group : nil }
        }
        return StrongComponents.find(successors).map { Set($0) }
    }

    private func isOfSeveral(_ group: Int) -> Bool {
        !groups[group].holders.isEmpty && groups[group].holders.allSatisfy { $0.isOneOfAll && byTask[$0.task] != nil }
    }

    private func isWithin(_ group: Int, _ part: Set<Int>) -> Bool {
        groups[group].holders.allSatisfy { holder in byTask[holder.task].map { part.contains($0.group) } ?? false }
    }

    /// A holder through whom a circle may go.
    private func counts(_ holder: Holder, _ group: Int, _ doomed: Set<Int>) -> Bool {
        !holder.isGone && (holder.grade < .possible || doomed.contains(group))
    }

    /// One circle among tasks of which each can reach each other, from the one that `first` puts first.
    func circle(in part: Part, from start: VirtualAddress) -> [WaitStep]? {
        var seen: [VirtualAddress: Int] = [:]
        var steps: [WaitStep] = []
        var here = start
        while seen[here] == nil {
            seen[here] = steps.count
            guard let (wait, group) = byTask[here],
                let holder = groups[group].holders.first(where: {
                    part.tasks.contains($0.task) && counts($0, group, part.doomed)
                })
            else { return nil }
            steps.append(WaitStep(wait: wait, holder: holder))
            here = holder.task
        }
        return Array(steps[(seen[here] ?? 0)...])
    }
}

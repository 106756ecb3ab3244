// How locks, waits and circles are written by the commands that show them.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

struct LockOutput {
    let model: LockModel

    /// Lines for tasks of one sort, and links of one chain: JSON has all of them.
    static let most = 40

    func note(_ context: Context) { for gap in model.gaps { context.gaps.note(gap) } }

    func since(_ wait: Wait) -> String {
        wait.since.map { "for \(span($0))" }
            ?? (wait.lockClass.holdersRun || model.isOnCPU(wait.task) ? "spinning" : "for a time that is not known")
    }

    func holderText(_ holder: Holder) -> String {
        var text = "\(model.title(holder.task)) [\(holder.because)]"
        if holder.isGone { text += ", which has exited" }
        if let acquisition = holder.acquisition { text += ", taken in \(acquisition.place)" }
        return text
    }

    /// A lock with its holders and waiters.
    func lock(_ lockClass: LockClass, _ address: VirtualAddress) -> Record {
        let lock = model.lock(lockClass, address)
        let holders = model.holders(lockClass, address)
        let waiters = model.waiters(address).filter { $0.lockClass == lockClass }
        var lines = ["\(model.name(lockClass, address)): \(lock.state)"]
        lines += few(holders, "  ") { "  \(label($0.relation))\(holderText($0))" }
        if case .readers(let count) = lock.owner {
            lines.append("  explained   \(holders.count { $0.grade < .possible }) of \(count) readers")
        }
        lines += few(waiters, "  ") { wait in
            let mode = lockClass.isShared ? " to \(wait.mode.rawValue)" : ""
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            return "  waited for  by \(model.title(wait.task.address))\(mode)\(place), \(since(wait))"
        }
        let fields = [
            Field("class", nil, .text(lockClass.name)), Field("address", nil, .address(address.rawValue)),
            Field("name", nil, .text(model.name(lockClass, address))), Field("state", nil, .text(lock.state)),
            Field("holders", nil, .list(holders.map { .record(record($0)) })),
            Field("waiters", nil, .list(waiters.map { .record(record($0)) })),
        ]
        return Record("lock", fields, presentation: .block(lines))
    }

    /// The first of many, and how many more there are.
    func few<Element>(_ all: [Element], _ indent: String, _ text: (Element) -> String) -> [String] {
        guard all.count > Self.most + 1 else { return all.map(text) }
        return all.prefix(Self.most).map(text) + ["\(indent)and \(all.count - Self.most) more"]
    }

    private func label(_ relation: Holder.Relation) -> String {
        let text = relation.rawValue
        return text + String(repeating: " ", count: max(1, 12 - text.count))
    }

    func record(_ holder: Holder) -> Record {
        let task = model.task(holder.task)
        return Record(
            "holder",
            [
                Field("pid", nil, task.flatMap { try? $0.pid }.map { .signed(Int64($0)) } ?? .none),
                Field("task", nil, .address(holder.task.rawValue)), Field("gone", nil, .boolean(holder.isGone)),
                Field("relation", nil, .text(holder.relation.rawValue)),
                Field("shared", nil, .boolean(holder.isShared)), Field("grade", nil, .text(holder.grade.rawValue)),
                Field("because", nil, .text(holder.because)),
                Field("taken_in", nil, holder.acquisition.map { .text($0.place) } ?? .none),
            ], presentation: .none, subject: task?.value)
    }

    func record(_ wait: Wait) -> Record {
        var waiter = FieldValue.none
        if case .waiter(let address, _, _) = wait.proof { waiter = .address(address.rawValue) }
        return Record(
            "wait",
            TaskContext.fields(wait.task) + [
                Field("comm", nil, (try? wait.task.comm).map { .text($0) } ?? .gap("unreadable")),
                Field("class", nil, .text(wait.lockClass.name)), Field("lock", nil, .address(wait.lock.rawValue)),
                Field("mode", nil, .text(wait.mode.rawValue)), Field("waiter", nil, waiter),
                Field("place", nil, model.place(of: wait).map { .text($0) } ?? .none),
                Field("waiting_ns", nil, wait.since.map { .unsigned($0) } ?? .none),
            ], presentation: .none, subject: wait.task.value)
    }

    /// What a listing of very many waits has said already.
    struct Told {
        fileprivate var tasks: Set<VirtualAddress> = []
        fileprivate var locks: Set<VirtualAddress> = []
    }

    /// What one task waits for, whom that leads to, and so on to the end of the chain; with `told` not again what was said
    /// before: the holders of a lock, the rest of a chain.
    func chain(_ wait: Wait, _ cycles: WaitCycles, _ told: inout Told?) -> [String] {
        var lines: [String] = []
        var seen: Set<VirtualAddress> = []
        defer { told?.tasks.formUnion(seen) }
        var here: Wait? = wait
        while let wait = here, seen.insert(wait.task.address).inserted {
            if told?.tasks.contains(wait.task.address) == true, seen.count > 1 {
                lines.append(
                    "\(String(repeating: "  ", count: min(seen.count - 1, 20)))\(model.title(wait.task.address)) waits: "
                        + "told above")
                return lines
            }
            if seen.count > Self.most {
                lines.append("  and so on: \(model.title(wait.task.address)) waits as well")
                return lines
            }
            let indent = String(repeating: "  ", count: min(seen.count - 1, 20))
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            lines.append(
                "\(indent)\(model.title(wait.task.address)) waits for \(model.name(wait.lockClass, wait.lock))\(place), "
                    + since(wait))
            let holders = cycles.holders(of: wait.task.address)
            let isNew = told?.locks.insert(wait.lock).inserted ?? true
            if isNew || holders.count == 1 {
                lines += few(holders, "\(indent)  ") { "\(indent)  \($0.relation.rawValue) \(holderText($0))" }
            } else if let first = holders.first {
                lines.append(
                    "\(indent)  \(first.relation.rawValue) \(model.title(first.task)) and \(holders.count - 1) more: told above"
                )
            }
            guard let holder = holders.first, !holder.isGone else { return lines }
            if holder.task == wait.task.address, holder.acquisition == nil, holder.relation == .holds,
                wait.lockClass.nature == .lock
            {
                lines.append(
                    "\(indent)  which did not take it: the owner has exited, and its task_struct was used again")
                return lines
            }
            if seen.contains(holder.task) {
                if holder.grade < .possible { lines.append("\(indent)  and that closes the circle") }
                return lines
            }
            here = model.waitOf[holder.task]
        }
        return lines
    }

    /// A circle, a line for each task of it.
    func circle(_ steps: [WaitStep]) -> [String] {
        few(steps, "  ") { step in
            let wait = step.wait
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            let taken = step.holder.acquisition.map { ", taken in \($0.place)" } ?? ""
            return "  \(model.title(wait.task.address)) waits for \(model.name(wait.lockClass, wait.lock))\(place); "
                + "\(step.holder.relation.rawValue) \(model.titles(of: step))\(taken)"
        }
    }
}

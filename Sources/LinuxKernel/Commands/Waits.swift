// waits, blockers, deadlock: who waits for whom.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Waits: Stage {
    package static let manual = Manual(
        name: "waits", synopsis: "[PID|ADDRESS|NAME]...",
        summary: "what tasks wait for, and whom that leads to",
        text: """
            The lock that a task waits for is found by the waiter on its own stack that the lock's list leads to; for one \
            that spins on a CPU, by the function that waits and its argument. Behind it stands who holds the lock, what that task waits for, and so on. Without words: every task that waits for \
            a lock, a work item, a completion, a bit or a page; named tasks also for a wait queue. Where very many wait, \
            a chain that was told above is not told again.
            """,
        examples: [.init("waits", "all that wait")], section: .tasks)
    private let words: [String]

    package init(_ arguments: Arguments) throws { words = arguments.operands }

    /// Idle tasks wait on queues: those are told only of tasks that are asked for.
    private static func isWorthShowing(_ wait: Wait) -> Bool {
        let isQueue = wait.lockClass == .waitQueue || wait.lockClass == .swaitQueue
        // Programs wait for futexes all the time: those are told of whom somebody is known to keep waiting.
        if wait.lockClass.nature == .user, wait.holder == nil { return false }
        return !isQueue || (try? wait.task.state.isUninterruptible) == true
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let model = try LockModel(kernel)
        let output = LockOutput(model: model)
        output.note(context)
        let cycles = WaitCycles(model)
        let chosen = try words.flatMap { try TaskSelection.tasks($0, in: kernel.tasks()) }
        for task in chosen where model.waitOf[task.address] == nil {
            try emit(.text("\(model.title(task.address)) waits for nothing that has a list of waiters"))
        }
        let waits =
            words.isEmpty
            ? model.waits.filter { Self.isWorthShowing($0) } : chosen.compactMap { model.waitOf[$0.address] }
        var told: LockOutput.Told? = waits.count > LockOutput.most ? LockOutput.Told() : nil
        for wait in waits {
            if context.isInterrupted() { throw Interrupted() }
            var record = output.record(wait)
            let holders = cycles.holders(of: wait.task.address)
            // Very many tasks behind very many readers: `lock` has them all.
            record.fields.append(
                Field("holders", nil, .list(holders.prefix(LockOutput.most).map { .record(output.record($0)) })))
            record.fields.append(Field("holder_count", nil, .unsigned(UInt64(holders.count))))
            record.presentation = .block(output.chain(wait, cycles, &told))
            try emit(.record(record))
        }
        if waits.isEmpty, words.isEmpty { try emit(.text("no task waits for a lock")) }
    }
}

package struct Blockers: Stage {
    package static let manual = Manual(
        name: "blockers", summary: "the tasks that others wait for and that wait for no lock themselves",
        text: """
            Those first for which most tasks wait, directly or behind others. Each with what it does: it runs, it sleeps, \
            it waits for I/O, it has exited. Tasks that wait for each other in a circle are shown by `deadlock`.
            """,
        examples: [.init("blockers", "whom all wait for in the end")], section: .tasks)

    package init(_ arguments: Arguments) throws {}

    package func finish(_ context: Context, _ emit: Emit) throws {
        let model = try LockModel(linux(context))
        LockOutput(model: model).note(context)
        let cycles = WaitCycles(model)
        for blocker in cycles.blockers {
            let longest = blocker.victims.compactMap(\.since).max()
            let waiting = "\(blocker.victims.count) wait" + (longest.map { ", the longest for \(span($0))" } ?? "")
            var lines = ["\(model.title(blocker.task)) \(blocker.activity.text); \(waiting)"]
            for victim in blocker.victims.prefix(20) {
                lines.append(
                    "  \(model.title(victim.task.address)) waits for \(model.name(victim.lockClass, victim.lock))")
            }
            if blocker.victims.count > 20 { lines.append("  and \(blocker.victims.count - 20) more") }
            let task = model.task(blocker.task)
            let fields = [
                Field("pid", nil, task.flatMap { try? $0.pid }.map { .signed(Int64($0)) } ?? .none),
                Field("comm", nil, task.flatMap { try? $0.comm }.map { .text($0) } ?? .none),
                Field("task", nil, .address(blocker.task.rawValue)),
                Field("gone", nil, .boolean(blocker.activity.isGone)),
                Field("state", nil, .text(blocker.activity.text)),
                Field("waiting", nil, .unsigned(UInt64(blocker.victims.count))),
                Field("longest_ns", nil, longest.map { .unsigned($0) } ?? .none),
                Field("locks", nil, .list(blocker.locks.map { .address($0.rawValue) })),
            ]
            try emit(
                .record(
                    Record("blocker", fields, presentation: .block(lines), subject: model.task(blocker.task)?.value)))
        }
        if cycles.blockers.isEmpty { try emit(.text("no task blocks others without waiting itself")) }
    }
}

package struct DeadlockStage: Stage {
    package static let manual = Manual(
        name: "deadlock", summary: "tasks that wait for each other in a circle",
        text: """
            Each circle with its tasks, the locks that they wait for, who holds these, and where the holder took them. \
            Below: the tasks that are not part of the circle and wait behind it.
            """,
        examples: [.init("deadlock", "all circles")], section: .tasks)

    package init(_ arguments: Arguments) throws {}

    package func finish(_ context: Context, _ emit: Emit) throws {
        let model = try LockModel(linux(context))
        let output = LockOutput(model: model)
        output.note(context)
        let cycles = WaitCycles(model)
        for circle in cycles.cycles {
            let victims = cycles.victims(of: circle)
            var lines = ["\(circle.count) task\(circle.count == 1 ? " waits for itself" : "s wait for each other")"]
            lines += output.circle(circle)
            lines += output.few(victims, "  ") { victim in
                "  behind them: \(model.title(victim.task.address)) waits for "
                    + "\(model.name(victim.lockClass, victim.lock)), \(output.since(victim))"
            }
            let fields = [
                Field("tasks", nil, .list(circle.map { .record(output.record($0.wait)) })),
                Field("holders", nil, .list(circle.map { .record(output.record($0.holder)) })),
                Field("victims", nil, .list(victims.map { .record(output.record($0)) })),
            ]
            try emit(.record(Record("deadlock", fields, presentation: .block(lines))))
        }
        if cycles.cycles.isEmpty { try emit(.text("no tasks wait for each other in a circle")) }
    }
}

// runq: what each CPU runs, and what waits for it.

internal import Bytes
package import Pipeline
internal import Target

package struct RunQueue: Stage {
    package static let manual = Manual(
        name: "runq", synopsis: "[-t] [-m] [-c CPU]...", summary: "what each CPU runs, and which tasks wait for it",
        text: """
            Of each CPU its run queue, the task on it, and the tasks whose on_rq says that they are queued there, by \
            scheduling class: deadline, real-time and fair ones. RT and CFS are the addresses of the priority array and \
            of the tree that hold them.
            """,
        options: [
            .init("-c", "CPU", "This CPU only; repeatable"),
            .init("-t", "The queue's clock, and when each task last arrived on a CPU, in hexadecimal nanoseconds"),
            .init("-m", "How long ago that was"),
        ],
        examples: [.init("runq", "all CPUs"), .init("runq -t -c 0", "the times of one CPU")])
    private let wanted: [Int]
    private let showsTimes: Bool
    private let showsAges: Bool

    package init(_ arguments: Arguments) throws {
        wanted = try arguments.all("-c").flatMap { $0.split(separator: ",") }.map { word in
            guard let number = Int(word) else { throw UsageError("runq: \(word) is no CPU number") }
            return number
        }
        showsTimes = arguments.has("-t")
        showsAges = arguments.has("-m")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        for number in wanted where !kernel.cpus.cpus.contains(where: { $0.number == number }) {
            throw CommandError("there is no CPU \(number)")
        }
        let table = try kernel.tasks()
        for cpu in kernel.cpus.cpus where wanted.isEmpty || wanted.contains(cpu.number) {
            try show(cpu, table, context, emit)
        }
    }

    private func show(_ cpu: CPU, _ table: TaskTable, _ context: Context, _ emit: Emit) throws {
        let queue = cpu.runQueue
        let current = try cpu.current
        let rt = try? queue.path("rt", "active").address
        // `rb_root_cached` since 4.14 (bfb068892d30).
        let tree = (try? queue.path("cfs", "tasks_timeline", "rb_root")) ?? (try? queue.path("cfs", "tasks_timeline"))
        let fair = tree.flatMap { try? $0.address }
        let clock = try? queue["clock"].unsigned()
        var lines = ["CPU \(cpu.number) RUNQUEUE: \(hex((try queue.address).rawValue))"]
        if showsTimes { lines[0] += "  CLOCK: \(clock.map { hex($0) } ?? "?")" }
        lines.append("  CURRENT: " + line(current, clock))
        var queued: [FieldValue] = []
        let classes: [(String, String, VirtualAddress?, (Int64) -> Bool)] = [
            ("DEADLINE", "deadline", nil, { $0 < 0 }), ("RT PRIO_ARRAY", "rt", rt, { (0..<100).contains($0) }),
            ("CFS RB_ROOT", "fair", fair, { $0 >= 100 }),
        ]
        let waiting = table.tasks.filter { task in
            task.address != current.address && (try? task.cpu) == cpu.number && isQueued(task, context)
        }
        for (label, name, place, belongs) in classes {
            let members = waiting.filter { (try? $0.value["prio"].signed()).map(belongs) ?? false }
            guard place != nil || !members.isEmpty else { continue }
            lines.append("  \(label)" + (place.map { ": \(hex($0.rawValue))" } ?? ":"))
            if members.isEmpty { lines.append("     [no tasks queued]") }
            for task in members {
                let priority = (try? task.value["prio"].signed()).map { "\($0)" } ?? "?"
                lines.append("     [\(priority)] " + line(task, clock))
                queued.append(
                    .record(
                        Record(
                            "task", StackOutput.identity(task) + [Field("class", nil, .text(name))], presentation: .none
                        )
                    ))
            }
        }
        let fields = [
            Field("cpu", nil, .signed(Int64(cpu.number))), Field("queue", nil, .address((try queue.address).rawValue)),
            Field("clock", nil, clock.map { .unsigned($0) } ?? .gap("unreadable")),
            Field("current", nil, .record(Record("task", StackOutput.identity(current), presentation: .none))),
            Field("rt", nil, rt.map { .address($0.rawValue) } ?? .none),
            Field("fair", nil, fair.map { .address($0.rawValue) } ?? .none), Field("queued", nil, .list(queued)),
        ]
        try emit(.record(Record("run_queue", fields, presentation: .block(lines + [""]), subject: queue)))
    }

    /// `task_struct.on_rq` is TASK_ON_RQ_QUEUED, 1 (kernel/sched/sched.h).
    private func isQueued(_ task: Task, _ context: Context) -> Bool {
        do { return try task.value["on_rq"].signed() == 1 } catch {
            context.gaps.note("on_rq of task \(task.address)", error)
            return false
        }
    }

    private func line(_ task: Task, _ clock: UInt64?) -> String {
        var text = ""
        if showsTimes || showsAges {
            let arrival = try? task.value.path("sched_info", "last_arrival").unsigned()
            if showsTimes { text += (arrival.map { hex($0) } ?? "?") + "  " }
            if showsAges {
                let age = arrival.flatMap { arrival in clock.map { $0 > arrival ? $0 - arrival : 0 } }
                text += "[\(age.map(elapsed) ?? "?")]  "
            }
        }
        let pid = (try? task.pid).map { "\($0)" } ?? "?"
        return text + "PID: \(pid)  TASK: \(hex(task.address.rawValue))  COMMAND: \"\((try? task.comm) ?? "?")\""
    }
}

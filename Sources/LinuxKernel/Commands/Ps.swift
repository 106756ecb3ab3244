// ps: the tasks, enumerated twice.

package import Pipeline
internal import Bytes
internal import Target

package struct Ps: Stage {
    package static let manual = Manual(
        name: "ps", synopsis: "[-k|-u] [-G] [-m] [-i] [-y STATE] [PID|TASK|COMMAND]...",
        summary: "the tasks, threads included",
        text: """
            Tasks are enumerated twice, by the task list and by the pid IDR. A task that only one of them has is \
            reported below the table, with its pid. Idle tasks are on neither and are shown with -i.

            STATE is as /proc/PID/stat prints it: R running, S sleeping, D uninterruptible, T stopped, t traced, \
            Z zombie, X dead, P parked, I idle kernel thread. A task that is on a CPU has > before its pid. \
            VSZ and RSS are in KiB; %MEM is RSS against all memory.
            """,
        options: [
            .init("-k", nil, "kernel threads only"), .init("-u", nil, "user tasks only"),
            .init("-G", nil, "thread group leaders only"),
            .init("-m", nil, "time since each task last ran, the latest first"),
            .init("-i", nil, "the CPUs' idle tasks too"),
            .init("-y", "STATE", "tasks in this state only: a letter, or crash's RU IN UN ZO ST TR DE PA ID"),
        ],
        examples: [
            .init("ps", "all tasks"), .init("ps -y D", "those in uninterruptible sleep"),
            .init("ps -m", "who ran last"), .init("ps 1", "the task with pid 1"),
        ], emits: .subjects, section: .tasks)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let table = try kernel.tasks()
        var tasks = table.tasks
        if !arguments.operands.isEmpty {
            tasks = try arguments.operands.flatMap { try TaskSelection.tasks($0, in: table) }
        }
        if arguments.has("-i") { tasks = kernel.cpus.cpus.compactMap { try? $0.idle } + tasks }
        var states: Set<String>?
        if let word = arguments.value("-y") {
            guard let known = TaskSelection.state(word) else { throw UsageError("ps: no task state is called \(word)") }
            states = known
        }
        let current = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
        let clock = SchedulerClock(kernel.cpus)
        let total = kernel.totalPages
        var rows = tasks.filter { keep($0, states) }
            .map { TaskRow($0, isCurrent: current.contains($0.address), clock: clock, totalPages: total) }
        if arguments.has("-m") { rows.sort { ($0.sinceLastRun ?? .max) < ($1.sinceLastRun ?? .max) } }
        for row in rows {
            for gap in row.gaps { context.gaps.note(gap) }
            try emit(.record(row.record(times: arguments.has("-m"))))
        }
        try Self.disagreements(table, emit)
    }

    /// What the two enumerations do not agree on, and what the walks met.
    static func disagreements(_ table: TaskTable, _ emit: Emit) throws {
        for disagreement in table.disagreements {
            try emit(
                .record(
                    Record(
                        "disagreement",
                        [
                            Field("pid", nil, disagreement.pid.map { .signed(Int64($0)) } ?? .none),
                            Field("task", nil, .address(disagreement.task.rawValue)),
                            Field("text", nil, .text(disagreement.text)),
                        ], presentation: .block(["WARNING: " + disagreement.text]))))
        }
        for anomaly in table.anomalies {
            try emit(
                .record(
                    Record(
                        "anomaly",
                        [
                            Field("node", nil, .address(anomaly.node.rawValue)),
                            Field("text", nil, .text(anomaly.description)),
                        ], presentation: .block(["WARNING: " + anomaly.description]))))
        }
    }

    private func keep(_ task: Task, _ states: Set<String>?) -> Bool {
        if let states, (try? states.contains(task.state.letter)) != true { return false }
        if arguments.has("-G"), (try? task.pid == task.tgid) != true { return false }
        if arguments.has("-k"), (try? task.isKernelThread) != true { return false }
        if arguments.has("-u"), (try? task.isKernelThread) != false { return false }
        return true
    }
}

/// One task as `ps` shows it. A member that cannot be read becomes a gap in its field.
struct TaskRow {
    let task: Task
    let sinceLastRun: UInt64?
    private let fields: [Field]
    private(set) var gaps: [Gap] = []

    init(_ task: Task, isCurrent: Bool, clock: SchedulerClock, totalPages: UInt64?) {
        self.task = task
        var gaps: [Gap] = []
        func read(_ name: String, _ body: () throws -> FieldValue) -> FieldValue {
            do { return try body() } catch {
                gaps.append(Gap("\(name) of task \(task.address)", why: "\(error)"))
                return .gap("\(error)")
            }
        }
        let memory = Result { try TaskMemory.of(task) }
        func pages(_ name: String, _ value: (TaskMemory) -> FieldValue) -> FieldValue {
            read(name) { try memory.get().map(value) ?? .unsigned(0) }
        }
        let since = isCurrent ? 0 : clock.sinceLastRun(task)
        sinceLastRun = since
        let pid = read("pid") { .signed(Int64(try task.pid)) }
        fields = [
            Field("on_cpu", " ", .mark(isCurrent, ">")),
            Field("pid", "PID", pid),
            Field("ppid", "PPID", read("ppid") { .signed(Int64(try task.parentPID)) }),
            Field("tgid", nil, read("tgid") { .signed(Int64(try task.tgid)) }),
            Field("cpu", "CPU", read("cpu") { .signed(Int64(try task.cpu)) }),
            Field("task", "TASK", .address(task.address.rawValue)),
            Field("state", "S", read("state") { .text(try task.state.letter) }),
            Field("st", "ST", read("state") { .text(TaskSelection.twoLetters(try task.state.letter)) }),
            Field("state_name", nil, read("state") { .text(try task.state.name) }),
            Field("kernel_thread", nil, read("flags") { .boolean(try task.isKernelThread) }),
            Field(
                "mem_percent", "%MEM",
                pages("rss") { memory in
                    guard let totalPages, totalPages > 0 else { return .none }
                    return .decimal(Double(memory.residentPages) * 100 / Double(totalPages), digits: 1)
                }),
            Field("vsz_kib", "VSZ", pages("total_vm") { .unsigned($0.virtualPages &* 4) }),
            Field("rss_kib", "RSS", pages("rss") { .unsigned($0.residentPages &* 4) }),
            Field("since_last_run_ns", nil, since.map { .unsigned($0) } ?? .none),
            Field("comm", "COMM", read("comm") { .text(try task.comm) }),
        ]
        self.gaps = gaps
    }

    /// The row; with `times` the time since the task last ran stands first and the memory is left out.
    func record(times: Bool) -> Record {
        guard times else { return Record("task", fields, subject: task.value) }
        let shown = fields.map { field -> Field in
            switch field.name {
            case "mem_percent", "vsz_kib", "rss_kib": return Field(field.name, nil, field.value)
            default: return field
            }
        }
        let when = Field("since_last_run", "SINCE LAST RUN", sinceLastRun.map { .text(elapsed($0)) } ?? .none)
        return Record("task", [when] + shown, subject: task.value)
    }
}

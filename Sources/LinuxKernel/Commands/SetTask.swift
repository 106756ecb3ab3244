// set: the task that the session looks at.

internal import Bytes
package import Pipeline
internal import Target

package struct SetTask: Stage {
    package static let manual = Manual(
        name: "set", synopsis: "[PID|TASK|COMMAND | -c CPU | -p]", summary: "show or choose the current task",
        text: """
            What `bt`, `frame`, `regs` and `dis` begin with. Unless one is chosen it is the task that panicked, or that of \
            the first CPU when nothing panicked. Choosing a task also chooses its innermost frame.
            """,
        options: [
            .init("-c", "CPU", "the task on this CPU"),
            .init("-p", "the task that panicked, or that of the first CPU: as at the start"),
        ],
        examples: [
            .init("set", "the current task"), .init("set 1", "the task with pid 1"),
            .init("set -c 0", "the task on CPU 0"),
        ], section: .tasks)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.count <= 1 else {
            throw UsageError("set: one task; see: help set")
        }
        self.arguments = arguments
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        if arguments.has("-p") {
            context.session.focus = Focus()
        } else if let word = arguments.value("-c") {
            guard let number = Int(word), let cpu = kernel.cpus.cpus.first(where: { $0.number == number }) else {
                throw CommandError("there is no CPU \(word)")
            }
            context.session.focus = Focus(task: try cpu.current.address)
        } else if let word = arguments.operands.first {
            let found = try TaskSelection.tasksOrIdle(word, kernel)
            guard found.count == 1, let task = found.first else {
                let pids = found.prefix(8).map { (try? $0.pid).map { "\($0)" } ?? "?" }.joined(separator: ", ")
                throw CommandError(
                    "\(found.count) tasks are \(word) (pids \(pids)\(found.count > 8 ? ", ..." : "")); name one by its pid"
                )
            }
            context.session.focus = Focus(task: task.address)
        }
        try show(try Focused.task(context.session.focus.task, kernel), kernel, emit)
    }

    private func show(_ task: Task, _ kernel: LinuxKernel, _ emit: Emit) throws {
        let state = (try? task.state.letter) ?? "?"
        let place = kernel.cpus.cpus.contains { (try? $0.current.address) == task.address } ? " (on a CPU)" : ""
        let isPanic = kernel.panicTask?.address == task.address
        let lines = [
            "    PID: \((try? task.pid).map { "\($0)" } ?? "?")",
            "COMMAND: \"\(Escaping.text((try? task.comm) ?? "?"))\"",
            "   TASK: \(hex(task.address.rawValue))",
            "    CPU: \((try? task.cpu).map { "\($0)" } ?? "?")",
            "  STATE: \(TaskSelection.twoLetters(state)) (\(state))\(place)\(isPanic ? " (PANIC)" : "")",
        ]
        let fields = StackOutput.identity(task) + [Field("panicked", nil, .boolean(isPanic))]
        try emit(.record(Record("task", fields, presentation: .block(lines), subject: task.value)))
    }
}

// foreach: one command for many tasks.

package import Pipeline
internal import Bytes
internal import Target

package struct Foreach: Stage {
    package static let manual = Manual(
        name: "foreach", synopsis: "[SELECTION...] bt|ps",
        summary: "run bt or ps for many tasks",
        text: """
            Without a selection: every task. A selection is any number of: a pid, the address of a task_struct, a \
            command name, `kernel` or `user`, `gleader` for thread group leaders, `active` for the tasks on CPUs, or \
            a state (D, or crash's UN). Words of the same kind add up, words of different kinds narrow down.
            """,
        options: [],
        examples: [
            .init("foreach bt", "every stack"), .init("foreach UN bt", "the stacks of uninterruptible tasks"),
            .init("foreach user ps", "the user tasks"),
        ])
    private let selection: [String]
    private let command: String

    package init(_ arguments: Arguments) throws {
        guard let command = arguments.operands.last, ["bt", "ps"].contains(command) else {
            throw UsageError("foreach: ends with the command to run: bt or ps")
        }
        self.command = command
        selection = Array(arguments.operands.dropLast())
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let table = try kernel.tasks()
        let tasks = try select(kernel, table)
        if command == "ps" {
            let clock = SchedulerClock(kernel.cpus)
            let current = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
            for task in tasks {
                let row = TaskRow(
                    task, isCurrent: current.contains(task.address), clock: clock, totalPages: kernel.totalPages)
                for gap in row.gaps { context.gaps.note(gap) }
                try emit(.record(row.record(times: false)))
            }
        } else {
            let reader = StackReader(kernel)
            for task in tasks { try StackOutput.emit(task, kernel, context, emit) { try reader.stack(of: task) } }
        }
        try Ps.disagreements(table, emit)
    }

    private func select(_ kernel: LinuxKernel, _ table: TaskTable) throws -> [Task] {
        var named: Set<VirtualAddress>?
        var states: Set<String>?
        var kernelOnly: Bool?
        var leaders = false
        var active: Set<VirtualAddress>?
        for word in selection {
            switch word {
            case "kernel": kernelOnly = true
            case "user": kernelOnly = false
            case "gleader": leaders = true
            case "active": active = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
            default:
                if let state = TaskSelection.state(word) {
                    states = (states ?? []).union(state)
                } else {
                    named = (named ?? []).union(try TaskSelection.tasks(word, in: table).map(\.address))
                }
            }
        }
        return table.tasks.filter { task in
            if let named, !named.contains(task.address) { return false }
            if let active, !active.contains(task.address) { return false }
            if let states, (try? states.contains(task.state.letter)) != true { return false }
            if let kernelOnly, (try? task.isKernelThread) != kernelOnly { return false }
            return !leaders || (try? task.pid == task.tgid) == true
        }
    }
}

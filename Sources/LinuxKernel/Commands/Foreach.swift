// foreach: one command for many tasks.

package import Pipeline
internal import Bytes
internal import Target

package struct Foreach: Stage {
    package static let manual = Manual(
        name: "foreach", synopsis: "[SELECTION...] COMMAND [ARGUMENTS]",
        summary: "run a command for many tasks, or for what another command says",
        text: """
            Without a selection: every task. A selection is any number of: a pid, the address of a task_struct, a \
            command name, `kernel` or `user`, `gleader` for thread group leaders, `active` for the tasks on CPUs, or \
            a state (D, or crash's UN). Words of the same kind add up, words of different kinds narrow down.

            Behind a bar there is no selection: the command runs for each item that flows by. The task's or the item's \
            address stands for $it in the command's words, else behind them if the command takes an address; a task is \
            also what the command finds as the current one.
            """,
        options: [],
        examples: [
            .init("foreach bt", "every stack"), .init("foreach UN bt", "the stacks of uninterruptible tasks"),
            .init("foreach user ps", "the user tasks"),
            .init("ps -y D | foreach struct task_struct.comm $it", "a command for each"),
        ], takesExpression: true, accepts: .addresses, emits: .anything, section: .tasks)
    private let text: String
    private let words: [Word]
    private let hasInput: Bool

    package init(_ arguments: Arguments) throws {
        hasInput = arguments.hasInput
        text = arguments.text
        words = try LineSplitter.words(text)
        guard !words.isEmpty else { throw UsageError("foreach: which command? See: help foreach") }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard let address = try datum.address() else { throw UsageError("foreach: what flows here has no address") }
        var isTask = false
        if case .record(let record) = datum, record.kind == "task" || record.kind == "stack" { isTask = true }
        var operand = "0x" + hex(address.rawValue)
        if case .number(let number) = datum { operand = "\(number)" }
        try run(text, words[0].text, operand, task: isTask ? address : nil, context, emit)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        guard !hasInput else { return }
        let known = context.session.definitions
        guard let start = words.firstIndex(where: { context.catalog[$0.text] != nil || known[$0.text] != nil })
        else {
            throw UsageError("foreach: ends with the command to run: foreach UN bt")
        }
        let kernel = try linux(context)
        let table = try kernel.tasks()
        let tasks = try select(words[..<start].map(\.text), kernel, table)
        let command = String(decoding: Array(text.utf8)[words[start].range.lowerBound...], as: UTF8.self)
        if command == "ps" {
            try list(tasks, kernel, context, emit)
        } else if command == "bt" {
            let reader = StackReader(kernel)
            let output = StackOutput(kernel, context, arguments: true)
            for task in tasks { try output.emit(task, emit) { try reader.stack(of: task) } }
        } else {
            for task in tasks {
                let operand = "0x" + hex(task.address.rawValue)
                try run(command, words[start].text, operand, task: task.address, context, emit)
            }
        }
        try Ps.disagreements(table, emit)
    }

    private func list(_ tasks: [Task], _ kernel: LinuxKernel, _ context: Context, _ emit: Emit) throws {
        let clock = SchedulerClock(kernel.cpus)
        let current = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
        for task in tasks {
            let row = TaskRow(
                task, isCurrent: current.contains(task.address), clock: clock, totalPages: kernel.totalPages)
            for gap in row.gaps { context.gaps.note(gap) }
            try emit(.record(row.record(times: false)))
        }
    }

    /// One command for one operand, with the task as the focus while it runs.
    private func run(
        _ command: String, _ name: String, _ operand: String, task: VirtualAddress?, _ context: Context,
        _ emit: Emit
    ) throws {
        var line = command
        if command.contains("$it") {
            line = command.split(separator: "$it", omittingEmptySubsequences: false).joined(separator: operand)
        } else if context.catalog[name]?.manual.takesOperand == true {
            line += " " + operand
        }
        let nested = context.nested()
        guard nested.depth < 8 else { throw UsageError("foreach: commands are nested too deeply") }
        let focus = context.session.focus
        if let task { context.session.focus = Focus(task: task) }
        defer { context.session.focus = focus }
        do {
            try Pipeline(line, nested).run(nested, emit: emit)
        } catch let error as CommandError {
            // What cannot be told of one is no reason to leave out the others.
            context.gaps.note(Gap(line, why: error.description))
        } catch let error as ValueError {
            context.gaps.note(Gap(line, why: error.description))
        }
    }

    private func select(_ selection: [String], _ kernel: LinuxKernel, _ table: TaskTable) throws -> [Task] {
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

// task: a task's structures, whole or some of their members.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct TaskStage: Stage {
    package static let manual = Manual(
        name: "task", synopsis: "[-R MEMBER[,MEMBER]...] [-x | -d] [PID|TASK|COMMAND]...",
        summary: "a task's task_struct and thread_info",
        text: "Without a word: the current task (see: help set).",
        options: [
            .init("-R", "MEMBERS", "Only these members, separated by commas; a member may be a path"),
            .init("-x", "Numbers in hexadecimal"),
            .init("-d", "Numbers in decimal, which is how they are shown anyway"),
        ],
        examples: [
            .init("task -R pid,comm 1", "two members of the first process"),
            .init("task -x -R thread_info,se.exec_start", "of the current task, in hexadecimal"),
        ], takesOperand: true)
    private let words: [String]
    private let members: [MemberPath]
    private let isHexadecimal: Bool

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        isHexadecimal = arguments.has("-x") && !arguments.has("-d")
        do {
            members = try (arguments.value("-R") ?? "").split(separator: ",").map { try MemberPath(String($0)) }
        } catch {
            throw UsageError("task: -R: \(error)")
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        var tasks = try words.flatMap { try TaskSelection.tasksOrIdle($0, kernel) }
        if words.isEmpty { tasks = [try Focused.task(context.session.focus.task, kernel)] }
        for task in tasks {
            if context.isInterrupted() { throw Interrupted() }
            try show(task, context, emit)
        }
    }

    /// Seen through the types that the user names: those of the symbol file when there is one.
    private func show(_ task: Task, _ context: Context, _ emit: Emit) throws {
        let value = try context.target.object(.structure, "task_struct", at: task.address)
        var options = FormatOptions()
        options.hexadecimal = isHexadecimal
        let formatter = ValueFormatter(options)
        var lines = [StackOutput.heading(task)]
        var fields = StackOutput.identity(task)
        if members.isEmpty {
            let tree = formatter.tree(value)
            ValueFields.note(tree, "task_struct at \(task.address)", context.gaps)
            lines.append("struct task_struct " + formatter.lines(tree).joined(separator: "\n"))
            fields.append(Field("value", nil, ValueFields.field(tree)))
            if !value.has("thread_info"), let info = try? value["stack"].pointer(), !info.isNull,
                let place = try? context.target.object(.structure, "thread_info", at: info)
            {
                // Until THREAD_INFO_IN_TASK it lies at the bottom of the stack.
                lines += ["struct thread_info " + formatter.text(place)]
            }
        }
        var shown: [Field] = []
        for path in members {
            let tree = formatter.tree(try path.apply(to: value))
            ValueFields.note(tree, "\(path) of task \(task.address)", context.gaps)
            var text = formatter.lines(tree)
            text[0] = "\(path) = \(text[0])"
            lines += text.map { "  " + $0 }
            shown.append(Field(path.description, nil, ValueFields.field(tree)))
        }
        if !members.isEmpty {
            fields.append(Field("members", nil, .record(Record("members", shown, presentation: .none))))
        }
        try emit(.record(Record("task", fields, presentation: .block(lines + [""]), subject: value)))
    }
}

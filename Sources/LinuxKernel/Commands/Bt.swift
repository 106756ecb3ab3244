// bt: the stack of a task or of a CPU.

internal import Bytes
package import Pipeline
internal import Target
internal import Unwind

package struct Bt: Stage {
    package static let manual = Manual(
        name: "bt", synopsis: "[-a | -c CPU | PID|TASK|COMMAND...]", summary: "kernel stacks",
        text: """
            Without a word: the stack of the task that panicked, or of the task on the first CPU when nothing \
            panicked. Each line is a function, inlined ones too: stack pointer, function and offset, the address at \
            which it goes on, module, source line. Stacks go through interrupts and exceptions and end at the entry \
            from user space, at the start of a kernel thread, or with the reason why they cannot be followed.
            """,
        options: [
            .init("-a", nil, "the task on each CPU"), .init("-c", "CPU", "the task on this CPU; repeatable"),
        ],
        examples: [
            .init("bt", "the task that panicked"), .init("bt -a", "what each CPU was doing"),
            .init("bt 1", "the stack of pid 1"),
        ], emits: .subjects, takesOperand: true)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let reader = StackReader(kernel)
        if arguments.has("-a") || arguments.has("-c") {
            let wanted = try arguments.all("-c").map { word -> Int in
                guard let number = Int(word) else { throw UsageError("bt: \(word) is no CPU number") }
                return number
            }
            for number in wanted where !kernel.cpus.cpus.contains(where: { $0.number == number }) {
                throw CommandError("there is no CPU \(number)")
            }
            for cpu in kernel.cpus.cpus where arguments.has("-a") || wanted.contains(cpu.number) {
                try StackOutput.emit(try cpu.current, kernel, context, emit) { try reader.stack(of: cpu) }
            }
            return
        }
        var tasks: [Task] = []
        if arguments.operands.isEmpty {
            let first = kernel.panicTask ?? (try? kernel.cpus.cpus.first?.current)
            guard let first else { throw CommandError("no CPU has a task; name one: bt PID") }
            tasks = [first]
        } else {
            // Idle tasks are on no list, and are named by their addresses.
            let table = try kernel.tasks()
            let idle = kernel.cpus.cpus.compactMap { try? $0.idle }
            for word in arguments.operands {
                let digits = word.hasPrefix("0x") ? String(word.dropFirst(2)) : word
                if let match = idle.first(where: { hex($0.address.rawValue) == digits }) {
                    tasks.append(match)
                } else {
                    tasks += try TaskSelection.tasks(word, in: table)
                }
            }
        }
        for task in tasks { try StackOutput.emit(task, kernel, context, emit) { try reader.stack(of: task) } }
    }
}

/// Stacks as records, for every command that shows them.
struct StackOutput {
    /// Emits the stack that `make` gives; when it gives none, the reason, and a gap.
    static func emit(
        _ task: Task, _ kernel: LinuxKernel, _ context: Context, _ emit: Emit, make: () throws -> TaskStack
    ) throws {
        let heading = Self.heading(task)
        do {
            let listing = StackListing(try make(), kernel.model)
            if let why = listing.stack.stack.end.whyStopped {
                context.gaps.note(Gap("the rest of the stack of task \(Self.name(task))", why: why))
            }
            try emit(
                .record(
                    Record(
                        "stack", identity(task) + listing.fields,
                        presentation: .block([heading] + listing.lines() + [""]), subject: task.value)))
        } catch let error as ValueError {
            context.gaps.note(Gap("the stack of task \(Self.name(task))", why: error.description))
            try emit(
                .record(
                    Record(
                        "stack",
                        identity(task) + [
                            Field("frames", nil, .list([])), Field("error", nil, .gap(error.description)),
                        ], presentation: .block([heading, "    (no stack: \(error))", ""]))))
        }
    }

    static func name(_ task: Task) -> String {
        let pid = (try? task.pid).map { "\($0)" } ?? "\(task.address)"
        return "\(pid) (\((try? task.comm) ?? "?"))"
    }

    static func heading(_ task: Task) -> String {
        let pid = (try? task.pid).map { "\($0)" } ?? "?"
        let cpu = (try? task.cpu).map { "\($0)" } ?? "?"
        let state = (try? task.state.letter) ?? "?"
        return
            "PID: \(pid)  TASK: \(hex(task.address.rawValue))  CPU: \(cpu)  ST: \(state)  COMMAND: \"\((try? task.comm) ?? "?")\""
    }

    static func identity(_ task: Task) -> [Field] {
        [
            Field("pid", nil, (try? task.pid).map { .signed(Int64($0)) } ?? .gap("unreadable")),
            Field("task", nil, .address(task.address.rawValue)),
            Field("cpu", nil, (try? task.cpu).map { .signed(Int64($0)) } ?? .gap("unreadable")),
            Field("state", nil, (try? task.state.letter).map { .text($0) } ?? .gap("unreadable")),
            Field("comm", nil, (try? task.comm).map { .text($0) } ?? .gap("unreadable")),
        ]
    }
}

// bt: the stack of a task or of a CPU.

internal import Bytes
internal import Capabilities
internal import Machine
package import Pipeline
internal import Target
internal import Unwind

package struct Bt: Stage {
    package static let manual = Manual(
        name: "bt", synopsis: "[-l] [-f] [-g] [-N] [-a | -c CPU | PID|TASK|COMMAND...]", summary: "kernel stacks",
        text: """
            Without a word: the stack of the current task, see `set`: unless one was chosen the task that panicked, or \
            the task on the first CPU when nothing panicked. Each line is a function, inlined ones too: stack pointer, function and offset, the address at \
            which it goes on, module, source line. Stacks go through interrupts and exceptions and end at the entry \
            from user space, at the start of a kernel thread, or with the reason why they cannot be followed. An address \
            that no call stands before is marked: nothing returns there, unless a tracer put it in its place. With \
            --json each stack has the names of its functions in `stack`: foreach bt | group-by stack.

            Below a function stand its arguments: their values where the frame goes on, behind @entry those that the \
            function was called with, where they differ or only they are known; ? where nothing tells. [d] is derived, \
            [r] read again from memory as it is in the dump, [g] guessed; without a mark it is exact. See locals.
            """,
        options: [
            .init("-l", "source lines on lines of their own"),
            .init("-f", "the memory of each frame, word by word: saved registers, symbols, objects; also -F"),
            .init("-F", "the same as -f"), .init("-s", "symbols with offsets, as always"),
            .init("-g", nil, "how each argument was found"), .init("-N", nil, "without arguments"),
            .init("-a", nil, "the task on each CPU"), .init("-c", "CPU", "the task on this CPU; repeatable"),
        ],
        examples: [
            .init("bt", "the task that panicked"), .init("bt -a", "what each CPU was doing"),
            .init("bt 1", "the stack of pid 1"), .init("bt -f 1", "the same with the memory of each frame"),
        ], emits: .subjects, takesOperand: true, section: .tasks)
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    /// What the notes of a dump have of the CPUs, where nothing tells which tasks run on them.
    static func untold(
        _ kernel: LinuxKernel, _ wanted: [Int], _ failure: String, _ context: Context, _ emit: Emit
    ) throws {
        guard !kernel.states.isEmpty else {
            throw CommandError("what runs on the CPUs cannot be told, and the dump has no registers: \(failure)")
        }
        context.gaps.note(Gap("which tasks run on the CPUs", why: failure))
        let reader = StackReader(kernel)
        for (number, state) in kernel.states.enumerated() where wanted.isEmpty || wanted.contains(number) {
            let listing = StackListing(reader.stack(of: state, number: number), kernel.model)
            let lines =
                ["CPU: \(number)  (the dump's note \(state.source); of which task is not known)"] + listing.lines()
            let frames = listing.frames.map { frame in
                FieldValue.text("\(frame.symbol ?? "?")+0x\(hex(frame.offset ?? 0))")
            }
            try emit(
                .record(
                    Record(
                        "cpu_stack", [Field("cpu", nil, .signed(Int64(number))), Field("frames", nil, .list(frames))],
                        presentation: .block(lines + [""]))))
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let reader = StackReader(kernel)
        let output = StackOutput(
            kernel, context, separateLines: arguments.has("-l"), memory: arguments.has("-f") || arguments.has("-F"),
            arguments: !arguments.has("-N"), steps: arguments.has("-g"))
        if arguments.has("-a") || arguments.has("-c") {
            let wanted = try arguments.all("-c").map { word -> Int in
                guard let number = Int(word) else { throw UsageError("bt: \(word) is no CPU number") }
                return number
            }
            if let failure = kernel.cpus.failure { return try Self.untold(kernel, wanted, failure, context, emit) }
            for number in wanted where !kernel.cpus.cpus.contains(where: { $0.number == number }) {
                throw CommandError("there is no CPU \(number)")
            }
            for cpu in kernel.cpus.cpus where arguments.has("-a") || wanted.contains(cpu.number) {
                try output.emit(try cpu.current, emit) { try reader.stack(of: cpu) }
            }
            return
        }
        var tasks: [Task] = []
        if arguments.operands.isEmpty, let failure = kernel.cpus.failure {
            return try Self.untold(kernel, [], failure, context, emit)
        }
        if arguments.operands.isEmpty {
            guard let task = try? Focused.task(context.session.focus.task, kernel) else {
                throw CommandError("no CPU has a task; name one: bt PID")
            }
            tasks = [task]
        } else {
            for word in arguments.operands { tasks += try TaskSelection.tasksOrIdle(word, kernel) }
        }
        for task in tasks { try output.emit(task, emit) { try reader.stack(of: task) } }
    }
}

/// Stacks as records, for every command that shows them.
struct StackOutput {
    private let kernel: LinuxKernel
    private let context: Context
    private let separateLines: Bool
    private let showsMemory: Bool
    private let showsArguments: Bool
    private let showsSteps: Bool

    init(
        _ kernel: LinuxKernel, _ context: Context, separateLines: Bool = false, memory: Bool = false,
        arguments: Bool = false, steps: Bool = false
    ) {
        showsArguments = arguments
        showsSteps = steps
        self.kernel = kernel
        self.context = context
        self.separateLines = separateLines
        showsMemory = memory
    }

    /// Emits the stack of a task as `foreach` and the report show it.
    static func emit(
        _ task: Task, _ kernel: LinuxKernel, _ context: Context, _ emit: Emit, make: () throws -> TaskStack
    ) throws { try StackOutput(kernel, context).emit(task, emit, make: make) }

    /// Emits the stack that `make` gives; when it gives none, the reason, and a gap.
    func emit(_ task: Task, _ emit: Emit, make: () throws -> TaskStack) throws {
        let heading = Self.heading(task)
        do {
            let listing = StackListing(try make(), kernel.model)
            if let why = listing.stack.stack.end.whyStopped {
                context.gaps.note(Gap("the rest of the stack of task \(Self.name(task))", why: why))
            }
            let identifier = kernel.capability((any AddressIdentifier).self)
            let words = FrameWords(listing, showsMemory ? FrameMemory(kernel.model, task, identifier) : nil)
            let values = FrameArguments(
                listing, showsArguments ? StackValues(listing, kernel) : nil, steps: showsSteps)
            try emit(
                .record(
                    Record(
                        "stack", Self.identity(task) + listing.fields + values.fields + words.fields,
                        presentation: .block(
                            [heading]
                                + listing.lines(separateLines: separateLines) { values.lines($0) + words.lines($0) }
                                + [""]),
                        subject: task.value)))
        } catch let error as ValueError {
            context.gaps.note(Gap("the stack of task \(Self.name(task))", why: error.description))
            try emit(
                .record(
                    Record(
                        "stack",
                        Self.identity(task) + [
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

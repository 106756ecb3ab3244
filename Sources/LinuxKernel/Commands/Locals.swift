// locals: parameters and local variables of a frame, each with how it was found.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Recovery
internal import Target
internal import Unwind

package struct Locals: Stage {
    package static let manual = Manual(
        name: "locals", synopsis: "[-a] [-p] [-g] [-e] [-f N] [PID|TASK|COMMAND...]",
        summary: "parameters and local variables of a frame",
        text: """
            Of the frame that was chosen with frame, up or down, else of the innermost one with a name; -a: of all \
            frames. Without a task: of the chosen one, else of the one that panicked. A parameter has two values: what \
            it is where the frame goes on, and behind @entry what it was when the function was entered, shown where it \
            differs or where only that is known.

            Behind a value stands how far it can be trusted. Nothing: a register, a stack slot or a constant holds it. \
            derived: computed from such, or told by the call site. re-read: memory as it is in the dump, which may have \
            changed since the code read it. guess: likely. A variable without a value says why it has none. Without \
            DWARF the parameters are those that the kernel's own types know, as they were at the entry.
            """,
        options: [
            .init("-a", nil, "every frame of the stack"), .init("-p", nil, "parameters alone"),
            .init("-g", nil, "the steps by which each value was found"),
            .init("-e", nil, "each variable as a record of its own, for the next stage of a pipeline"),
            .init("-f", "N", "frame N, numbered as bt does"),
        ],
        examples: [
            .init("locals -a 1", "all variables of the stack of pid 1"),
            .init("locals -p -g -a 1", "its parameters, and how each was found"),
            .init("locals -e -a 1 | filter .type == 'struct task_struct *' | .comm", "the tasks in its variables"),
        ], emits: .subjects, takesOperand: true, section: .tasks)
    private let arguments: Arguments
    private let frame: Int?

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        frame = try arguments.all("-f").last.map { word in
            guard let number = Int(word), number >= 0 else { throw UsageError("locals: \(word) is no frame number") }
            return number
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let reader = StackReader(kernel)
        let tasks = try selected(kernel, context)
        for task in tasks {
            let stack = try reader.stack(of: task)
            let listing = StackListing(stack, kernel.model)
            let values = StackValues(listing, kernel)
            var shown = false
            var number = 0
            let wanted = frame ?? (arguments.has("-a") ? nil : context.session.focus.frame)
            for index in stack.stack.frames.indices {
                let count = listing.functions(ofFrame: index)
                let range = number..<(number + count)
                number += count
                if let wanted, !range.contains(wanted) { continue }
                let functions = values.values(ofFrame: index).functions
                for (place, function) in functions.enumerated() {
                    let frameNumber = range.lowerBound + place
                    if let wanted, wanted != frameNumber, functions.count == count { continue }
                    guard frameNumber < listing.frames.count else { continue }
                    try show(function, listing.frames[frameNumber], frameNumber, task, values, emit)
                    shown = true
                }
            }
            if let wanted, wanted >= number { throw CommandError("the stack has no frame \(wanted)") }
            if !shown, !arguments.has("-a") { throw CommandError("no debug information covers this frame") }
        }
    }

    private func selected(_ kernel: LinuxKernel, _ context: Context) throws -> [Task] {
        if arguments.operands.isEmpty {
            let focus = context.session.focus.task.flatMap { address in
                (try? kernel.model.object(.structure, "task_struct", at: address)).map { Task($0) }
            }
            guard let task = focus ?? kernel.panicTask ?? (try? kernel.cpus.cpus.first?.current) else {
                throw CommandError("no CPU has a task; name one: locals PID")
            }
            return [task]
        }
        let table = try kernel.tasks()
        return try arguments.operands.flatMap { try TaskSelection.tasks($0, in: table) }
    }

    private func show(
        _ function: FunctionValues, _ frame: ListedFrame, _ number: Int, _ task: Task, _ values: StackValues,
        _ emit: Emit
    ) throws {
        let shown = function.parameters + (arguments.has("-p") ? [] : function.locals)
        let index = number < 10 ? " #\(number)" : "#\(number)"
        var lines = ["\(index) \(function.function)\(function.isInlined ? " (inlined)" : "")"]
        var fields: [FieldValue] = []
        if arguments.has("-e") {
            for value in shown { try emit(.record(Self.single(value, function, number, task))) }
            return
        }
        for value in shown {
            let text = ValueText(value, steps: arguments.has("-g") ? values.steps : nil)
            lines += text.lines.map { "    " + $0 }
            fields.append(.record(text.record))
        }
        if shown.isEmpty { lines.append("    (none)") }
        let identity = [
            Field("pid", nil, (try? task.pid).map { .signed(Int64($0)) } ?? .gap("unreadable")),
            Field("task", nil, .address(task.address.rawValue)), Field("frame", nil, .signed(Int64(number))),
            Field("function", nil, .text(function.function)), Field("inlined", nil, .boolean(function.isInlined)),
            Field("pc", nil, .address(frame.programCounter.rawValue)), Field("variables", nil, .list(fields)),
        ]
        try emit(.record(Record("locals", identity, presentation: .block(lines))))
    }
}

extension Locals {
    /// One variable with where it belongs; it tells about what it is or points to.
    private static func single(
        _ value: NamedValue, _ function: FunctionValues, _ number: Int, _ task: Task
    ) -> Record {
        let text = ValueText(value, steps: nil)
        let known = (value.now ?? value.atEntry)?.value
        var subject = known
        if let known, case .pointer? = try? known.strippedType { subject = try? known.pointee() }
        let place = [
            Field("pid", "PID", (try? task.pid).map { .signed(Int64($0)) } ?? .gap("unreadable")),
            Field("frame", "FRAME", .signed(Int64(number))), Field("function", "FUNCTION", .text(function.function)),
            Field("variable", "VARIABLE", .text(text.lines.first ?? value.name)),
        ]
        return Record("variable", place + text.record.fields, subject: subject)
    }
}

/// A variable as text and as a record.
struct ValueText {
    let lines: [String]
    let record: Record

    init(_ value: NamedValue, steps: ((Derivation) -> [String])?) {
        var lines: [String] = []
        var fields = [
            Field("name", nil, .text(value.name)), Field("type", nil, value.typeName.map { .text($0) } ?? .none),
            Field("parameter", nil, .boolean(value.isParameter)),
        ]
        let now = value.now.map { Self.text($0) }
        let entry = value.atEntry.map { Self.text($0) }
        func add(_ name: String, _ graded: GradedValue, _ text: String) {
            var line = "\(name) = \(text)"
            if graded.grade != .exact { line += "  [\(graded.grade.name)]" }
            lines.append(line)
            if let steps { lines += steps(graded.derivation).map { "    - \($0)" } }
        }
        if let graded = value.now, let now { add(value.name, graded, now) }
        if let graded = value.atEntry, let entry, entry != now || steps != nil {
            add("\(value.name)@entry", graded, entry)
        }
        if lines.isEmpty {
            lines.append("\(value.name): \(value.absenceAtEntry ?? value.absence ?? "optimised out")")
        }
        fields += Self.fields("", value.now, value.absence)
        if value.isParameter { fields += Self.fields("entry_", value.atEntry, value.absenceAtEntry) }
        self.lines = lines
        record = Record("variable", fields)
    }

    private static func fields(_ prefix: String, _ graded: GradedValue?, _ absence: String?) -> [Field] {
        guard let graded else {
            return [Field(prefix + "value", nil, .gap(absence ?? "not known"))]
        }
        var fields = [
            Field(prefix + "value", nil, bits(graded.value)), Field(prefix + "grade", nil, .text(graded.grade.name)),
        ]
        if let address = try? graded.value.address {
            fields.append(Field(prefix + "address", nil, .address(address.rawValue)))
        }
        return fields
    }

    /// The number that a scalar is, without its sign; a larger value as text.
    private static func bits(_ value: Value) -> FieldValue {
        if let number = try? value.unsigned() {
            if case .pointer? = try? value.strippedType { return .address(number) }
            return .unsigned(number)
        }
        return .text(text(value))
    }

    static func text(_ graded: GradedValue) -> String { text(graded.value) }

    /// One line, whatever it is: a structure by its address.
    static func text(_ value: Value) -> String {
        switch try? value.strippedType {
        case .aggregate?, .array?, .incomplete?:
            if let address = try? value.address { return "{...} at \(address)" }
            return "{...}"
        default:
            let formatter = ValueFormatter()
            return formatter.lines(formatter.tree(value)).first ?? "?"
        }
    }
}

// print: the value of a C expression.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Print: Stage {
    package static let manual = Manual(
        name: "print", aliases: ["p"], synopsis: "[-x] [-d] EXPRESSION", summary: "the value of a C expression",
        text: """
            The expression may use variables, enumerators, casts, members (. and -> alike), subscripts, arithmetic, \
            comparisons, sizeof and ?:, and besides

            per_cpu(NAME, CPU): a CPU's copy of a per-CPU variable; per_cpu_ptr(POINTER, CPU): the same for a pointer; \
            container_of(POINTER, TYPE, MEMBER); offsetof(TYPE, MEMBER).

            An address of more than eight hexadecimal digits needs no 0x. Structures are shown whole; a member that \
            cannot be read says so in its place. Nothing in the target is changed or called.

            NAME:CPUS shows a per-CPU variable's copies: runqueues:0, runqueues:0-3,7, runqueues:a for all.

            Of a variable whose type nothing tells (a kernel's BTF has the types of few variables) the address and the \
            first bytes are shown; (TYPE)NAME reads it as that type.
            """,
        options: [
            .init("-x", "Integers in hexadecimal"),
            .init("-d", "Integers in decimal, which is how they are shown anyway"),
        ],
        examples: [
            .init("print jiffies", "a variable"), .init("print &init_task", "an address, with its type"),
            .init("print init_task.comm", "a member"),
            .init("print per_cpu(runqueues, 1).curr->comm", "what CPU 1 was running"),
            .init("print -x sizeof(struct task_struct)", "in hexadecimal"),
            .init("ps 1 | .comm | print", "what flows by, each with its type"),
        ], takesExpression: true, accepts: .anything)

    let text: String
    let options: FormatOptions
    private let hasInput: Bool

    package init(_ arguments: Arguments) throws {
        hasInput = arguments.hasInput
        text = arguments.text
        var options = FormatOptions()
        options.hexadecimal = arguments.has("-x") && !arguments.has("-d")
        self.options = options
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        // Behind a bar everything was said already.
        guard !hasInput else { return }
        if let copies = try CPUSpec.split(text, context.target) {
            for cpu in copies.cpus { try show("per_cpu(\(copies.name), \(cpu))", context, emit) }
            return
        }
        try show(text, context, emit)
    }

    private func show(_ text: String, _ context: Context, _ emit: Emit) throws {
        let value = try context.target.evaluate(text)
        if value.isUntyped {
            let untyped = try Untyped(text, value)
            untyped.note(context.gaps)
            return try emit(.record(untyped.record))
        }
        let formatter = ValueFormatter(options)
        let tree = formatter.tree(value)
        // A value that cannot be read at all is no answer.
        if let reason = tree.onlyGap { throw CommandError("\(text): \(reason)") }
        ValueFields.note(tree, text, context.gaps)
        var lines = formatter.lines(tree)
        lines[0] = "(\(value.typeName)) \(lines[0])"
        let fields = [
            Field("expression", nil, .text(text)), Field("type", nil, .text(value.typeName)),
            Field("address", nil, (try? value.address).map { .address($0.rawValue) } ?? .none),
            Field("value", nil, ValueFields.field(tree)),
        ]
        try emit(.record(Record("value", fields, presentation: .block(lines))))
    }
}

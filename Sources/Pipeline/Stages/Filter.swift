// filter: lets through what a condition holds for.

package struct Filter: Stage {
    package static let manual = Manual(
        name: "filter", aliases: ["where"], synopsis: "CONDITION", summary: "let through what a condition holds for",
        text: """
            In the condition `.NAME` is a field of the record that flows by, as JSON names it, or a member of the object \
            that it tells about, and goes on as in C: .mm->owner.comm, .cpus_mask.bits[0]. Operators are C's; besides, \
            =~ and !~ look for text, with * and ? for the whole of it. A word that is compared with is the enumerator, \
            the symbol or the text that fits: .state == D, .i_fop == ext4_file_operations.

            What cannot be read neither passes nor fails: it is left out, and counted below the output.
            """,
        examples: [
            .init("ps | filter .state == D && .mm != 0", "user tasks in uninterruptible sleep"),
            .init("ps | filter .comm =~ kworker | count", "how many kernel workers there are"),
        ], takesExpression: true, accepts: .anything, emits: .same, needsInput: true)
    private let measure: Measure

    package init(_ arguments: Arguments) throws {
        guard !arguments.text.isEmpty else { throw UsageError("filter: a condition is missing; see: help filter") }
        measure = Measure(try Formula(arguments.text))
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard let item = try measure.plain(datum, context), try item.isTrue() else { return }
        try emit(datum)
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try measure.finish(context) }
}

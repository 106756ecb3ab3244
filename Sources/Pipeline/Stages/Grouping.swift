// group-by, histogram: how often each value occurs.

internal import Bytes
internal import Target

package struct GroupBy: Stage {
    package static let manual = Manual(
        name: "group-by", aliases: ["group"], synopsis: "[-s FORMULA] FORMULA[, FORMULA]...",
        summary: "how many items have the same value",
        text: """
            A record for each value, the most frequent first, with the number of items, and with -s the sum of another \
            formula over them. A formula that is one word is a field: group-by state. Keeps one entry for each value in \
            memory.
            """,
        options: [.init("-s", "FORMULA", "also the sum of this formula; in quotes if it has blanks")],
        examples: [
            .init("ps | group-by state", "how many tasks there are in each state"),
            .init("ps -u | group-by -s .rss_kib comm", "the memory of each program"),
        ], takesExpression: true, accepts: .anything, emits: .records, needsInput: true)
    private final class Group {
        let fields: [Field]
        var count: UInt64 = 0
        var sum: Int128 = 0

        init(_ fields: [Field]) { self.fields = fields }
    }
    private final class State {
        var groups: [String: Int] = [:]
        var order: [Group] = []
    }
    private let state = State()
    private let measures: [Measure]
    private let sum: Measure?

    package init(_ arguments: Arguments) throws {
        guard !arguments.text.isEmpty else { throw UsageError("group-by: by what? A field's name or a formula") }
        measures = try Formula.list(arguments.text).map { Measure($0) }
        sum = try arguments.value("-s").map { Measure(try Formula($0)) }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        var items: [Item] = []
        for measure in measures {
            guard let item = try measure.plain(datum, context) else { return }
            items.append(item)
        }
        let key = try items.count == 1 ? items[0].key() : items.map { try $0.key() }.joined(separator: "\u{1f}")
        let group: Group
        if let index = state.groups[key] {
            group = state.order[index]
        } else {
            let fields = zip(measures, items).map { Field($0.label, $0.label.uppercased(), $1.field) }
            group = Group(fields)
            state.groups[key] = state.order.count
            state.order.append(group)
        }
        group.count &+= 1
        if let sum, let number = try sum.plain(datum, context)?.number() {
            group.sum = group.sum.addingReportingOverflow(number).partialValue
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for measure in measures + (sum.map { [$0] } ?? []) { try measure.finish(context) }
        for group in state.order.sorted(by: { $0.count > $1.count }) {
            var fields = [Field("count", "COUNT", .unsigned(group.count))]
            if let sum { fields.append(Field("sum", "SUM \(sum.label)", Item.integer(group.sum).field)) }
            try emit(.record(Record("group", fields + group.fields)))
        }
    }
}

package struct Histogram: Stage {
    package static let manual = Manual(
        name: "histogram", synopsis: "[FORMULA]", summary: "how numbers are distributed",
        text: "Buckets are powers of two; a number below zero stands in one of its own.",
        examples: [.init("ps -u | histogram .rss_kib", "how large processes are")], takesExpression: true,
        accepts: .anything, emits: .records, needsInput: true)
    private final class State {
        /// By the number of bits; 0 holds zero, -1 what is negative.
        var buckets: [Int: UInt64] = [:]
    }
    private let state = State()
    private let measure: Measure

    package init(_ arguments: Arguments) throws { measure = Measure(try orIdentity(arguments.text)) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard let item = try measure.plain(datum, context) else { return }
        if case .nothing = item { return }
        var number = try item.number()
        if case .decimal(let decimal) = item { number = Int128(exactly: decimal.rounded(.down)) }
        guard let number else { throw UsageError("histogram: \(try item.key()) is not a number") }
        let bucket = number < 0 ? -1 : 128 - UInt128(number).leadingZeroBitCount
        state.buckets[bucket, default: 0] &+= 1
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try measure.finish(context)
        guard let first = state.buckets.keys.min(), let last = state.buckets.keys.max() else { return }
        let most = state.buckets.values.max() ?? 1
        for bucket in first...last {
            let count = state.buckets[bucket] ?? 0
            let low = bucket <= 0 ? 0 : Int128(1) << (bucket - 1)
            let high = bucket <= 0 ? 0 : (Int128(1) << bucket) - 1
            let bar = String(repeating: "#", count: Int((count * 40 + most - 1) / max(most, 1)))
            try emit(
                .record(
                    Record(
                        "bucket",
                        [
                            Field("low", "FROM", bucket < 0 ? .text("below 0") : Item.integer(low).field),
                            Field("high", "TO", bucket < 0 ? .none : Item.integer(high).field),
                            Field("count", "COUNT", .unsigned(count)), Field("bar", "", .text(bar)),
                        ])))
        }
    }
}

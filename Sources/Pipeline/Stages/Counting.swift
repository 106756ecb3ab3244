// count, sum, min, max: many items become one.

internal import Target

package struct Count: Stage {
    package static let manual = Manual(
        name: "count", synopsis: "", summary: "how many items flow by",
        text: "What could not be read is not counted; it is told below the number.",
        examples: [.init("ps | count", "the number of tasks")], accepts: .anything, emits: .numbers, needsInput: true)
    private final class State { var count: UInt64 = 0 }
    private let state = State()

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.isEmpty else { throw UsageError("count takes no arguments") }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws { state.count &+= 1 }
    package func finish(_ context: Context, _ emit: Emit) throws { try emit(.number(state.count)) }
}

package struct Sum: Stage {
    package static let manual = Manual(
        name: "sum", synopsis: "[FORMULA]", summary: "the sum of numbers",
        text: "Without a formula the items themselves are the numbers. For formulas see: help filter.",
        examples: [.init("ps -u | sum .rss_kib", "the memory of all processes, in KiB")], takesExpression: true,
        accepts: .anything, emits: .numbers, needsInput: true)
    private final class State {
        var sum: Int128 = 0
        var decimal: Double?
    }
    private let state = State()
    private let measure: Measure

    package init(_ arguments: Arguments) throws { measure = Measure(try orIdentity(arguments.text)) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard let item = try measure.plain(datum, context) else { return }
        switch item {
        case .nothing: return
        case .decimal(let number): state.decimal = (state.decimal ?? 0) + number
        default:
            guard let number = try item.number() else { throw UsageError("sum: \(try item.key()) is not a number") }
            state.sum = state.sum.addingReportingOverflow(number).partialValue
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try measure.finish(context)
        guard let decimal = state.decimal else { return try emit(Item.integer(state.sum).datum) }
        try emit(Item.decimal(decimal + Double(state.sum)).datum)
    }
}

/// `min` and `max`: the item itself is handed on, not only its number.
private final class Extreme {
    let measure: Measure
    let isMaximum: Bool
    private var best: (item: Item, datum: Datum)?

    init(_ text: String, isMaximum: Bool) throws {
        measure = Measure(try orIdentity(text))
        self.isMaximum = isMaximum
    }

    func receive(_ datum: Datum, _ context: Context) throws {
        guard let item = try measure.plain(datum, context) else { return }
        if case .nothing = item { return }
        guard let best else {
            self.best = (item, datum)
            return
        }
        if isMaximum ? best.item.precedes(item) : item.precedes(best.item) { self.best = (item, datum) }
    }

    func finish(_ context: Context, _ emit: Emit) throws {
        try measure.finish(context)
        if let best { try emit(best.datum) }
    }
}

package struct Min: Stage {
    package static let manual = Manual(
        name: "min", synopsis: "[FORMULA]", summary: "the item with the least value",
        text: "Of several the first. Without a formula the items are compared themselves.",
        examples: [.init("ps -u | min .rss_kib", "the smallest process")], takesExpression: true, accepts: .anything,
        emits: .same, needsInput: true)
    private let extreme: Extreme

    package init(_ arguments: Arguments) throws { extreme = try Extreme(arguments.text, isMaximum: false) }
    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        try extreme.receive(datum, context)
    }
    package func finish(_ context: Context, _ emit: Emit) throws { try extreme.finish(context, emit) }
}

package struct Max: Stage {
    package static let manual = Manual(
        name: "max", synopsis: "[FORMULA]", summary: "the item with the greatest value",
        text: "Of several the first. Without a formula the items are compared themselves.",
        examples: [.init("ps -u | max .rss_kib", "the largest process")], takesExpression: true, accepts: .anything,
        emits: .same, needsInput: true)
    private let extreme: Extreme

    package init(_ arguments: Arguments) throws { extreme = try Extreme(arguments.text, isMaximum: true) }
    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        try extreme.receive(datum, context)
    }
    package func finish(_ context: Context, _ emit: Emit) throws { try extreme.finish(context, emit) }
}

/// A formula, or `.` for no text.
func orIdentity(_ text: String) throws -> Formula { try Formula(text.isEmpty ? "." : text) }

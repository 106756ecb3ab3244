// sort, uniq, head, tail: which items, and in which order.

internal import Target

package struct Sort: Stage {
    package static let manual = Manual(
        name: "sort", synopsis: "[-r] [FORMULA]", summary: "the items in order",
        text: """
            Numbers by value, text by its bytes, what has neither last; equal items stay in their order. Without a \
            formula items are compared themselves: records by their first column that is shown. Keeps all items in memory.
            """,
        options: [.init("-r", "the greatest first")],
        examples: [
            .init("ps | sort -r .rss_kib | head 5", "the five largest processes"),
            .init("ps | .comm | sort", "by name"),
        ], takesExpression: true, accepts: .anything, emits: .same, needsInput: true)
    private final class State { var items: [(item: Item, datum: Datum)] = [] }
    private let state = State()
    private let measure: Measure?
    private let isReversed: Bool

    package init(_ arguments: Arguments) throws {
        measure = arguments.text.isEmpty ? nil : Measure(try Formula(arguments.text))
        isReversed = arguments.has("-r")
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        if let measure {
            guard let item = try measure.plain(datum, context) else { return }
            state.items.append((item, datum))
        } else {
            state.items.append((try Self.natural(datum), datum))
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try measure?.finish(context)
        let items = state.items
        state.items = []
        // The standard sort is stable.
        let sorted =
            isReversed
            ? items.sorted { $1.item.precedes($0.item) } : items.sorted { $0.item.precedes($1.item) }
        for (_, datum) in sorted { try emit(datum) }
    }

    /// What an item is compared by when nobody says: a record's first column.
    static func natural(_ datum: Datum) throws -> Item {
        do {
            guard case .record(let record) = datum else { return try Item(datum).plain() }
            guard let first = record.fields.first(where: { $0.header != nil }) ?? record.fields.first else {
                return .nothing
            }
            return try Item(first.value)
        } catch is Undecided {
            return .nothing
        }
    }
}

package struct Uniq: Stage {
    package static let manual = Manual(
        name: "uniq", synopsis: "[FORMULA]", summary: "each item once",
        text: """
            The first of all that are equal, wherever they stand; with a formula of all for which it says the same. Keeps \
            one key for each in memory. To count them: group-by.
            """,
        examples: [.init("ps | uniq .comm", "one task for each name")], takesExpression: true, accepts: .anything,
        emits: .same, needsInput: true)
    private final class State { var seen: Set<String> = [] }
    private let state = State()
    private let measure: Measure

    package init(_ arguments: Arguments) throws { measure = Measure(try orIdentity(arguments.text)) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard let item = try measure.plain(datum, context) else { return }
        if state.seen.insert(try item.key()).inserted { try emit(datum) }
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try measure.finish(context) }
}

package struct Head: Stage {
    package static let manual = Manual(
        name: "head", synopsis: "[COUNT]", summary: "the first items",
        text: "10 unless said; the commands before it end as soon as they are there.",
        options: [.init("-n", "COUNT", "the same as COUNT alone")],
        examples: [.init("ps | head 3", "three tasks")], accepts: .anything, emits: .same, needsInput: true)
    private final class State { var left: Int = 0 }
    private let state = State()

    package init(_ arguments: Arguments) throws { state.left = try itemCount(arguments) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard state.left > 0 else { throw Enough() }
        state.left -= 1
        try emit(datum)
        if state.left == 0 { throw Enough() }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {}
}

package struct Tail: Stage {
    package static let manual = Manual(
        name: "tail", synopsis: "[COUNT]", summary: "the last items",
        text: "10 unless said; keeps as many in memory.", options: [.init("-n", "COUNT", "the same as COUNT alone")],
        examples: [.init("log | tail 5", "the end of the kernel's log")], accepts: .anything, emits: .same,
        needsInput: true)
    private final class State {
        var ring: [Datum] = []
        var next = 0
    }
    private let state = State()
    private let count: Int

    package init(_ arguments: Arguments) throws { count = try itemCount(arguments) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard count > 0 else { return }
        if state.ring.count < count {
            state.ring.append(datum)
        } else {
            state.ring[state.next] = datum
            state.next = (state.next + 1) % count
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for index in state.ring.indices { try emit(state.ring[(state.next + index) % state.ring.count]) }
    }
}

/// `head 5`, `head -5`, `head -n 5`.
private func itemCount(_ arguments: Arguments) throws -> Int {
    guard let word = arguments.value("-n") ?? arguments.operands.first else { return 10 }
    let digits = word.hasPrefix("-") ? word.dropFirst() : word[...]
    guard let count = Int(digits), arguments.operands.count <= 1 else {
        throw UsageError("a count is expected, not \(Escaping.text(word))")
    }
    return count
}

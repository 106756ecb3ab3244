// join, except: what two commands say, side by side.

internal import Target

/// `FORMULA [= FORMULA] (COMMANDS)`: the keys of the two sides and the other side's line.
private struct OtherSide {
    let here: Measure
    let there: Formula
    let line: String

    init(_ name: String, _ text: String) throws {
        guard text.hasSuffix(")"), let open = Self.opening(text) else {
            throw UsageError("\(name): the other commands stand in parentheses: \(name) .pid (ps -u)")
        }
        let keys = text[..<open].split(separator: "=", omittingEmptySubsequences: false).map {
            String($0).trimmed
        }
        line = String(text[text.index(after: open)...].dropLast()).trimmed
        guard (1...2).contains(keys.count), keys.allSatisfy({ !$0.isEmpty }), !line.isEmpty else {
            throw UsageError("\(name): FORMULA [= FORMULA] (COMMANDS) is expected")
        }
        here = Measure(try Formula(keys[0]))
        there = try Formula(keys[keys.count - 1])
    }

    /// The parenthesis that the last one closes.
    private static func opening(_ text: String) -> String.Index? {
        var depth = 0
        for index in text.indices.reversed() {
            if text[index] == ")" { depth += 1 }
            if text[index] == "(" {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }

    /// What the other line says, by key.
    func read(_ context: Context, _ body: (String, Datum) throws -> Void) throws {
        let measure = Measure(there)
        let context = context.nested()
        guard context.depth < 8 else { throw UsageError("pipelines are nested too deeply") }
        try Pipeline(line, context).run(context) { datum in
            if case .record(let record) = datum, record.isRemark { return }
            guard let item = try measure.plain(datum, context) else { return }
            try body(try item.key(), datum)
        }
        try measure.finish(context)
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

package struct Join: Stage {
    package static let manual = Manual(
        name: "join", synopsis: "FORMULA [= FORMULA] (COMMANDS)",
        summary: "records with the fields of another command's records that have the same key",
        text: """
            The first formula is the key of what flows by, the second that of what the commands in parentheses say; one \
            stands for both. An item goes out once for each that it fits, and not at all if it fits none. Keeps what the \
            commands say in memory.
            """,
        examples: [.init("ps | join .pid (ps -u | map .pid, .utime) | head 2", "each user task with its times")],
        takesExpression: true, accepts: .anything, emits: [.records, .subjects], needsInput: true)
    private final class State { var others: [String: [Record]]? }
    private let state = State()
    private let other: OtherSide

    package init(_ arguments: Arguments) throws { other = try OtherSide("join", arguments.text) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        let others = try state.others ?? load(context)
        guard let key = try other.here.plain(datum, context)?.key() else { return }
        for match in others[key] ?? [] { try emit(.record(try Self.merged(datum, match))) }
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try other.here.finish(context) }

    private func load(_ context: Context) throws -> [String: [Record]] {
        var others: [String: [Record]] = [:]
        try other.read(context) { key, datum in others[key, default: []].append(try Self.record(datum)) }
        state.others = others
        return others
    }

    private static func record(_ datum: Datum) throws -> Record {
        if case .record(let record) = datum { return record }
        return Record("value", [Field("value", "VALUE", try Item(datum).field)])
    }

    /// The fields of both; a field of the second side that has the name of one of the first is left out.
    private static func merged(_ datum: Datum, _ other: Record) throws -> Record {
        let record = try record(datum)
        let names = Set(record.fields.map(\.name))
        let fields = record.fields + other.fields.filter { !names.contains($0.name) }
        return Record(record.kind, fields, subject: record.subject ?? other.subject)
    }
}

package struct Except: Stage {
    package static let manual = Manual(
        name: "except", synopsis: "FORMULA [= FORMULA] (COMMANDS)",
        summary: "the items whose key another command's items do not have",
        text: "For the formulas and the commands see: help join.",
        examples: [.init("ps | except .pid (ps -k) | count", "how many tasks are not the kernel's own")],
        takesExpression: true, accepts: .anything, emits: .same, needsInput: true)
    private final class State { var others: Set<String>? }
    private let state = State()
    private let other: OtherSide

    package init(_ arguments: Arguments) throws { other = try OtherSide("except", arguments.text) }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        let others = try state.others ?? load(context)
        guard let key = try other.here.plain(datum, context)?.key() else { return }
        if !others.contains(key) { try emit(datum) }
    }

    package func finish(_ context: Context, _ emit: Emit) throws { try other.here.finish(context) }

    private func load(_ context: Context) throws -> Set<String> {
        var others: Set<String> = []
        try other.read(context) { key, _ in others.insert(key) }
        state.others = others
        return others
    }
}

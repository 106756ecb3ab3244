// map: what a formula says of each item.

internal import Target

package struct Map: Stage {
    package static let manual = Manual(
        name: "map", aliases: ["."], synopsis: "FORMULA[, FORMULA]...", summary: "what a formula says of each item",
        text: """
            One formula hands on its values: objects with their types, numbers, text. Several, separated by commas, hand \
            on records with a column for each; the records still tell about their objects. `COMMAND | .NAME` is short \
            for `COMMAND | map .NAME`. For formulas see: help filter.
            """,
        examples: [
            .init("ps | map .pid, .comm, .se.sum_exec_runtime", "columns of one's own"),
            .init("ps | .comm | uniq", "the names in use"), .init("ps 1 | .mm | .pgd", "from object to object"),
        ], takesExpression: true, accepts: .anything, emits: [.objects, .subjects, .records, .numbers, .text],
        needsInput: true)
    private let measures: [Measure]
    /// A column's name is the last name of its path, or the whole path where two end alike.
    private let labels: [String]

    package init(_ arguments: Arguments) throws {
        guard !arguments.text.isEmpty else { throw UsageError("map: a formula is missing; see: help map") }
        let formulas = try Formula.list(arguments.text)
        measures = formulas.map { Measure($0) }
        let short = formulas.map(\.label)
        labels = zip(formulas, short).map { formula, label in
            short.filter { $0 == label }.count == 1 ? label : formula.longLabel
        }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        if measures.count == 1 {
            guard let item = try measures[0].value(datum, context) else { return }
            return try emit(item.datum)
        }
        var fields: [Field] = []
        var subject: Value?
        if case .record(let record) = datum { subject = record.subject }
        if case .object(let value) = datum { subject = value }
        for (measure, label) in zip(measures, labels) {
            let gaps = Gaps()
            let item = try measure.value(datum, context.nested(gaps: gaps))
            let field = item?.field ?? gaps.all.first.map { .gap($0.why) } ?? .none
            fields.append(Field(label, label.uppercased(), field))
        }
        try emit(.record(Record("row", fields, subject: subject)))
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        for measure in measures { try measure.finish(context) }
    }
}

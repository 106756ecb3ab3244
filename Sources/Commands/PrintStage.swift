// print behind a bar: the value of each item that flows by, or of a formula over it.

internal import Bytes
package import Pipeline
internal import Target

extension Print {
    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        var datum = datum
        if !text.isEmpty {
            do {
                datum = try FormulaReader(Formula(text), context).value(datum).datum
            } catch let error as Undecided {
                return context.gaps.note(Gap(text, why: error.description))
            }
        }
        switch datum {
        case .object(let value): try show(value, context, emit)
        case .record(let record):
            if let subject = record.subject { return try show(subject, context, emit) }
            try emit(datum)
        case .number(let number): try emit(.text(options.hexadecimal ? "0x" + hex(number) : "\(number)"))
        case .text, .field, .gap: try emit(datum)
        }
    }

    private func show(_ value: Value, _ context: Context, _ emit: Emit) throws {
        let formatter = ValueFormatter(options)
        let tree = formatter.tree(value)
        let place = (try? value.address).map { " at \($0)" } ?? ""
        ValueFields.note(tree, value.typeName + place, context.gaps)
        var lines = formatter.lines(tree)
        lines[0] = "(\(value.typeName)) \(lines[0])"
        let fields = [
            Field("expression", nil, .none), Field("type", nil, .text(value.typeName)),
            Field("address", nil, (try? value.address).map { .address($0.rawValue) } ?? .none),
            Field("value", nil, ValueFields.field(tree)),
        ]
        try emit(.record(Record("value", fields, presentation: .block(lines), subject: value)))
    }
}

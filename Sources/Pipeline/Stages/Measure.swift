// A formula applied to all that flows by, with an account of what it could not be applied to.

internal import Target

/// Used by the stages that take a formula. An item without the field is left out, as streams mix kinds of records; if no
/// item has it, that is the user's mistake, and `finish` throws it. An item whose value cannot be read is left out and
/// noted as a gap.
final class Measure {
    private let formula: Formula
    private var reader: FormulaReader?
    private var firstFailure: NoField?
    private var missing = 0
    private var hasSucceeded = false

    init(_ formula: Formula) { self.formula = formula }

    var label: String { formula.label }

    /// Nil when the item is to be left out.
    func value(_ datum: Datum, _ context: Context) throws -> Item? {
        let reader = reader ?? FormulaReader(formula, context)
        self.reader = reader
        do {
            let item = try reader.value(datum)
            hasSucceeded = true
            return item
        } catch let error as NoField {
            firstFailure = firstFailure ?? error
            missing += 1
            return nil
        } catch let error as Undecided {
            hasSucceeded = true
            context.gaps.note(Gap(formula.text, why: error.description))
            return nil
        }
    }

    /// The same, its object read.
    func plain(_ datum: Datum, _ context: Context) throws -> Item? {
        guard let item = try value(datum, context) else { return nil }
        do { return try item.plain() } catch let error as Undecided {
            context.gaps.note(Gap(formula.text, why: error.description))
            return nil
        }
    }

    func finish(_ context: Context) throws {
        guard missing > 0 else { return }
        if !hasSucceeded, let firstFailure { throw UsageError(firstFailure.description) }
        context.gaps.note(
            Gap("\(missing) without \(formula.text)", why: firstFailure?.description ?? "they have no such field"))
    }
}

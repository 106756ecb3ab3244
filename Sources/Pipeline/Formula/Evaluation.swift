// The value of a formula for what flows by.

internal import Bytes
internal import DebugModel
internal import Synchronization
internal import Target

/// No field and no member has that name.
package struct NoField: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// Evaluates one formula for many items. Keeps what its bare words mean, as looking them up costs.
package final class FormulaReader {
    package let formula: Formula
    private let target: Target
    private var meanings: [String: Int128?] = [:]

    package init(_ formula: Formula, _ context: Context) {
        self.formula = formula
        target = context.target
    }

    /// Throws `NoField` when the item has no such field, `Undecided` when something cannot be read, and `UsageError`
    /// when the formula makes no sense for it.
    package func value(_ datum: Datum) throws -> Item { try evaluate(formula.root, datum) }

    private func evaluate(_ node: Formula.Node, _ datum: Datum) throws -> Item {
        switch node {
        case .number(let number): return .integer(number)
        case .text(let text): return .text(text)
        case .name(let name, _): return .name(name)
        case .path(let steps, let column): return try path(steps, datum, column)
        case .not(let operand): return .boolean(try !evaluate(operand, datum).isTrue())
        case .negate(let operand): return .integer(0 &- (try number(evaluate(operand, datum), "-")))
        case .complement(let operand):
            return .integer(Int128(~UInt64(truncatingIfNeeded: try number(evaluate(operand, datum), "~"))))
        case .binary(.and, let a, let b):
            return .boolean(try evaluate(a, datum).isTrue() && evaluate(b, datum).isTrue())
        case .binary(.or, let a, let b):
            return .boolean(try evaluate(a, datum).isTrue() || evaluate(b, datum).isTrue())
        case .binary(let operation, let a, let b):
            return try apply(operation, evaluate(a, datum), evaluate(b, datum))
        }
    }

    // MARK: fields and members

    private func path(_ steps: [Formula.Step], _ datum: Datum, _ column: Int) throws -> Item {
        var item = try Item(datum)
        for step in steps {
            do {
                item = try self.step(step, item)
            } catch let error as ValueError {
                switch error {
                case .noMember, .wrongType: throw NoField(description: "\(error)")
                default: throw Undecided("\(error)")
                }
            }
        }
        return item
    }

    private func step(_ step: Formula.Step, _ item: Item) throws -> Item {
        switch (step, item) {
        case (.member(let name), .record(let record)):
            if let field = record[name] { return try Item(field) }
            guard let subject = record.subject else {
                let names = record.fields.map(\.name)
                throw NoField(
                    description: "a \(record.kind) has no field \(name)"
                        + NearNames.hint(name, among: names) + "; it has \(names.joined(separator: ", "))")
            }
            if subject.has(name) { return .object(try subject.member(name)) }
            throw NoField(
                description: "neither a \(record.kind) nor \(subject.typeName) has a field \(name)"
                    + NearNames.hint(name, among: record.fields.map(\.name)))
        case (.member(let name), .object(let value)): return .object(try value.member(name))
        case (.index(let index), .object(let value)): return .object(try value.element(index))
        case (.index(let index), .list(let values)):
            guard let position = Int(exactly: index), values.indices.contains(position) else { return .nothing }
            return try Item(values[position])
        case (_, .nothing): return .nothing
        case (.member(let name), _): throw NoField(description: "what flows here has no fields, so no \(name)")
        case (.index, _): throw NoField(description: "what flows here has no elements")
        }
    }

    // MARK: operators

    private func number(_ item: Item, _ sign: String) throws -> Int128 {
        if case .name(let name) = item, let meaning = meaning(name) { return meaning }
        guard let number = try item.number() else { throw UsageError("\(sign) needs numbers, in \(formula.text)") }
        return number
    }

    private func apply(_ operation: Formula.Operator, _ a: Item, _ b: Item) throws -> Item {
        switch operation {
        case .equal: return .boolean(try areEqual(a, b))
        case .notEqual: return .boolean(try !areEqual(a, b))
        case .matches: return .boolean(try matches(a, b))
        case .differs: return .boolean(try !matches(a, b))
        case .less, .lessEqual, .greater, .greaterEqual:
            guard let order = try order(a, b) else { return .boolean(false) }
            switch operation {
            case .less: return .boolean(order < 0)
            case .lessEqual: return .boolean(order <= 0)
            case .greater: return .boolean(order > 0)
            default: return .boolean(order >= 0)
            }
        default: return try arithmetic(operation, a, b)
        }
    }

    private func arithmetic(_ operation: Formula.Operator, _ a: Item, _ b: Item) throws -> Item {
        if isDecimal(a) || isDecimal(b), let x = decimal(a), let y = decimal(b) {
            switch operation {
            case .add: return .decimal(x + y)
            case .subtract: return .decimal(x - y)
            case .multiply: return .decimal(x * y)
            case .divide: return .decimal(x / y)
            default: throw UsageError("\(operation.rawValue) needs whole numbers, in \(formula.text)")
            }
        }
        let (x, y) = (try number(a, operation.rawValue), try number(b, operation.rawValue))
        switch operation {
        case .add: return .integer(x &+ y)
        case .subtract: return .integer(x &- y)
        case .multiply: return .integer(x &* y)
        case .divide, .remainder:
            guard y != 0 else { throw Undecided("division by zero") }
            return .integer(
                operation == .divide
                    ? x.dividedReportingOverflow(by: y).partialValue
                    : x.remainderReportingOverflow(dividingBy: y).partialValue)
        case .bitAnd: return .integer(x & y)
        case .bitOr: return .integer(x | y)
        case .bitXor: return .integer(x ^ y)
        case .shiftLeft:
            return .integer((0..<128).contains(y) ? x << y : 0)
        default: return .integer((0..<128).contains(y) ? x >> y : 0)
        }
    }

    private func isDecimal(_ item: Item) -> Bool {
        if case .decimal = item { return true }
        return false
    }

    private func decimal(_ item: Item) -> Double? {
        if case .decimal(let number) = item { return number }
        return (try? item.number()).flatMap { $0 }.map { Double($0) }
    }

    // MARK: comparison

    private func areEqual(_ a: Item, _ b: Item) throws -> Bool {
        if case .integer(let x) = a, case .integer(let y) = b { return x == y }
        if case .object(let value) = a, case .name(let name) = b { return try isEqual(value, name) }
        if case .name(let name) = a, case .object(let value) = b { return try isEqual(value, name) }
        let (a, b) = (try a.plain(), try b.plain())
        switch (a, b) {
        case (.nothing, .nothing): return true
        case (.nothing, .integer(0)), (.integer(0), .nothing): return true
        case (.nothing, _), (_, .nothing): return false
        default: return try order(a, b) == 0
        }
    }

    /// An enumeration is compared with the names of its constants, text with the word as it is spelled.
    private func isEqual(_ value: Value, _ name: String) throws -> Bool {
        if case .enumeration(let enumeration) = try value.strippedType {
            guard let known = enumeration.enumerators.first(where: { $0.name == name }) else {
                throw UsageError("\(value.typeName) has no \(name)")
            }
            do { return try value.signed() == known.value } catch { throw Undecided("\(error)") }
        }
        return try order(Item.object(value).plain(), .name(name)) == 0
    }

    /// Negative, zero or positive; nil when one of them is nothing. Throws when they cannot be compared.
    private func order(_ a: Item, _ b: Item) throws -> Int? {
        let (a, b) = (try a.plain(), try b.plain())
        switch (a, b) {
        case (.nothing, _), (_, .nothing): return nil
        case (.text(let x), .text(let y)), (.text(let x), .name(let y)), (.name(let x), .text(let y)),
            (.name(let x), .name(let y)):
            return x == y ? 0 : x < y ? -1 : 1
        case (.boolean(let x), .name(let word)): return try order(.boolean(x), truth(word))
        case (.name(let word), .boolean(let y)): return try order(truth(word), .boolean(y))
        default: break
        }
        if isDecimal(a) || isDecimal(b), let x = decimal(a), let y = decimal(b) { return x == y ? 0 : x < y ? -1 : 1 }
        guard let x = try comparable(a), let y = try comparable(b) else {
            throw UsageError("a number and a text cannot be compared, in \(formula.text)")
        }
        return x == y ? 0 : x < y ? -1 : 1
    }

    private func truth(_ word: String) throws -> Item {
        switch word {
        case "yes", "true": return .boolean(true)
        case "no", "false": return .boolean(false)
        default: throw UsageError("\(word) is neither true nor false, in \(formula.text)")
        }
    }

    private func comparable(_ item: Item) throws -> Int128? {
        guard case .name(let name) = item else { return try item.number() }
        guard let meaning = meaning(name) else {
            throw UsageError("no enumerator and no symbol is called \(name), in \(formula.text)")
        }
        return meaning
    }

    /// What a word stands for among numbers: an enumerator's value, a symbol's address, NULL.
    private func meaning(_ name: String) -> Int128? {
        if let known = meanings[name] { return known }
        var meaning: Int128?
        if name == "NULL" || name == "false" || name == "no" {
            meaning = 0
        } else if name == "true" || name == "yes" {
            meaning = 1
        } else if let enumerator = try? target.types.enumerator(name) {
            meaning = Int128(enumerator.value)
        } else if let symbol = target.symbols.symbol(named: name) {
            meaning = Int128(symbol.address.rawValue)
        } else if name.utf8.count >= 9, let address = UInt64(name, radix: 16) {
            meaning = Int128(address)
        }
        meanings[name] = .some(meaning)
        return meaning
    }

    private func matches(_ a: Item, _ b: Item) throws -> Bool {
        guard let text = try spelling(a), let pattern = try spelling(b) else { return false }
        return Pattern(pattern).matches(text)
    }

    private func spelling(_ item: Item) throws -> String? {
        if case .object(let value) = item, case .pointer = try value.strippedType, let text = try? value.text() {
            return text
        }
        if case .nothing = item { return nil }
        return try item.key()
    }
}

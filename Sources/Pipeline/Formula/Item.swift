// What a formula has to do with: numbers, text, objects of the target, and what is not there.

internal import Bytes
internal import DebugModel
package import Target

/// The value of a formula for one datum.
package enum Item: Sendable {
    case integer(Int128)
    case decimal(Double)
    case text(String)
    case boolean(Bool)
    case address(UInt64)
    case object(Value)
    case record(Record)
    case list([FieldValue])
    /// A word that is compared with: an enumerator, a symbol, or its own spelling, as the other side wants.
    case name(String)
    /// It does not apply here.
    case nothing

    init(_ field: FieldValue) throws {
        switch field {
        case .text(let text): self = .text(text)
        case .signed(let number): self = .integer(Int128(wide: number))
        case .unsigned(let number): self = .integer(Int128(wide: number))
        case .address(let address): self = .address(address)
        case .boolean(let flag), .mark(let flag, _): self = .boolean(flag)
        case .decimal(let number, _): self = .decimal(number)
        case .list(let values): self = .list(values)
        case .record(let record): self = .record(record)
        case .gap(let reason): throw Undecided(reason)
        case .none: self = .nothing
        }
    }

    init(_ datum: Datum) throws {
        switch datum {
        case .object(let value): self = .object(value)
        case .record(let record): self = .record(record)
        case .number(let number): self = .integer(Int128(wide: number))
        case .text(let text): self = .text(text)
        case .field(let field): try self.init(field)
        case .gap(let gap): throw Undecided(gap.why)
        }
    }

    /// As a datum for the next stage.
    package var datum: Datum {
        switch self {
        case .integer(let number):
            if number._high == 0 { return .number(number._low) }
            return .field(.signed(Int64(clamping: number)))
        case .decimal(let number): return .field(.decimal(number, digits: 2))
        case .text(let text), .name(let text): return .text(text)
        case .boolean(let flag): return .field(.boolean(flag))
        case .address(let address): return .field(.address(address))
        case .object(let value): return .object(value)
        case .record(let record): return .record(record)
        case .list(let values): return .field(.list(values))
        case .nothing: return .field(.none)
        }
    }

    /// As a field of a record.
    package var field: FieldValue {
        switch self {
        case .integer(let number):
            if let signed = Int64(exactly: number) { return .signed(signed) }
            return .unsigned(UInt64(clamping: number))
        case .decimal(let number): return .decimal(number, digits: 2)
        case .text(let text), .name(let text): return .text(text)
        case .boolean(let flag): return .boolean(flag)
        case .address(let address): return .address(address)
        case .object(let value): return ValueFields.field(ValueFormatter(FormatOptions()).tree(value))
        case .record(let record): return .record(record)
        case .list(let values): return .list(values)
        case .nothing: return .none
        }
    }
}

/// What decides cannot be read: the item neither passes nor fails.
package struct Undecided: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ reason: String) { description = reason }
}

extension Item {
    /// Reads what an object holds: a number, a truth value, the text of a `char` array. Structures stay what they are.
    func plain() throws -> Item {
        guard case .object(let value) = self else { return self }
        do {
            switch try value.strippedType {
            case .integer(let integer):
                if integer.encoding == .boolean { return .boolean(try value.unsigned() != 0) }
                return .integer(
                    integer.isSigned ? Int128(wide: try value.signed()) : Int128(wide: try value.unsigned()))
            case .enumeration(let enumeration):
                return .integer(
                    enumeration.isSigned ? Int128(wide: try value.signed()) : Int128(wide: try value.unsigned()))
            case .pointer: return .address(try value.unsigned())
            case .array(let array):
                guard case .integer(let element) = try value.target.types.stripped(array.element).type,
                    element.size == 1
                else { return self }
                return .text(try value.text())
            default: return self
            }
        } catch {
            throw Undecided("\(error)")
        }
    }

    /// The number that arithmetic and order are about; nil for what has none.
    func number() throws -> Int128? {
        if case .integer(let number) = self { return number }
        switch try plain() {
        case .integer(let number): return number
        case .address(let address): return Int128(wide: address)
        case .boolean(let flag): return flag ? 1 : 0
        case .record(let record): return record.subjectAddress.map { Int128($0.rawValue) }
        case .object(let value): return (try? value.address).map { Int128($0.rawValue) }
        case .text, .decimal, .list, .nothing, .name: return nil
        }
    }

    /// Whether a condition holds that is nothing but this item.
    func isTrue() throws -> Bool {
        switch try plain() {
        case .integer(let number): return number != 0
        case .decimal(let number): return number != 0
        case .text(let text), .name(let text): return !text.isEmpty
        case .boolean(let flag): return flag
        case .address(let address): return address != 0
        case .object, .record: return true
        case .list(let values): return !values.isEmpty
        case .nothing: return false
        }
    }

    /// A key to group and to compare by: equal items have equal keys. Reads objects.
    func key() throws -> String {
        switch try plain() {
        case .integer(let number): return "\(number)"
        case .decimal(let number): return "\(number)"
        case .text(let text), .name(let text): return text
        case .boolean(let flag): return flag ? "yes" : "no"
        case .address(let address): return "0x" + hex(address)
        case .object(let value): return (try? value.address).map { "\(value.typeName) \($0)" } ?? value.typeName
        case .record(let record):
            if let address = record.subjectAddress { return "\(record.kind) \(address)" }
            return record.fields.map { (try? Item($0.value).key()) ?? "?" }.joined(separator: "\u{1f}")
        case .list(let values): return values.map { (try? Item($0).key()) ?? "?" }.joined(separator: "\u{1f}")
        case .nothing: return ""
        }
    }

    /// Order for `sort`: numbers by value, before text; text byte by byte; what is nothing last.
    func precedes(_ other: Item) -> Bool {
        let (a, b) = (rank, other.rank)
        guard a.class == b.class else { return a.class < b.class }
        if a.class == 0 { return a.number < b.number }
        return a.text < b.text
    }

    private var rank: (class: Int, number: Double, text: String) {
        switch self {
        case .integer(let number): (0, Double(number), "")
        case .decimal(let number): (0, number.isNaN ? 0 : number, "")
        case .boolean(let flag): (0, flag ? 1 : 0, "")
        case .address(let address): (1, 0, hex(address, width: 16))
        case .nothing: (3, 0, "")
        default: (2, 0, (try? key()) ?? "")
        }
    }
}

extension Int128 {
    /// The standard library's conversions are generic, and cost tens of nanoseconds where they are not specialised.
    init(wide number: UInt64) { self.init(_low: number, _high: 0) }
    init(wide number: Int64) { self.init(_low: UInt64(bitPattern: number), _high: number < 0 ? -1 : 0) }
}

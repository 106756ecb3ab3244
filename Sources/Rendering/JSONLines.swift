// One JSON object per line and datum, for programs.
//
// A record is its kind followed by its fields in their order; names are stable. Addresses are "0x..." strings, integers
// beyond 2^53 are strings, what could not be read is {"gap": "reason"}, what does not apply is null. What was missing from
// an answer follows it as objects of kind "gap", a failure as one of kind "error".

package import Pipeline
package import Target
internal import Bytes
internal import DebugModel

package final class JSONLines: Renderer {
    private let sink: Sink

    package init(sink: @escaping Sink) { self.sink = sink }

    package func receive(_ datum: Datum) throws {
        switch datum {
        case .record(let record): try line(record.kind, record.fields.map { ($0.name, Self.json($0.value)) })
        case .text(let text): try line("text", [("text", JSONText.string(text))])
        case .number(let number): try line("number", [("value", JSONText.integer(number))])
        case .field(let value): try line("value", [("value", Self.json(value))])
        case .gap(let gap): try self.gap(gap)
        case .object(let value):
            let address = (try? value.address).map { Self.json(.address($0.rawValue)) } ?? "null"
            var members = [("type", JSONText.string(value.typeName)), ("address", address)]
            switch try? value.strippedType {
            case .aggregate, .incomplete, .void, .function, nil: break
            default: members.append(("value", Self.json(Item.object(value).field)))
            }
            try line("object", members)
        }
    }

    package func finish(gaps: [Gap], count: Int) throws {
        for gap in gaps { try self.gap(gap) }
        if gaps.isEmpty, count > 0 { try gap(Gap("\(count) things", why: "their reasons were not kept")) }
    }

    package func fail(_ sentence: String, line: String?) throws {
        let command = line.map { [("command", JSONText.string($0))] } ?? []
        try self.line("error", command + [("message", JSONText.string(sentence))])
    }

    private func gap(_ gap: Gap) throws {
        try line("gap", [("what", JSONText.string(gap.what)), ("why", JSONText.string(gap.why))])
    }

    private func line(_ kind: String, _ members: [(String, String)]) throws {
        try sink(Self.object([("kind", JSONText.string(kind))] + members) + "\n")
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(JSONText.string($0)):\($1)" }.joined(separator: ",") + "}"
    }

    private static func json(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): JSONText.string(text)
        case .signed(let number): JSONText.integer(number)
        case .unsigned(let number): JSONText.integer(number)
        case .address(let address): "\"0x\(hex(address))\""
        case .boolean(let flag), .mark(let flag, _): flag ? "true" : "false"
        case .decimal(let number, let digits): Decimal.text(number, digits: digits) ?? "null"
        case .list(let values): "[" + values.map(json).joined(separator: ",") + "]"
        case .record(let record): object(record.fields.map { ($0.name, json($0.value)) })
        case .gap(let reason): object([("gap", JSONText.string(reason))])
        case .none: "null"
        }
    }
}

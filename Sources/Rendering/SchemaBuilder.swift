// The JSON Schema of what `--json` writes, from what commands really emitted.

internal import Bytes
package import Pipeline
package import Target

/// A renderer that shows nothing and learns what every kind of record looks like. Draft 2020-12:
/// https://json-schema.org/draft/2020-12.
package final class SchemaBuilder: Renderer {
    /// What is known of records beside what could be seen.
    package struct Notes: Sendable {
        /// Fields whose type depends on what was asked for: "struct.value".
        package var openValues: Set<String> = []
        /// Records whose fields' names do: "element", "registers.others".
        package var openRecords: Set<String> = []
        /// Fields that a kind has as well: "stack.frames.file" and its types; "x.list[]" is a list. `command`: who emits
        /// that kind.
        package var fields: [(command: String?, path: String, types: [FieldShape.Scalar])] = []
        /// Kinds that may stand beside those of every command.
        package var general: [String] = []

        package init() {}
    }

    /// Who emits what is received.
    package enum Source: Sendable {
        case command(String)
        /// A line in another language, whose kinds are told apart from ours: "mdb:registers".
        case dialect(String)
        /// A stage that hands on what another one emitted.
        case anyone
    }

    private let notes: Notes
    private let openness: SchemaOpenness
    private var kinds: [String: RecordShape] = [:]
    private var emitters: [String: Set<String>] = [:]
    package var source = Source.anyone

    package init(notes: Notes) {
        self.notes = notes
        openness = SchemaOpenness(values: notes.openValues, records: notes.openRecords)
        for note in notes.fields {
            guard let kind = note.path.split(separator: ".").first.map(String.init) else { continue }
            if let command = note.command { emitters[command, default: []].insert(kind) }
        }
    }

    package func receive(_ datum: Datum) throws {
        switch datum {
        case .record(let record): add(record.kind, record.fields.map { ($0.name, $0.value) })
        case .text(let text): add("text", [("text", .text(text))])
        case .number(let number): add("number", [("value", .unsigned(number))])
        case .field(let value): add("value", [("value", value)])
        case .gap(let gap): add("gap", [("what", .text(gap.what)), ("why", .text(gap.why))])
        case .object(let value):
            let address = (try? value.address).map { FieldValue.address($0.rawValue) } ?? .none
            add("object", [("type", .text(value.typeName)), ("address", address)])
        }
    }

    package func finish(gaps: [Gap], count: Int) throws {
        for gap in gaps { try receive(.gap(gap)) }
    }

    package func fail(_ sentence: String, line: String?) throws {
        let command = line.map { [("command", FieldValue.text($0))] } ?? []
        add("error", command + [("message", .text(sentence))])
    }

    private func add(_ kind: String, _ fields: [(name: String, value: FieldValue)]) {
        var key = kind
        if case .dialect(let dialect) = source, !notes.general.contains(kind) { key = "\(dialect):\(kind)" }
        kinds[key, default: RecordShape()].add(fields, path: key, openness)
        guard !notes.general.contains(kind) else { return }
        switch source {
        case .command(let name), .dialect(let name): emitters[name, default: []].insert(key)
        case .anyone: break
        }
    }

    /// What `kinds` becomes with the notes.
    private var noted: [String: RecordShape] {
        var all = kinds
        for note in notes.fields {
            let path = note.path.split(separator: ".").map(String.init)
            guard let kind = path.first else { continue }
            all[kind, default: RecordShape()].note(path.dropFirst(), note.types)
        }
        for path in notes.openValues.sorted() {
            let names = path.split(separator: ".").map(String.init)
            if names.count == 2 { all[names[0]]?.noteOpen(names[1]) }
        }
        return all
    }

    /// The fields of which nothing but null and gaps was seen: the notes have to say what they are.
    package var unknown: [String] { noted.sorted { $0.key < $1.key }.flatMap { $0.value.unknown($0.key) } }

    /// The schema as text. A command without records of its own, as it hands on what flows through it, may emit all.
    /// `commands` and `dialects`: the names of those that are listed.
    package func text(commands: [String], dialects: [String]) -> String {
        let all = noted
        let sorted = all.keys.sorted()
        let definitions =
            Self.values + sorted.map { ($0, all[$0]?.schema(kind: Self.kind(of: $0)) ?? .flag(true)) }
        let anyKind = SchemaNode.list(sorted.map(FieldShape.reference))
        func emitted(_ name: String) -> (String, SchemaNode) {
            let kinds = emitters[name].map { $0.sorted() } ?? []
            if kinds.isEmpty { return (name, .object([("$ref", .text("#"))])) }
            return (name, .object([("oneOf", .list(kinds.map(FieldShape.reference)))]))
        }
        return SchemaNode.object([
            ("$schema", .text("https://json-schema.org/draft/2020-12/schema")),
            ("title", .text("One line of what inquest --json writes")),
            ("$comment", .text(Self.comment)),
            ("anyOf", anyKind),
            ("commands", .object(commands.sorted().map(emitted))),
            ("dialects", .object(dialects.sorted().map(emitted))),
            ("general", .object([("oneOf", .list(notes.general.sorted().map(FieldShape.reference)))])),
            ("$defs", .object(definitions)),
        ]).pretty() + "\n"
    }

    /// The kind of a definition: without the dialect.
    private static func kind(of key: String) -> String { key.split(separator: ":").last.map(String.init) ?? key }

    private static let comment = """
        Generated from what the commands emit; make reference writes this file again. $defs has one schema for each kind of \
        record, by the name in its field kind; those of lines in another language have its name in front. commands says \
        which kinds each command emits, dialects the same for another language's lines, general which kinds may stand \
        beside any command's. {"$ref": "#"}: whatever flows through. \
        Names and types stay; fields may be added, so others than those listed are to be ignored.
        """

    /// What a value is, other than lists and records. Whatever is read from a dump may be missing there: a gap.
    private static let values: [(String, SchemaNode)] = {
        func string(_ pattern: String) -> SchemaNode {
            .object([("type", .text("string")), ("pattern", .text(pattern))])
        }
        func type(_ name: String) -> SchemaNode { .object([("type", .text(name))]) }
        func orGap(_ nodes: SchemaNode...) -> SchemaNode {
            .object([("anyOf", .list(nodes + [FieldShape.reference("field.gap")]))])
        }
        let gap: [(String, SchemaNode)] = [
            ("description", .text("What could not be read, with the reason; never zero in its place.")),
            ("type", .text("object")), ("properties", .object([("gap", type("string"))])),
            ("required", .list([.text("gap")])), ("additionalProperties", .flag(false)),
        ]
        return [
            ("field.gap", .object(gap)),
            ("field.address", orGap(string("^0x[0-9a-f]+$"))),
            // Beyond 2^53 a reader that keeps numbers as doubles would change it: then it is a string.
            ("field.integer", orGap(type("integer"), string("^-?[0-9]+$"))),
            ("field.number", orGap(type("number"))),
            ("field.boolean", orGap(type("boolean"))),
            ("field.text", orGap(type("string"))),
        ]
    }()
}

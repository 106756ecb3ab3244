import FixtureKit
import Pipeline
import Rendering
import Target
import Testing

@testable import inquest

/// docs/schema.json against the program: it is what a run says, and every line of JSON is what it says.
@Suite struct SchemaTests {
    /// In the repository itself: no symbol file is beside them.
    static let dumps = ["abba.kdump", "nlmgc-panic.kdump"].map { "\(Program.root)/Fixtures/\($0)" }
    static let path = "\(Program.root)/docs/schema.json"

    private static func lines() throws -> [String] { try CommandLines.file("\(Program.root)/Fixtures/schema.lines") }

    private static func schema() throws -> JSONSchema {
        JSONSchema(root: try JSON(try CommandLines.file(path).joined(separator: "\n")))
    }

    @Test func theSchemaIsFreshAndKnowsEveryField() throws {
        let builder = try SchemaReference.builder(dumps: Self.dumps, lines: Self.lines())
        #expect(builder.unknown.isEmpty, "SchemaNotes can say of what type these are")
        let written = try CommandLines.file(Self.path)
        let made = SchemaReference.text(builder).split(separator: "\n").map(String.init)
        let difference = zip(written, made).first { $0 != $1 }.map { "\($0.0) | \($0.1)" } ?? "its length"
        #expect(written == made, "docs/schema.json: make reference. The first difference: \(difference)")
    }

    @Test func everyCommandAndDialectIsListed() throws {
        let root = try Self.schema().root
        #expect(
            root["commands"]?.members.keys.sorted() == Opening.catalog.stages.map { $0.manual.name }.sorted())
        #expect(root["dialects"]?.members.keys.sorted() == Opening.dialects.map { type(of: $0).name }.sorted())
    }

    /// The lines and the manuals' examples as a user runs them, each followed by one that fails, to tell them apart.
    @Test(.enabled(if: RealDumps.names.contains("abba.kdump"), Comment(rawValue: RealDumps.comment)))
    func everyLineOfJSONIsWhatTheSchemaSays() throws {
        let schema = try Self.schema()
        let examples = Opening.catalog.stages.flatMap { $0.manual.examples.map(\.line) }
        let lines = try (examples + Self.lines()).filter { !$0.hasPrefix("#") }
        let script = lines.enumerated().map { "\($1)\nnonsense-\($0)\n" }.joined()
        let symbols = RealDumps.hasSymbols ? "-s \(RealDumps.symbols)" : ""
        let result = Program.shell(
            """
            inquest --no-cache --no-rc --json \(RealDumps.folder)/abba.kdump \(symbols) -f - 2>/dev/null <<'END'
            \(script)
            END
            """)
        let answers = Answers(result.output, lines: lines)
        #expect(answers.count == lines.count, "each line has an answer, be it empty")
        #expect(answers.all.joined().count > 3000)
        let faults = try answers.faults(schema)
        #expect(faults.isEmpty, "\(faults.prefix(20).joined(separator: "\n"))")
    }

    /// A validator that lets everything pass would hide everything above.
    @Test(arguments: [
        #"{"kind":"gap","what":"a page"}"#, #"{"kind":"gap","what":"a page","why":1}"#,
        #"{"kind":"gap","what":"a page","why":"no","where":"x"}"#, #"{"kind":"nonsense"}"#, #"{"what":"a","why":"b"}"#,
        #"{"kind":"mapping","physical":"12","virtual":"0x1","symbol":null}"#,
        #"{"kind":"mapping","physical":"0x1","virtual":{"gap":7},"symbol":null}"#,
        #"{"kind":"mapping","physical":"0x1","symbol":null}"#, "[]", "null",
    ])
    func whatIsNoLineOfOursIsRefused(line: String) throws {
        let schema = try Self.schema()
        #expect(schema.fault(try JSON(line), schema.root) != nil)
    }

    @Test(arguments: [
        #"{"kind":"gap","what":"a page","why":"left out"}"#,
        #"{"kind":"mapping","physical":"0x1","virtual":{"gap":"left out"},"symbol":null}"#,
        #"{"kind":"number","value":"18446744073709551615"}"#,
    ])
    func whatIsALineOfOursIsNot(line: String) throws {
        let schema = try Self.schema()
        #expect(schema.fault(try JSON(line), schema.root) == nil)
    }

    @Test(arguments: [
        "", "{", "[1,]", "01", "1.", "\"\\x\"", "\"a", "tru", "{\"a\":1,\"a\":2}", "1 2", "{\"a\" 1}", "\"\u{1}\"",
    ])
    func whatIsNoJSONIsRefused(text: String) { #expect(throws: JSON.Fault.self) { try JSON(text) } }

    @Test func JSONIsReadAsItIsWritten() throws {
        #expect(
            try JSON(#" {"a": [1, -2.5e3, null, true], "b\n\u00e9": "\/\\\""} "#)
                == .object([
                    "a": .list([.number("1"), .number("-2.5e3"), .null, .boolean(true)]), "b\n\u{e9}": .text("/\\\""),
                ]))
    }
}

/// What the program answered to each line.
private struct Answers {
    let lines: [String]
    /// The texts of the lines of JSON, line by line.
    private(set) var all: [[Substring]] = []
    var count: Int { all.count }

    init(_ output: String, lines: [String]) {
        self.lines = lines
        var answer: [Substring] = []
        for text in output.split(separator: "\n") {
            if text.hasPrefix("{\"kind\":\"error\",\"command\":\"nonsense-") {
                all.append(answer)
                answer = []
            } else {
                answer.append(text)
            }
        }
    }

    /// What the schema does not say, with the line. A line of our own is held against what its command may emit.
    func faults(_ schema: JSONSchema) throws -> [String] {
        let root = schema.root
        var faults: [String] = []
        var speaksOwn = true
        for (line, answer) in zip(lines, all) {
            if line.hasPrefix("dialect ") { speaksOwn = line == "dialect inquest" }
            let stages = speaksOwn ? try? Engine.parse(line, catalog: Opening.catalog) : nil
            let emitter = stages.flatMap(SchemaReference.emitter)
            let allowed = emitter.flatMap { root["commands"]?[$0] } ?? root
            for text in answer {
                let value = try JSON(text)
                if let general = root["general"], schema.fault(value, general) == nil { continue }
                guard let fault = schema.fault(value, allowed) else { continue }
                let kind = value["kind"]?.text ?? ""
                let own = root["$defs"]?[kind].flatMap { schema.fault(value, $0) }
                faults.append("\(line): \(kind): \(own ?? fault)")
            }
        }
        return faults
    }
}

import Pipeline
import Rendering
import Target
import Testing

@Suite struct SchemaBuilderTests {
    private func record(_ kind: String, _ fields: [(String, FieldValue)]) -> Datum {
        .record(Record(kind, fields.map { Field($0.0, nil, $0.1) }))
    }

    /// The definition of a kind, on one line.
    private func definition(
        _ kind: String, notes: SchemaBuilder.Notes = .init(), _ data: [Datum]
    ) throws -> String {
        let builder = SchemaBuilder(notes: notes)
        for datum in data { try builder.receive(datum) }
        let lines = builder.text(commands: [], dialects: []).split(separator: "\n").map { $0.drop { $0 == " " } }
        guard let start = lines.firstIndex(where: { $0.hasPrefix("\"\(kind)\": {") }) else { return "" }
        return lines[start...].joined(separator: " ")
    }

    @Test func whatAllHaveIsRequired() throws {
        let text = try definition(
            "a", [record("a", [("x", .signed(1)), ("y", .none)]), record("a", [("x", .signed(2)), ("z", .text(""))])])
        #expect(text.contains(#""required": ["kind", "x"]"#))
    }

    @Test func typesAreMergedAndNullIsOneOfThem() throws {
        let text = try definition("a", [record("a", [("x", .address(1))]), record("a", [("x", .none)])])
        #expect(
            text.contains(##""x": {"anyOf": [{"$ref": "#/$defs/field.address"}, {"type": "null"}]}"##))
    }

    @Test func listsAndRecordsAreGoneInto() throws {
        let inner = FieldValue.record(Record("inner", [Field("n", nil, .unsigned(1))]))
        let text = try definition("a", [record("a", [("x", .list([inner]))]), record("a", [("x", .list([]))])])
        #expect(text.contains(##""n": {"$ref": "#/$defs/field.integer"}"##))
        #expect(text.contains(#""type": "array""#))
    }

    @Test func aFieldThatWasNeverReadableIsUnknownUntilANoteSaysWhatItIs() throws {
        var notes = SchemaBuilder.Notes()
        let builder = SchemaBuilder(notes: notes)
        try builder.receive(record("a", [("x", .gap("left out")), ("y", .list([.none]))]))
        #expect(builder.unknown == ["a.x", "a.y"])
        notes.fields = [(nil, "a.x", [.text]), (nil, "a.y", [.text]), (nil, "a.z[].n", [.integer])]
        let other = SchemaBuilder(notes: notes)
        try other.receive(record("a", [("x", .gap("left out")), ("y", .list([.none]))]))
        #expect(other.unknown.isEmpty)
        #expect(other.text(commands: [], dialects: []).contains("\"n\""))
    }

    @Test func whatIsOpenIsNotDescribed() throws {
        var notes = SchemaBuilder.Notes()
        notes.openValues = ["a.value"]
        notes.openRecords = ["a"]
        let text = try definition(
            "a", notes: notes,
            [record("a", [("value", .signed(1)), ("p", .none)]), record("a", [("value", .text("")), ("q", .none)])])
        #expect(text.contains(#""value": true"#) && text.contains(#""additionalProperties": true"#))
        #expect(!text.contains("\"p\""))
    }

    @Test func kindsAreListedByWhoEmitsThem() throws {
        var notes = SchemaBuilder.Notes()
        notes.general = ["gap"]
        let builder = SchemaBuilder(notes: notes)
        builder.source = .command("one")
        try builder.receive(record("a", []))
        try builder.receive(.gap(Gap("x", why: "y")))
        builder.source = .dialect("mdb")
        try builder.receive(record("a", []))
        builder.source = .anyone
        try builder.receive(record("b", []))
        let text = builder.text(commands: ["one", "two"], dialects: ["mdb"])
        #expect(text.contains(##""one": {"oneOf": [{"$ref": "#/$defs/a"}]}"##))
        #expect(text.contains(##""two": {"$ref": "#"}"##))
        #expect(text.contains(##""mdb": {"oneOf": [{"$ref": "#/$defs/mdb:a"}]}"##))
        #expect(text.contains(##""general": {"oneOf": [{"$ref": "#/$defs/gap"}]}"##))
    }
}

import Pipeline
import Rendering
import Target
import Testing

@Suite struct JSONLinesTests {
    private func json(_ data: [Datum], gaps: [Gap] = []) throws -> [String] {
        let paper = Paper()
        let output = JSONLines { paper.text += $0 }
        for datum in data { try output.receive(datum) }
        try output.finish(gaps: gaps, count: gaps.count)
        return paper.text.split(separator: "\n").map(String.init)
    }

    private func value(_ value: FieldValue) throws -> String {
        let line = try json([.record(Record("x", [Field("v", nil, value)]))]).first ?? ""
        return String(line.dropFirst(#"{"kind":"x","v":"#.count).dropLast())
    }

    @Test func aRecordIsOneObjectWithItsFieldsInOrder() throws {
        #expect(
            try json([task(1, "init")]) == [
                #"{"kind":"task","pid":1,"task":"0xffff888000185600","rss":0,"flags":1,"comm":"init"}"#
            ])
    }

    @Test func integersBeyondWhatADoubleHoldsAreStrings() throws {
        #expect(try value(.unsigned(1 << 53)) == "9007199254740992")
        #expect(try value(.unsigned(1 << 53 + 1)) == "\"9007199254740993\"")
        #expect(try value(.unsigned(.max)) == "\"18446744073709551615\"")
        #expect(try value(.signed(.min)) == "\"-9223372036854775808\"")
        #expect(try value(.signed(-5)) == "-5")
    }

    @Test func everyOtherValueHasItsForm() throws {
        #expect(try value(.address(0)) == "\"0x0\"")
        #expect(try value(.boolean(true)) == "true")
        #expect(try value(.none) == "null")
        #expect(try value(.gap("left \"out\"")) == #"{"gap":"left \"out\""}"#)
        #expect(try value(.decimal(12.34, digits: 1)) == "12.3")
        #expect(try value(.decimal(.nan, digits: 1)) == "null")
        #expect(try value(.list([.signed(1), .text("a")])) == #"[1,"a"]"#)
        #expect(try value(.record(Record("y", [Field("a", nil, .signed(1))]))) == #"{"a":1}"#)
    }

    @Test func stringsEscapeWhatJSONAndATerminalCannotBear() throws {
        #expect(
            try value(.text("q\"b\\n\nt\tr\re\u{1b}d\u{7f}c\u{9b}l\u{2028}f\u{fffd}\u{e9}"))
                == #""q\"b\\n\nt\tr\re\u001bd\u007fc\u009bl\u2028f"# + "\u{fffd}\u{e9}\"")
    }

    @Test func gapsAndFailuresAreObjectsToo() throws {
        #expect(try json([], gaps: [Gap("a", why: "b")]) == [#"{"kind":"gap","what":"a","why":"b"}"#])
        let paper = Paper()
        try JSONLines { paper.text += $0 }.fail("no \"x\"", line: "print x")
        #expect(paper.text == #"{"kind":"error","command":"print x","message":"no \"x\""}"# + "\n")
    }

    @Test func textAndNumbersKeepTheirKind() throws {
        #expect(
            try json([.text("a\nb"), .number(7)]) == [
                #"{"kind":"text","text":"a\nb"}"#, #"{"kind":"number","value":7}"#,
            ])
    }
}

import Pipeline
import Testing

@Suite struct ArgumentsTests {
    private func arguments(_ words: [String]) throws -> Arguments {
        try Arguments(words, text: words.joined(separator: " "), manual: Say.manual)
    }

    @Test func optionsAndOperandsMayBeMixed() throws {
        let result = try arguments(["a", "-x", "b", "-n", "3", "-n4"])
        #expect(result.operands == ["a", "b"])
        #expect(result.has("-x") && !result.has("-y"))
        #expect(result.all("-n") == ["3", "4"])
        #expect(result.value("-n") == "4")
    }

    @Test func switchesMayBeJoined() throws {
        let result = try arguments(["-xyn5"])
        #expect(result.has("-x") && result.has("-y"))
        #expect(result.value("-n") == "5")
    }

    @Test func negativeNumbersAreOperands() throws {
        #expect(try arguments(["-1", "-0x10"]).operands == ["-1", "-0x10"])
    }

    @Test func twoDashesEndTheOptions() throws { #expect(try arguments(["--", "-x"]).operands == ["-x"]) }

    @Test func anUnknownOptionAndAMissingArgumentAreRefused() {
        #expect(throws: UsageError("say: no option -z; it has -n -x -y; see: help say")) { try arguments(["-z"]) }
        #expect(throws: UsageError("say: no option --long; it has -n -x -y; see: help say")) {
            try arguments(["--long"])
        }
        #expect(throws: UsageError("say: -n needs COUNT")) { try arguments(["-n"]) }
    }

    @Test func aMistypedLongOptionIsGuessed() {
        let manual = Manual(
            name: "rd", summary: "read", options: [.init("--physical", "physical"), .init("-x", "hexadecimal")],
            examples: [])
        #expect(throws: UsageError("rd: no option --phisical; did you mean --physical?")) {
            try Arguments(["--phisical"], text: "--phisical", manual: manual)
        }
    }

    @Test(
        arguments: [
            ("expr -1", "-1"),
            ("expr -x  ((struct list_head *)0xff)->next", "-x;((struct list_head *)0xff)->next"),
            ("expr -xd a  -x", "-x;-d;a  -x"),
            ("expr -flags & 1", "-flags & 1"),
            ("expr -c 1 -> x", "1;-> x"),
            ("expr -c1 'x' \"y  z\"", "1;'x' \"y  z\""),
            ("expr -- -x", "-x"),
            ("expr", ""),
            ("expr -x", "-x;"),
        ] as [(String, String)])
    func anExpressionIsHandedOnAsTyped(line: String, said: String) {
        #expect(run(line).said == [said])
    }
}

import Pipeline
import Target
import Testing

@Suite struct HelpTests {
    private func help(_ line: String) -> (records: [Record], outcome: Engine.Outcome) {
        let context = Context(
            kernel: EmptyKernel(), catalog: Catalog([[Help.self], [Say.self, First.self]]), gaps: Gaps(),
            journal: Journal())
        var records: [Record] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            if case .record(let record) = datum { records.append(record) }
        }
        return (records, outcome)
    }

    @Test func aloneItListsEveryCommandByName() {
        let names = help("help").records.map { record in
            if case .text(let name)? = record["name"] { return name }
            return ""
        }
        #expect(names == ["first", "help", "say"])
    }

    @Test func aNameOrAnAliasShowsItsManual() {
        for line in ["help say", "man echo"] {
            let records = help(line).records
            #expect(records.map(\.kind) == ["manual"])
            guard case .block(let lines)? = records.first?.presentation else {
                Issue.record("\(line) shows no page")
                continue
            }
            #expect(lines == Say.manual.page)
        }
    }

    @Test func anUnknownNameIsRefused() {
        #expect(help("help sya").outcome == .failed("help: there is no command sya; did you mean say?"))
    }
}

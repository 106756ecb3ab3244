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

    @Test func aloneItListsEveryCommand() {
        let names = help("help").records.map { record in
            if case .text(let name)? = record["name"] { return name }
            return ""
        }
        #expect(names == ["first", "say", "help"])
    }

    @Test func theListHasSectionsInOrderEachWithItsTitleOnce() {
        let lines = help("help").records.flatMap { record -> [String] in
            if case .block(let lines) = record.presentation { return lines }
            return []
        }
        #expect(
            lines == [
                "The machine and its kernel", "  first  Keep the first", "  say    Say words", "",
                "The session", "  help   the commands, or the manual of some of them",
            ])
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

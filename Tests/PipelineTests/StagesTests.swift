import Pipeline
import Target
import Testing

/// What each general stage does with what flows by.
@Suite struct StagesTests {
    static let people = "person ann 30 bob 25 cyd 30 dan ?"

    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let said: [String]
        var testDescription: String { line }

        init(_ line: String, _ said: [String]) {
            self.line = line
            self.said = said
        }
    }

    @Test(arguments: [
        Row("\(people) | filter .age == 30 | .name", ["ann", "cyd"]),
        Row("\(people) | filter .age < 30 || .name == cyd | .name", ["bob", "cyd"]),
        Row("\(people) | filter .name =~ n | .name", ["ann", "dan"]),
        Row("\(people) | filter .name =~ '?o*' | .name", ["bob"]),
        Row("\(people) | filter .name !~ n && .age & 1 | .name", ["bob"]),
        Row("\(people) | filter !(.age % 2 == 0) | .name", ["bob"]),
        Row("\(people) | count", ["4"]),
        Row("\(people) | sum .age", ["85"]),
        Row("\(people) | sum .age * 2 - 1", ["167"]),
        Row("\(people) | min .age | .name", ["bob"]),
        Row("\(people) | max .age | .name", ["ann"]),
        Row("\(people) | sort .age | .name", ["bob", "ann", "cyd"]),
        Row("\(people) | sort -r .name | .name", ["dan", "cyd", "bob", "ann"]),
        Row("\(people) | sort | .name", ["ann", "bob", "cyd", "dan"]),
        Row("\(people) | uniq .age | .name", ["ann", "bob"]),
        Row("\(people) | head 1 | .name", ["ann"]),
        Row("\(people) | head -2 | .name", ["ann", "bob"]),
        Row("\(people) | tail -n 1 | .name", ["dan"]),
        Row("\(people) | group-by age", ["2,30", "1,25"]),
        Row("\(people) | group-by -s .age name", ["1,30,ann", "1,25,bob", "1,30,cyd", "1,0,dan"]),
        Row("\(people) | histogram .age", ["16,31,3,########################################"]),
        Row("\(people) | map .name, .age", ["ann,30", "bob,25", "cyd,30", "dan,?forgotten"]),
        Row("\(people) | map .age + 1 | head 1", ["31"]),
        Row("\(people) | join .name (person bob 1 | map .name, .age, .address) | .name", ["bob"]),
        Row("\(people) | except .name = .name (person bob 1 eve 2) | .name", ["ann", "cyd", "dan"]),
        Row("\(people) | at | head 2", ["at 0x0", "at 0x2"]),
        Row("say 3 1 2 | sort", ["1", "2", "3"]),
        Row("say 1 2 3 | filter . > 1 | sum", ["5"]),
        Row("say a b a | uniq | count", ["2"]),
        Row("say 5 | map . - 7", ["-2"]),
        Row("say 5 | map . / 2", ["2"]),
        Row("say 5 | map . << 2 | map ~.", ["18446744073709551595"]),
        Row("range 3", ["0", "1", "2"]),
        Row("range 0x10 2", ["16", "17"]),
        Row("range 5 | max", ["4"]),
        Row("range 100 | tail 2", ["98", "99"]),
        Row("say | count", ["0"]),
        Row("say | max", []),
        Row("say | histogram", []),
    ])
    func theStageSays(row: Row) {
        let result = run(row.line)
        #expect(result.outcome == .answered)
        #expect(result.said == row.said)
    }

    @Test func whatCannotBeReadNeitherPassesNorFailsAndIsTold() {
        let result = run("\(Self.people) | filter .age > 0 | count")
        #expect(result.said == ["3"])
        #expect(result.gaps == [Gap(".age > 0", why: "forgotten")])
    }

    @Test func aFieldThatNobodyHasIsTheUsersMistake() {
        #expect(
            run("\(Self.people) | filter .agee > 0").outcome
                == .failed("a person has no field agee; did you mean age?; it has name, age, address"))
    }

    @Test func aFieldThatOnlySomeHaveLeavesTheOthersOutAndSaysSo() {
        let result = run("say 1 | filter .age == 1")
        #expect(result.outcome == .failed("what flows here has no fields, so no age"))
    }

    @Test(arguments: [
        ("count", "count works on what another command says: COMMAND | count"),
        ("say 1 | count | at | join .x", "join: the other commands stand in parentheses: join .pid (ps -u)"),
        ("say 1 | filter", "filter: a condition is missing; see: help filter"),
        ("say 1 | filter .a ==", "unexpected the end in the formula"),
        ("say 1 | filter (((", "unexpected the end in the formula"),
        ("say 1 | filter 'x", "the quote in column 16 has no end"),
        ("say 1 | expr 2", "expr takes no input from another command, so it only begins a line"),
        ("say 1 | source y", "source takes no input from another command, so it only begins a line"),
    ])
    func aLineThatMakesNoSenseIsRefusedBeforeItRuns(line: String, why: String) {
        let result = run(line)
        #expect(result.outcome == .failed(Failure(why)))
        #expect(result.said.isEmpty)
    }

    @Test func dataThatDoNotFitAreRefusedWithWhatWouldFit() {
        #expect(
            run("group-by x").outcome == .failed("group-by works on what another command says: COMMAND | group-by"))
        #expect(
            run("person a 1 | group-by name | at").outcome
                == .failed("group-by hands on records; at takes objects, records about an object or numbers"))
        #expect(
            run("expr 1 | deref").outcome
                == .failed("expr hands on records; deref takes objects, records about an object or numbers"))
    }

    @Test func aDefinitionIsACommandWithParameters() {
        let session = SessionState()
        func said(_ line: String) -> [String] { run(line, session: session).said }
        #expect(said("define older(age) \"people beyond an age\" = filter .age > $age").isEmpty)
        #expect(said("define everybody = \(Self.people)").isEmpty)
        #expect(said("define oldest(count) = \(Self.people) | sort -r .age | head $count").isEmpty)
        #expect(said("oldest 1 | .name") == ["ann"])
        #expect(said("everybody | older 26 | .name") == ["ann", "cyd"])
        #expect(run("everybody | older", session: session).outcome == .failed("older takes age"))
        #expect(run("define older = say", session: session).outcome == .answered)
        #expect(run("define say = count", session: session).outcome == .failed("define: say is a command already"))
        _ = said("define loop = loop")
        #expect(
            run("loop", session: session).outcome == .failed("the definitions use each other without an end"))
        _ = said("define twice = loop | loop")
        guard case .failed = run("twice", session: session).outcome else {
            Issue.record("an endless definition was answered")
            return
        }
        #expect(run("define -d everybody", session: session).outcome == .answered)
        #expect(
            run("everybody", session: session).outcome == .failed("there is no command everybody; see: help"))
    }

    @Test func aMillionItemsFlowThroughStreamingStages() {
        #expect(run("range 1000000 | filter . % 2 == 0 | map . + 1 | head 400000 | count").said == ["400000"])
    }
}

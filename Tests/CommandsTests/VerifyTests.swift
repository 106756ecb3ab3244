import Analysis
import Bytes
import Capabilities
import FixtureKit
import Pipeline
import Target
import Testing

@testable import Commands

/// A rule that finds a task with the wrong pid.
private enum WrongPID: Analysis {
    static let rule = "wrong-pid"
    static let question = "Has ruby a pid that it should not have?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        .findings([
            Finding(
                rule: rule, confidence: .certain, summary: "ruby has pid 45", parties: ["task 45"],
                evidence: [
                    Evidence(
                        claim: "the first one is the idle task", expected: .contains("swapper"),
                        reproduce: "print init_task.comm"),
                    Evidence(
                        claim: "CPU 1 runs pid 45", expected: .number(45),
                        reproduce: "print per_cpu(runqueues, 1).curr->pid"),
                    Evidence(
                        claim: "its parent is the idle task", expected: .number(0),
                        reproduce: "print per_cpu(runqueues, 1).curr->parent->pid"),
                ])
        ])
    }
}

private struct Offer: AnalysisOffer {
    let analyses: [any Analysis.Type]
}

@Suite struct VerifyTests {
    private func session(pid: Int = 45, _ offered: [any Analysis.Type] = [WrongPID.self]) -> Context {
        Session(offering: [Offer(analyses: offered)], pid: pid).context
    }

    private func saved(_ context: Context) -> EvidenceFile {
        EvidenceFile(DumpIdentity(context.kernel), Examination(context.kernel))
    }

    private func outcomes(_ file: EvidenceFile, _ context: Context) -> [ClaimOutcome] {
        let verification = Verification(file, context)
        return file.claims.map { verification.check($0) }
    }

    @Test func everyClaimHoldsOnTheDumpThatItCameFrom() throws {
        let context = session()
        let file = try EvidenceFile(text: saved(context).lines.joined(separator: "\n"))
        #expect(file.claims == saved(context).claims && file.claims.count == 3)
        #expect(outcomes(file, context) == [.holds, .holds, .holds])
    }

    @Test func oneOtherByteContradictsExactlyTheClaimThatReadsIt() {
        let file = saved(session())
        #expect(outcomes(file, session(pid: 46)) == [.holds, .contradicted("46"), .holds])
    }

    @Test(arguments: [
        "print init_task > /tmp/x", "print init_task ! sh", "source x", "define a = print 1", "verify x", "analyze",
        "print init_task | source x", "dialect mdb", "nonsense", "",
    ])
    func aFileCanMakeNoCommandRunButOnesThatRead(line: String) {
        let claim = EvidenceFile.Claim(finding: "f", claim: "c", command: line, expected: .contains(""))
        let outcome = Verification(saved(session()), session()).check(claim)
        guard case .unchecked = outcome else {
            Issue.record("\(line): \(outcome)")
            return
        }
    }

    @Test func whatCannotBeReadCannotBeChecked() {
        let claim = EvidenceFile.Claim(
            finding: "f", claim: "c", command: "print *(struct task_struct *)0x10", expected: .number(1))
        guard case .unchecked = Verification(saved(session()), session()).check(claim) else {
            Issue.record("an unreadable place is no contradiction")
            return
        }
    }

    @Test func anotherBuildIsAnotherKernelAndAnotherUptimeAnotherDump() {
        let mine = DumpIdentity(facts: [["build-id", "aa"], ["release", "6.1"], ["uptime", "5"]])
        let later = DumpIdentity(facts: [["build-id", "aa"], ["release", "6.1"], ["uptime", "6"]])
        let built = DumpIdentity(facts: [["build-id", "bb"], ["release", "6.1"], ["uptime", "5"]])
        #expect(mine.differences(from: mine).isEmpty)
        #expect(mine.differences(from: later) == ["the same kernel, another dump: uptime: 5 in the file, 6 here"])
        #expect(mine.differences(from: built) == ["another kernel: build-id: aa in the file, bb here"])
        // What only one side knows is no difference.
        #expect(mine.differences(from: DumpIdentity(facts: [["release", "6.1"]])).isEmpty)
    }

    @Test func textSurvivesTheFileWhateverIsInIt() {
        for text in ["a\nb\\n", "\\{a}", "\u{202e}x", "", "ä\u{0}", "\\"] {
            let written = EvidenceFile.written(text)
            #expect(written.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
            #expect(EvidenceFile.read(written[...]) == text)
        }
    }

    @Test(arguments: ["", "inquest-evidence 2", "inquest-evidence 1\nnumber 1", "inquest-evidence 1\nwhat", "\u{0}"])
    func aFileThatIsNoneIsRefused(text: String) {
        #expect(throws: CommandError.self) { try EvidenceFile(text: text) }
    }

    @Test func theVerdictFitsAScreenAndSaysWhoAndHow() {
        let verdict = VerdictPage(Examination(session().kernel), lost: ["no lines"]).verdict
        guard case .block(let lines) = verdict.presentation else {
            Issue.record("no lines")
            return
        }
        #expect(
            lines == [
                "VERDICT", "  wrong-pid, certain: ruby has pid 45", "  who:        task 45",
                "  without:    no lines",
            ])
    }

    @Test func nothingWrongAndCannotTellAreVerdicts() {
        enum Fine: Analysis {
            static let rule = "fine"
            static let question = "?"
            static func run(_ kernel: any Kernel) -> AnalysisResult? { .findings([]) }
        }
        enum Blind: Analysis {
            static let rule = "blind"
            static let question = "?"
            static func run(_ kernel: any Kernel) -> AnalysisResult? { .undecided("no page") }
        }
        #expect(
            Examination(session([Fine.self, Blind.self]).kernel).headline == [
                "nothing wrong found; looked for: fine", "cannot tell: blind (no page)",
            ])
        #expect(Examination(session([Blind.self]).kernel).outcome == .cannotTell)
        #expect(Examination(session([]).kernel).headline == ["cannot tell: no analysis knows this kernel"])
    }

    private func session(_ offered: [any Analysis.Type]) -> Context { session(pid: 45, offered) }
}

// analyze: what is wrong with the kernel, and how one sees it.

internal import Analysis
internal import Bytes
internal import Capabilities
internal import DebugModel
package import Pipeline
internal import Target

package struct Analyze: Stage {
    package static let manual = Manual(
        name: "analyze", synopsis: "[--save FILE] [--graph FILE] [RULE]...",
        summary: "what is wrong, who takes part, and the evidence",
        text: """
            Asks every analysis that knows this kernel, or those of the RULEs named. First a verdict: what is wrong and how \
            sure that is, who takes part, what happened when, what speaks against it, what could not be read. Then each \
            finding with its evidence: a claim, and the command that shows it. "nothing wrong found" and "cannot tell" are \
            verdicts too.

            certain: every link is a word of the dump; probable: it follows from code and recovered values; possible: it \
            explains what is seen, and so may other things. A finding that is no fault is an observation.

            With --json each finding and each piece of evidence is an object; `finding` numbers them. The file that --save \
            writes is what verify reads. Both options need a session that may write files.
            """,
        options: [
            .init("--save", "FILE", "keep findings and evidence in FILE"),
            .init("--graph", "FILE", "draw who waits for whom: FILE.svg, or FILE.dot for Graphviz"),
        ],
        examples: [.init("analyze", "everything"), .init("analyze | count", "how much was found")],
        section: .machine)
    private let rules: [String]
    private let saved: String?
    private let picture: (path: String, form: OutputForm)?

    package init(_ arguments: Arguments) throws {
        rules = arguments.operands
        saved = arguments.value("--save")
        picture = try arguments.value("--graph").map { path in
            if path.hasSuffix(".svg") { return (path, .svg) }
            if path.hasSuffix(".dot") { return (path, .dot) }
            throw UsageError("analyze: --graph needs a file whose name ends in .svg or .dot")
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let known = Examination.offered(by: context.kernel).map { $0.rule }
        for rule in rules where !known.contains(rule) {
            throw UsageError("analyze: " + NearNames.unknown(rule, among: known))
        }
        let examination = try Examination(context.kernel, rules: rules) {
            if context.isInterrupted() { throw Interrupted() }
        }
        let page = VerdictPage(examination, lost: Self.lacksLines(context.target) ? [VerdictPage.lines] : [])
        try emit(.record(page.verdict))
        for record in page.findings { try emit(.record(record)) }
        if let saved {
            try write(saved, as: .usual, context) { emit in
                for line in EvidenceFile(DumpIdentity(context.kernel), examination).lines { try emit(.text(line)) }
            }
            try emit(.text("saved: \(saved)"))
        }
        if let picture { try draw(picture, page.graph, context, emit) }
    }

    /// Whether the kernel's own code has no source lines. Every kernel has a function that switches tasks: illumos, FreeBSD
    /// and Linux call it so.
    private static func lacksLines(_ target: Target) -> Bool {
        let switches = ["schedule", "mi_switch", "swtch"].lazy.compactMap { target.symbols.symbol(named: $0) }
        guard let place = switches.first?.address else { return false }
        return ((try? target.line(at: place)) ?? nil) == nil
    }

    private func draw(
        _ picture: (path: String, form: OutputForm), _ graph: Graph?, _ context: Context, _ emit: Emit
    ) throws {
        guard let graph else {
            throw CommandError("analyze: no finding has a graph; \(picture.path) was not written")
        }
        try write(picture.path, as: picture.form, context) {
            try $0(.record(Record("graph", [], presentation: .none, graph: graph)))
        }
        try emit(.text("drawn: \(picture.path)"))
    }

    private func write(
        _ path: String, as form: OutputForm, _ context: Context, _ body: (Emit) throws -> Void
    ) throws {
        guard let files = context.files else { throw CommandError("analyze: files cannot be written here") }
        try files.write(path, as: form, body)
    }
}

/// What `analyze` shows of an examination.
struct VerdictPage {
    let examination: Examination
    /// What would be told besides if there were more than the dump.
    private let lost: [String]
    private let told: [Finding]

    /// Names on one line of the verdict, and lines of it for one matter: it must fit a screen.
    private static let shown = 8

    /// What only debug information tells.
    static let lines =
        "no debug information of the kernel itself: its code is told by function and offset, not by line"

    init(_ examination: Examination, lost: [String]) {
        self.examination = examination
        self.lost = lost
        told = examination.faults + examination.observations
    }

    /// Of the first finding that has one.
    var graph: Graph? { told.compactMap(\.graph).first }

    var verdict: Record {
        let first = examination.faults.first
        var lines = ["VERDICT"] + examination.headline.flatMap { Self.wrapped($0, "  ") }
        if let first {
            lines += Self.part("who", first.parties) + Self.part("when", first.chronology)
            lines += Self.part("against it", first.contradictions) + Self.part("not read", first.unread)
            lines += Self.part("without", lost)
        }
        let answered = examination.answered.map { FieldValue.text($0.rule) }
        let undecided = examination.undecided.map { rule, why in
            FieldValue.record(Record("undecided", [Field("rule", nil, .text(rule)), Field("why", nil, .text(why))]))
        }
        return Record(
            "verdict",
            [
                Field("outcome", nil, .text(examination.outcome.rawValue)),
                Field("rule", nil, first.map { .text($0.rule) } ?? .none),
                Field("confidence", nil, first.map { .text($0.confidence.rawValue) } ?? .none),
                Field("summary", nil, first.map { .text($0.summary) } ?? .none),
                Field("faults", nil, .unsigned(UInt64(examination.faults.count))),
                Field("observations", nil, .unsigned(UInt64(examination.observations.count))),
                Field("answered", nil, .list(answered)), Field("undecided", nil, .list(undecided)),
                Field("without", nil, .list(lost.map { .text($0) })),
            ], presentation: .block(lines))
    }

    private static func part(_ title: String, _ texts: [String]) -> [String] {
        var lines: [String] = []
        for (index, text) in texts.prefix(shown).enumerated() {
            let head = index == 0 ? "\(title):" : ""
            let indent = "  \(head)" + String(repeating: " ", count: max(12 - head.count, 1))
            lines += wrapped(text, indent)
        }
        if texts.count > shown { lines.append("              and \(texts.count - shown) more, below") }
        return lines
    }

    /// A sentence on lines of at most 120 columns, the later ones further in. Words are never cut.
    static func wrapped(_ text: String, _ indent: String) -> [String] {
        let deeper = String(repeating: " ", count: indent.count + 4)
        var lines: [String] = []
        var line = indent
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if line.count > deeper.count, line.count + 1 + word.count > 120 {
                lines.append(line)
                line = deeper
            }
            if line.last.map({ $0 != " " }) == true { line += " " }
            line += word
        }
        return lines + [line]
    }

    /// Each finding, followed by its evidence.
    var findings: [Record] {
        told.enumerated().flatMap { index, finding -> [Record] in
            [record(finding, number: index + 1)]
                + finding.evidence.map { Self.record($0, finding: index + 1, of: finding) }
        }
    }

    private func record(_ finding: Finding, number: Int) -> Record {
        func list(_ texts: [String]) -> FieldValue { .list(texts.map { .text($0) }) }
        func lines(_ title: String, _ texts: [String]) -> [String] {
            texts.isEmpty ? [] : ["   \(title):"] + texts.flatMap { Self.wrapped($0, "     ") }
        }
        let sort = finding.isFault ? "finding" : "observation"
        var block =
            [
                "", "\(number). \(finding.rule) (\(sort), \(finding.confidence.rawValue))",
            ] + Self.wrapped(finding.summary, "   ")
        block += lines("who", finding.parties) + lines("when", finding.chronology)
        block += lines("against it", finding.contradictions) + lines("not read", finding.unread)
        if !finding.evidence.isEmpty { block.append("   evidence:") }
        return Record(
            "finding",
            [
                Field("finding", nil, .unsigned(UInt64(number))), Field("rule", nil, .text(finding.rule)),
                Field("confidence", nil, .text(finding.confidence.rawValue)),
                Field("fault", nil, .boolean(finding.isFault)), Field("summary", nil, .text(finding.summary)),
                Field("parties", nil, list(finding.parties)), Field("chronology", nil, list(finding.chronology)),
                Field("contradictions", nil, list(finding.contradictions)), Field("unread", nil, list(finding.unread)),
            ], presentation: .block(block), graph: finding.graph)
    }

    private static func record(_ evidence: Evidence, finding number: Int, of finding: Finding) -> Record {
        let reads = evidence.reads.map { range in
            FieldValue.record(
                Record(
                    "range",
                    [
                        Field("address", nil, .address(range.lowerBound.rawValue)),
                        Field("size", nil, .unsigned(range.upperBound.distance(from: range.lowerBound))),
                    ]))
        }
        return Record(
            "evidence",
            [
                Field("finding", nil, .unsigned(UInt64(number))), Field("rule", nil, .text(finding.rule)),
                Field("claim", nil, .text(evidence.claim)), Field("command", nil, .text(evidence.reproduce)),
                Field("expected", nil, evidence.expected.field), Field("reads", nil, .list(reads)),
            ],
            presentation: .block([
                "     - \(evidence.claim)", "         \(evidence.reproduce)    [\(evidence.expected.phrase)]",
            ]))
    }
}

extension Observation {
    /// What the command must answer, in words.
    var phrase: String {
        switch self {
        case .number(let number): number > 0xffff_ffff ? "0x\(hex(number))" : "\(number)"
        case .text(let text): "\"\(text)\""
        case .contains(let text): "has \"\(text)\""
        }
    }

    var field: FieldValue {
        let (name, value): (String, FieldValue) =
            switch self {
            case .number(let number): ("number", .unsigned(number))
            case .text(let text): ("text", .text(text))
            case .contains(let text): ("contains", .text(text))
            }
        return .record(Record("observation", [Field(name, nil, value)]))
    }
}

// verify: whether what an analysis claimed is so on this dump.

internal import Analysis
internal import Bytes
internal import Capabilities
package import Pipeline
internal import Target

package struct Verify: Stage {
    package static let manual = Manual(
        name: "verify", synopsis: "FILE",
        summary: "run the commands of a saved analysis again and compare their answers",
        text: """
            FILE is what analyze --save wrote, on this dump or another: what tells the two apart is said first, and whether \
            it is the same kernel (by its build-id). Each claim holds, is contradicted (what was seen \
            instead is told), or cannot be checked and why. A contradicted claim makes the command fail. Only commands \
            that read are run: no shell, no files, nothing that changes the session.
            """,
        examples: [.init("help verify", "this page")], section: .machine)
    private let path: String

    package init(_ arguments: Arguments) throws {
        guard let path = arguments.operands.first, arguments.operands.count == 1 else {
            throw UsageError("verify: the name of one file is expected")
        }
        self.path = path
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let file: EvidenceFile
        do {
            let bytes = try ByteSource.read(path)
            guard bytes.count <= EvidenceFile.maximum else {
                throw CommandError("more than \(EvidenceFile.maximum >> 20) MiB")
            }
            file = try EvidenceFile(text: String(decoding: Array(bytes), as: UTF8.self))
        } catch { throw CommandError("verify: \(path): \(error)") }
        let summary = try Verification(file, context).run(emit)
        guard summary.contradicted == 0 else {
            throw CommandError("verify: \(summary.contradicted) of \(file.claims.count) claims are contradicted")
        }
    }
}

/// How one claim fared.
enum ClaimOutcome: Equatable {
    case holds
    /// With what was seen.
    case contradicted(String)
    /// With the reason.
    case unchecked(String)

    var name: String {
        switch self {
        case .holds: "holds"
        case .contradicted: "contradicted"
        case .unchecked: "cannot be checked"
        }
    }

    var detail: String? {
        switch self {
        case .holds: nil
        case .contradicted(let seen): "seen: \(seen)"
        case .unchecked(let why): why
        }
    }
}

struct Verification {
    private let file: EvidenceFile
    private let context: Context

    init(_ file: EvidenceFile, _ context: Context) {
        self.file = file
        self.context = context
    }

    /// Emits a record for each claim and one about all. Throws only `Interrupted` and what `emit` throws.
    func run(_ emit: Emit) throws -> (holds: Int, contradicted: Int, unchecked: Int) {
        for difference in file.identity.differences(from: DumpIdentity(context.kernel)) {
            let fields = [Field("text", nil, .text(difference))]
            try emit(
                .record(Record("remark", fields, presentation: .block([difference]))))
        }
        var counts = (holds: 0, contradicted: 0, unchecked: 0)
        var finding: String?
        for claim in file.claims {
            if context.isInterrupted() { throw Interrupted() }
            let outcome = check(claim)
            switch outcome {
            case .holds: counts.holds += 1
            case .contradicted: counts.contradicted += 1
            case .unchecked: counts.unchecked += 1
            }
            try emit(.record(record(claim, outcome, isFirst: claim.finding != finding)))
            finding = claim.finding
        }
        let text =
            "\(counts.holds) of \(file.claims.count) claims hold, \(counts.contradicted) contradicted, "
            + "\(counts.unchecked) cannot be checked"
        try emit(
            .record(
                Record(
                    "verification",
                    [
                        Field("claims", nil, .unsigned(UInt64(file.claims.count))),
                        Field("holds", nil, .unsigned(UInt64(counts.holds))),
                        Field("contradicted", nil, .unsigned(UInt64(counts.contradicted))),
                        Field("unchecked", nil, .unsigned(UInt64(counts.unchecked))),
                    ], presentation: .block(["", text]))))
        return counts
    }

    private func record(_ claim: EvidenceFile.Claim, _ outcome: ClaimOutcome, isFirst: Bool) -> Record {
        var lines = isFirst ? [claim.finding] : []
        lines.append("  \(outcome.name): \(claim.claim)")
        lines.append("      \(claim.command)    [\(claim.expected.phrase)]")
        if let detail = outcome.detail { lines.append("      \(detail)") }
        return Record(
            "claim",
            [
                Field("finding", nil, .text(claim.finding)), Field("claim", nil, .text(claim.claim)),
                Field("command", nil, .text(claim.command)), Field("expected", nil, claim.expected.field),
                Field("outcome", nil, .text(outcome.name)),
                Field("detail", nil, outcome.detail.map { .text($0) } ?? .none),
            ], presentation: .block(lines))
    }

    /// Data that one command may answer with before it is stopped.
    private static let maximumData = 100_000

    /// Runs the claim's command in a session of its own, that may neither write nor run programs.
    func check(_ claim: EvidenceFile.Claim) -> ClaimOutcome {
        let gaps = Gaps()
        let context = Context(
            kernel: context.kernel, catalog: context.catalog, gaps: gaps, journal: context.journal,
            session: SessionState(allowsShell: false), isInterrupted: context.isInterrupted, depth: context.depth + 1)
        var seen = Answer()
        do {
            let pipeline = try Pipeline(claim.command, context)
            try Self.refuse(pipeline)
            try pipeline.run(context) { datum in
                seen.take(datum)
                if seen.count > Self.maximumData { throw Enough() }
            }
        } catch is Enough {
            return .unchecked("the command answers too much")
        } catch {
            return .unchecked("\(error)")
        }
        if seen.matches(claim.expected) { return .holds }
        if let gap = gaps.all.first { return .unchecked("\(gap.what): \(gap.why)") }
        return seen.count == 0 ? .unchecked("the command answered nothing") : .contradicted(seen.phrase)
    }

    /// A file says which commands to run: only those that read are.
    private static func refuse(_ pipeline: Pipeline) throws {
        guard pipeline.destination == .screen else { throw CommandError("refused: it writes or runs a program") }
        for stage in pipeline.stages {
            let manual = type(of: stage).manual
            let isRefused =
                stage is any LineStage || manual.section == .session || ["analyze", "verify"].contains(manual.name)
            guard !isRefused else { throw CommandError("refused: \(manual.name) is no command that reads the dump") }
        }
        guard !pipeline.stages.isEmpty else { throw CommandError("there is no command") }
    }
}

/// What a command answered, as far as observations are concerned.
private struct Answer {
    private(set) var count = 0
    /// Of the first datum: what it says as a number and as text.
    private var number: UInt64?
    private var text: String?
    private var lines: [String] = []
    private static let maximumLines = 20_000

    mutating func take(_ datum: Datum) {
        if case .record(let record) = datum, record.isRemark { return }
        count += 1
        let own = Self.lines(datum)
        if lines.count < Self.maximumLines { lines += own.prefix(Self.maximumLines) }
        guard count == 1 else { return }
        text = own.count == 1 ? own.first : nil
        switch datum {
        case .number(let value): number = value
        case .field(let value): (number, text) = (Self.number(value), Self.text(value) ?? text)
        case .object(let value):
            number = try? value.unsigned()
        case .record(let record):
            // `print` and `eval` say their answer in `value`.
            guard let value = record["value"] else { break }
            (number, text) = (Self.number(value), Self.text(value) ?? text)
        case .text, .gap: break
        }
    }

    func matches(_ expected: Observation) -> Bool {
        switch expected {
        case .number(let wanted): count == 1 && number == wanted
        case .text(let wanted): count == 1 && text == wanted
        case .contains(let wanted): lines.contains { $0.contains(wanted) }
        }
    }

    var phrase: String {
        if count > 1 { return "\(count) answers, the first: \(lines.first ?? "?")" }
        return number.map { $0 > 0xffff_ffff ? "0x\(hex($0))" : "\($0)" } ?? text ?? lines.first ?? "nothing"
    }

    private static func number(_ value: FieldValue) -> UInt64? {
        switch value {
        case .unsigned(let number), .address(let number): number
        case .signed(let number): UInt64(bitPattern: number)
        case .boolean(let flag), .mark(let flag, _): flag ? 1 : 0
        // A pointer that has a symbol or a string.
        case .record(let record): record["address"].flatMap { number($0) }
        default: nil
        }
    }

    private static func text(_ value: FieldValue) -> String? {
        if case .text(let text) = value { return text }
        return nil
    }

    private static func lines(_ datum: Datum) -> [String] {
        switch datum {
        case .text(let text): return text.split(separator: "\n").map(String.init)
        case .number(let number): return ["\(number)"]
        case .gap: return []
        case .field(let value): return [cell(value)]
        case .object(let value): return ValueFormatter(FormatOptions()).lines(value)
        case .record(let record):
            switch record.presentation {
            case .block(let lines): return lines
            case .row, .none: return [record.fields.map { cell($0.value) }.joined(separator: " ")]
            }
        }
    }

    private static func cell(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): text
        case .signed(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .address(let address): hex(address)
        case .boolean(let flag): flag ? "yes" : "no"
        case .mark(let flag, let mark): flag ? mark : ""
        case .decimal(let number, _): "\(number)"
        case .list(let values): values.map(cell).joined(separator: ",")
        case .record(let record): record.fields.map { "\($0.name)=\(cell($0.value))" }.joined(separator: " ")
        case .gap: "?"
        case .none: "-"
        }
    }
}

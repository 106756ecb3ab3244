// All analyses of a kernel run, and what follows from their answers taken together.

package import Capabilities
internal import Target

/// What the analyses of one kernel answered.
package struct Examination: Sendable {
    package struct Answer: Sendable {
        package let rule: String
        package let question: String
        /// Nil: the kernel has nothing that the question could be asked of.
        package let result: AnalysisResult?
    }

    package enum Outcome: String, Sendable {
        case wrong
        case nothingWrong = "nothing wrong found"
        case cannotTell = "cannot tell"
    }

    package let answers: [Answer]

    package init(answers: [Answer]) { self.answers = answers }

    /// Runs the analyses that `kernel` offers; with `rules`, those of these names alone. `mayGoOn` is asked before each.
    package init(_ kernel: any Kernel, rules: [String] = [], mayGoOn: () throws -> Void) rethrows {
        var answers: [Answer] = []
        for analysis in Self.offered(by: kernel) where rules.isEmpty || rules.contains(analysis.rule) {
            try mayGoOn()
            answers.append(
                Answer(rule: analysis.rule, question: analysis.question, result: analysis.run(kernel)))
        }
        self.answers = answers
    }

    /// All at once.
    package init(_ kernel: any Kernel, rules: [String] = []) { self.init(kernel, rules: rules, mayGoOn: {}) }

    package static func offered(by kernel: any Kernel) -> [any Analysis.Type] {
        kernel.capability((any AnalysisOffer).self)?.analyses ?? []
    }

    /// What is wrong, the surest first; among equals in the order of the analyses.
    package var faults: [Finding] {
        sorted(findings.filter(\.isFault))
    }

    /// What is worth seeing, and nothing wrong.
    package var observations: [Finding] { sorted(findings.filter { !$0.isFault }) }

    /// The questions without an answer, and why.
    package var undecided: [(rule: String, why: String)] {
        answers.compactMap { answer in
            if case .undecided(let why)? = answer.result { return (answer.rule, why) }
            return nil
        }
    }

    /// The questions that were answered.
    package var answered: [Answer] {
        answers.filter { answer in
            if case .findings? = answer.result { return true }
            return false
        }
    }

    package var outcome: Outcome {
        if !faults.isEmpty { return .wrong }
        return answered.isEmpty ? .cannotTell : .nothingWrong
    }

    /// One to three lines: what is wrong and how sure, how much else there is, what was not answered.
    package var headline: [String] {
        var lines: [String] = []
        switch outcome {
        case .wrong:
            let faults = faults
            for fault in faults.prefix(1) {
                lines.append("\(fault.rule), \(fault.confidence.rawValue): \(fault.summary)")
            }
            if faults.count > 1 {
                lines.append("also: " + Self.counted(faults.dropFirst()).joined(separator: "; "))
            }
        case .nothingWrong:
            lines.append("nothing wrong found; looked for: " + answered.map(\.rule).joined(separator: ", "))
            if !observations.isEmpty {
                lines.append("worth seeing: " + Self.counted(observations).joined(separator: "; "))
            }
        case .cannotTell:
            lines.append("cannot tell" + (answers.isEmpty ? ": no analysis knows this kernel" : ""))
        }
        if !undecided.isEmpty {
            lines.append("cannot tell: " + undecided.map { "\($0.rule) (\($0.why))" }.joined(separator: "; "))
        }
        return lines
    }

    /// What there is more of, each kind once: `deadlock, certain (3)`.
    private static func counted(_ findings: some Sequence<Finding>) -> [String] {
        var counts: [(text: String, count: Int)] = []
        for finding in findings {
            let text = "\(finding.rule), \(finding.confidence.rawValue)"
            if let place = counts.firstIndex(where: { $0.text == text }) {
                counts[place].count += 1
            } else {
                counts.append((text, 1))
            }
        }
        return counts.map { $0.count == 1 ? $0.text : "\($0.text) (\($0.count))" }
    }

    private var findings: [Finding] {
        answers.flatMap { answer -> [Finding] in
            if case .findings(let findings)? = answer.result { return findings }
            return []
        }
    }

    private func sorted(_ findings: [Finding]) -> [Finding] {
        findings.enumerated().sorted {
            $0.element.confidence == $1.element.confidence
                ? $0.offset < $1.offset : $0.element.confidence < $1.element.confidence
        }.map(\.element)
    }
}

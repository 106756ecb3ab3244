// What an analysis says: claims, each with evidence that a reader can check himself.

package import Bytes
package import Target

/// How sure a finding is.
package enum Confidence: String, Sendable, CaseIterable, Comparable {
    /// Every link is a word of the dump, or follows from such words with a count that agrees.
    case certain
    /// It follows from code and recovered values, and nothing contradicts it.
    case probable
    /// It explains what is seen; so may other things.
    case possible

    package static func < (a: Confidence, b: Confidence) -> Bool { a.rank < b.rank }
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// One thing that was seen, and how to see it again.
package struct Evidence: Sendable {
    /// A sentence without its full stop: "the owner of the mutex is task 47 (ruby-copy)".
    package let claim: String
    /// What the command must answer for the claim to hold.
    package let expected: Observation
    /// A command line that shows it. Emits one datum when run on this dump, on which `expected` is tested.
    package let reproduce: String
    /// The memory that was read for it.
    package let reads: [Range<VirtualAddress>]

    package init(claim: String, expected: Observation, reproduce: String, reads: [Range<VirtualAddress>] = []) {
        self.claim = claim
        self.expected = expected
        self.reproduce = reproduce
        self.reads = reads
    }
}

/// A value that a command answered.
package enum Observation: Sendable, Equatable {
    case number(UInt64)
    case text(String)
    /// The command's answer has this text in one of its lines.
    case contains(String)
}

/// Something that is wrong with the target, or worth seeing.
package struct Finding: Sendable {
    /// What is wrong, as a stable name: "deadlock", "soft-lockup", "exited-owner".
    package let rule: String
    package let confidence: Confidence
    /// False for an observation: worth seeing, and nothing wrong.
    package let isFault: Bool
    /// One sentence with the tasks and objects in it.
    package let summary: String
    /// Who takes part: tasks by pid and name, locks by what contains them, code by function and line.
    package let parties: [String]
    /// What happened when, oldest first; empty where it cannot be told.
    package let chronology: [String]
    package let evidence: [Evidence]
    /// What speaks against it.
    package let contradictions: [String]
    /// What could not be read and might have changed it.
    package let unread: [String]
    package let graph: Graph?

    package init(
        rule: String, confidence: Confidence, isFault: Bool = true, summary: String, parties: [String] = [],
        chronology: [String] = [], evidence: [Evidence], contradictions: [String] = [], unread: [String] = [],
        graph: Graph? = nil
    ) {
        self.rule = rule
        self.confidence = confidence
        self.isFault = isFault
        self.summary = summary
        self.parties = parties
        self.chronology = chronology
        self.evidence = evidence
        self.contradictions = contradictions
        self.unread = unread
        self.graph = graph
    }
}

/// How an analysis ended.
package enum AnalysisResult: Sendable {
    /// What was found; empty: it looked, and nothing is wrong.
    case findings([Finding])
    /// It cannot tell, for the stated reason.
    case undecided(String)
}

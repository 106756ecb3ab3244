// What somebody should read before anything else.

/// The few facts that a session begins with.
package protocol Summary: Capability {
    /// A line each, the most important first: the kernel, the machine, why it died, when, and what is missing. Reads what
    /// it needs; a fact that cannot be read says so.
    func lines() -> [SummaryLine]
}

package struct SummaryLine: Sendable, Equatable {
    /// One word: "kernel", "panic".
    package let label: String
    package let text: String
    /// What the line tells is why somebody is here.
    package let isAlarming: Bool

    package init(_ label: String, _ text: String, isAlarming: Bool = false) {
        self.label = label
        self.text = text
        self.isAlarming = isAlarming
    }
}

// What could not be read, kept so that a partial answer looks partial.

internal import Synchronization

/// Something that is missing from an answer, and why.
package struct Gap: Sendable, Hashable {
    /// What is missing, in the user's words: "stack of task 45 (ruby)".
    package let what: String
    package let why: String

    package init(_ what: String, why: String) {
        self.what = what
        self.why = why
    }
}

/// Collects gaps while an answer is put together. Bounded: past 10 000 only the count goes on.
package final class Gaps: Sendable {
    private struct State {
        var gaps: [Gap] = []
        var known: Set<Gap> = []
        var count = 0
    }

    private let state = Mutex(State())

    package init() {}

    package func note(_ what: String, _ error: any Error) { note(Gap(what, why: "\(error)")) }

    package func note(_ gap: Gap) {
        state.withLock {
            $0.count += 1
            if $0.gaps.count < 10_000, $0.known.insert(gap).inserted { $0.gaps.append(gap) }
        }
    }

    package var all: [Gap] { state.withLock { $0.gaps } }
    /// They have been shown.
    package func clear() { state.withLock { $0 = State() } }

    package var count: Int { state.withLock { $0.count } }
}

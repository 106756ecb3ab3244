// The decisions that opening a dump took, one line each.

internal import Synchronization

/// What was decided, from what evidence. `-v` prints it; failures quote it.
package final class Journal: Sendable {
    private let lines = Mutex<[String]>([])

    package init() {}

    package func note(_ line: String) { lines.withLock { $0.append(line) } }

    package var entries: [String] { lines.withLock { $0 } }
}

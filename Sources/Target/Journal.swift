// The decisions that opening a dump took, one line each.

internal import Synchronization

/// What was decided, from what evidence. `-v` prints it; failures quote it.
package final class Journal: Sendable {
    private let lines = Mutex<[String]>([])
    private let remarkable = Mutex<[String]>([])

    /// Told by what takes long while a dump is opened.
    package let progress: Progress

    package init(progress: Progress = .none) { self.progress = progress }

    package func note(_ line: String) { lines.withLock { $0.append(line) } }

    /// A line that is also a remark on the dump or its tables as a whole: something is lost, and reports say so.
    package func remark(_ line: String) {
        note(line)
        remarkable.withLock { $0.append(line) }
    }

    /// What was remarked so far; tables that are read late add to it late.
    package var remarks: [String] { remarkable.withLock { $0 } }

    package var entries: [String] { lines.withLock { $0 } }
}

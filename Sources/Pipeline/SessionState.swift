// What a session remembers from one line to the next.

package import Bytes
internal import Synchronization

/// Where the user is looking: what `set`, `frame`, `up` and `down` change, and `bt`, `frame` and `locals` begin with.
package struct Focus: Sendable, Equatable {
    /// The task's structure; nil as long as nobody chose one: then the task that the kernel itself offers (the one
    /// that panicked, else the one on CPU 0).
    package var task: VirtualAddress?
    /// A frame of that task's stack, counted from 0 at the innermost one, inlined frames included.
    package var frame: Int

    package init(task: VirtualAddress? = nil, frame: Int = 0) {
        self.task = task
        self.frame = frame
    }
}

/// One session's memory: the focus, the dialect, the dialects' own variables, the user's commands. One for all lines.
package final class SessionState: Sendable {
    private struct State {
        var focus = Focus()
        var dialect: String
        var definitions: [String: Definition] = [:]
        var sourceTree: String?
    }
    private let state: Mutex<State>
    /// The dialects beside the default one, each with its variables.
    package let dialects: [any Dialect]
    /// Whether lines may run programs and write files. Off with `--safe`, and where nobody types unless
    /// `--allow-shell` says so.
    package let allowsShell: Bool

    /// The dialect of the general stages and of crash's command names.
    package static let ownDialect = "inquest"

    package init(dialects: [any Dialect] = [], dialect: String = ownDialect, allowsShell: Bool = false) {
        self.dialects = dialects
        self.allowsShell = allowsShell
        state = Mutex(State(dialect: dialect))
    }

    package var focus: Focus {
        get { state.withLock { $0.focus } }
        set { state.withLock { $0.focus = newValue } }
    }

    /// The name of the dialect that lines are read in.
    package var dialect: String {
        get { state.withLock { $0.dialect } }
        set { state.withLock { $0.dialect = newValue } }
    }

    /// Every name that `dialect` takes.
    package var dialectNames: [String] { [Self.ownDialect, "crash"] + dialects.map { type(of: $0).name } }

    /// The folder of the sources that the kernel was made from; nil until somebody names one.
    package var sourceTree: String? {
        get { state.withLock { $0.sourceTree } }
        set { state.withLock { $0.sourceTree = newValue } }
    }

    /// The user's own commands, by name.
    package var definitions: [String: Definition] {
        get { state.withLock { $0.definitions } }
        set { state.withLock { $0.definitions = newValue } }
    }
}

/// A command that the user made of others.
package struct Definition: Sendable, Equatable {
    package let name: String
    package let parameters: [String]
    /// A line, in which each parameter stands as `$name`.
    package let body: String
    /// One line for `help`.
    package let summary: String

    package init(name: String, parameters: [String], body: String, summary: String) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.summary = summary
    }
}

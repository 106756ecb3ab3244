// A dump that is open, and the command lines that are run on it one after another.

internal import Capabilities
internal import Pipeline
internal import Rendering
internal import Target

final class Session {
    let kernel: any Kernel
    let catalog: Catalog
    let journal: Journal
    let state: SessionState
    private let isJSON: Bool
    /// A person waits at the terminal: lines are shown when they are there, not when a buffer is full.
    private let isLive: Bool
    private let output: StandardOutput

    init(
        kernel: any Kernel, catalog: Catalog, journal: Journal, state: SessionState, isJSON: Bool, isLive: Bool,
        output: StandardOutput
    ) {
        self.kernel = kernel
        self.catalog = catalog
        self.journal = journal
        self.state = state
        self.isJSON = isJSON
        self.isLive = isLive
        self.output = output
    }

    /// Runs a line; false when it failed, which was then said on standard error. The session goes on in any case.
    /// `place` says where a line comes from that nobody sees: "rc:3".
    func run(_ line: String, place: String? = nil) -> Bool {
        let context = makeContext()
        let outlet = SessionOutlet(
            output: output, gaps: context.gaps, isJSON: isJSON, isLive: isLive, allowsShell: state.allowsShell)
        let outcome = Engine.run(line: line, context: context, outlet: outlet)
        if case .failed(let failure) = outcome, isJSON { outlet.fail(failure.description, line: line) }
        output.flush()
        guard case .failed(let failure) = outcome else { return true }
        if isLive, place == nil, let column = failure.column { showColumn(column, in: line) }
        System.writeError("inquest: \(place.map { $0 + ": " } ?? "")\(Escaping.text(failure.description))")
        return false
    }

    /// What a line may ask for; completion asks the same.
    func makeContext() -> Context {
        Context(
            kernel: kernel, catalog: catalog, gaps: Gaps(), journal: journal, session: state,
            isInterrupted: { System.isInterrupted })
    }

    /// Nobody reads what is written any more: there is no point in going on.
    var isOver: Bool { output.isBroken }

    /// A mark under the place that could not be understood; the line itself stands above, after the prompt.
    private func showColumn(_ column: Int, in line: String) {
        let before = Array(line.utf8.prefix(max(column - 1, 0)))
        let width = state.prompt.count + String(decoding: before, as: UTF8.self).count
        System.writeError(String(repeating: " ", count: width) + "^")
    }
}

extension SessionState {
    /// What stands before each line that is typed.
    var prompt: String {
        switch dialect {
        case "mdb": "> "
        case "ddb": "db> "
        case "crash": "crash> "
        default: "inquest> "
        }
    }
}

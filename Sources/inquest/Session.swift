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
    let screen: Screen

    init(
        kernel: any Kernel, catalog: Catalog, journal: Journal, state: SessionState, isJSON: Bool, isLive: Bool,
        output: StandardOutput, screen: Screen = Screen()
    ) {
        self.kernel = kernel
        self.catalog = catalog
        self.journal = journal
        self.state = state
        self.isJSON = isJSON
        self.isLive = isLive
        self.output = output
        self.screen = screen
    }

    /// Runs a line; false when it failed, which was then said on standard error. The session goes on in any case.
    /// `place` says where a line comes from that nobody sees: "rc:3".
    func run(_ line: String, place: String? = nil) -> Bool {
        let context = makeContext()
        let outlet = SessionOutlet(
            output: output, gaps: context.gaps, isJSON: isJSON, isLive: isLive, allowsShell: state.allowsShell,
            palette: screen.palette)
        screen.begin(line, output)
        let outcome = Engine.run(line: line, context: context, outlet: outlet)
        if case .failed(let failure) = outcome, isJSON { outlet.fail(failure.description, line: line) }
        output.flush()
        screen.end(output)
        guard case .failed(let failure) = outcome else { return true }
        System.writeError("inquest: \(place.map { $0 + ": " } ?? "")\(Escaping.text(failure.description))")
        if System.errorIsTerminal { for hint in failure.pointing(in: line) { System.writeError("  \(hint)") } }
        return false
    }

    /// What a line may ask for; completion asks the same.
    func makeContext() -> Context {
        Context(
            kernel: kernel, catalog: catalog, gaps: Gaps(), journal: journal, session: state,
            progress: screen.progress, isInterrupted: { System.isInterrupted },
            files: SessionFiles(allowsShell: state.allowsShell))
    }

    /// Nobody reads what is written any more: there is no point in going on.
    var isOver: Bool { output.isBroken }
}

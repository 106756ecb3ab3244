// What stands between a session's output and the terminal: pager, progress, colours.

internal import Rendering
internal import Target

final class Screen {
    private let line: ProgressLine
    /// The shell's command of the pager; nil where nothing is paged.
    private let pager: String?
    /// Colours, where standard output is a terminal that shows them.
    let palette: Palette

    /// Nobody sits at a terminal: no pager, no progress, no colours.
    init() {
        line = ProgressLine(isShown: false)
        pager = nil
        palette = .none
    }

    init(usesPager: Bool) {
        let isTerminal = System.outputIsTerminal && !System.terminalIsDumb
        line = ProgressLine(
            isShown: System.errorIsTerminal && !System.terminalIsDumb, columns: System.terminalSize?.columns ?? 80)
        pager = usesPager && isTerminal && System.inputIsTerminal ? Pager.ofUser() : nil
        palette = isTerminal && System.environment("NO_COLOR") == nil ? .standard : .none
    }

    /// What long work tells.
    var progress: Progress { line.listener }

    /// Something begins that may take long: opening, or a line.
    func begin(_ what: String) { line.begin(what) }

    func end() { line.end() }

    /// A line begins whose output goes to `output`.
    func begin(_ what: String, _ output: StandardOutput) {
        let line = line
        output.willWrite = { line.hide() }
        output.willRelease = { line.end() }
        if let pager, let size = System.terminalSize {
            output.page(Pager(command: pager, rows: size.rows, columns: size.columns) { line.end() })
        }
        line.begin(what)
    }

    /// The line has ended; with a pager, its reader has left it.
    func end(_ output: StandardOutput) {
        line.end()
        output.endPaging()
        output.willWrite = nil
        output.willRelease = nil
    }
}

// A dump that is open, and the command lines that are run on it one after another.

internal import Capabilities
internal import Pipeline
internal import Rendering
internal import Target

final class Session {
    let kernel: any Kernel
    let catalog: Catalog
    let journal: Journal
    private let isJSON: Bool
    /// A person waits at the terminal: lines are shown when they are there, not when a buffer is full.
    private let isLive: Bool
    private let output: StandardOutput

    init(
        kernel: any Kernel, catalog: Catalog, journal: Journal, isJSON: Bool, isLive: Bool, output: StandardOutput
    ) {
        self.kernel = kernel
        self.catalog = catalog
        self.journal = journal
        self.isJSON = isJSON
        self.isLive = isLive
        self.output = output
    }

    /// Runs a line; false when it failed, which was then said on standard error. The session goes on in any case.
    func run(_ line: String) -> Bool {
        let gaps = Gaps()
        let context = Context(
            kernel: kernel, catalog: catalog, gaps: gaps, journal: journal,
            isInterrupted: { System.isInterrupted })
        let renderer = makeRenderer()
        let outcome = Engine.run(line: line, context: context) { try renderer.receive($0) }
        do {
            if case .failed(let sentence) = outcome { try renderer.fail(sentence, line: line) }
            try renderer.finish(gaps: gaps.all, count: gaps.count)
        } catch {
            // The sink throws `Enough` alone: nobody reads.
        }
        output.flush()
        guard case .failed(let sentence) = outcome else { return true }
        System.writeError("inquest: \(Escaping.text(sentence))")
        return false
    }

    /// Nobody reads what is written any more: there is no point in going on.
    var isOver: Bool { output.isBroken }

    private func makeRenderer() -> any Renderer {
        let output = output
        let isLive = isLive
        let sink: Sink = { text in
            output.write(text)
            if output.isBroken { throw Enough() }
        }
        if isJSON {
            return JSONLines { text in
                try sink(text)
                if isLive { output.flush() }
            }
        }
        // On a terminal the first rows wait for each other a moment; in a file always, so that it looks the same twice.
        let patience = ContinuousClock.now + .milliseconds(300)
        return TextOutput(isLate: { isLive && ContinuousClock.now > patience }) { text in
            try sink(text)
            if isLive { output.flush() }
        }
    }
}

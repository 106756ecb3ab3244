// Where a session's output goes: the terminal, a file, the shell.

internal import Pipeline
internal import Rendering
internal import Target

struct SessionOutlet: Outlet {
    let output: StandardOutput
    let gaps: Gaps
    let isJSON: Bool
    let isLive: Bool
    let allowsShell: Bool
    var palette = Palette.none

    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws {
        let isJSON = isJSON || form == .json
        switch destination {
        case .screen:
            try render(makeRenderer(output, isJSON: isJSON, isLive: isLive, palette), body)
            output.flush()
        case .file(let path, let appending):
            try allow("writing files")
            guard let file = OutputFile(path, appending: appending) else {
                throw CommandError("\(path) cannot be written: \(System.lastError)")
            }
            try render(makeRenderer(file.output, isJSON: isJSON, isLive: false), body)
            guard file.close() else { throw CommandError("\(path) could not be written whole") }
        case .shell(let command):
            try allow("running programs")
            output.release()
            guard let shell = ShellPipe(command) else { throw CommandError("the shell cannot be started") }
            defer { shell.wait() }
            try render(makeRenderer(shell.output, isJSON: isJSON, isLive: false), body)
        }
    }

    /// The failure of a line, for programs.
    func fail(_ sentence: String, line: String) {
        let renderer = makeRenderer(output, isJSON: true, isLive: isLive)
        // The sink throws `Enough` alone: nobody reads.
        try? renderer.fail(sentence, line: line)
    }

    private func allow(_ what: String) throws { try SessionFiles(allowsShell: allowsShell).allow(what) }

    /// What was emitted before a failure is shown too, with what was missing from it.
    private func render(_ renderer: any Renderer, _ body: (Emit) throws -> Void) throws {
        let result = Result { try body { try renderer.receive($0) } }
        do {
            try renderer.finish(gaps: gaps.all, count: gaps.count)
        } catch is Enough {
            // Nobody reads.
        }
        gaps.clear()
        try result.get()
    }

    private func makeRenderer(
        _ output: StandardOutput, isJSON: Bool, isLive: Bool, _ palette: Palette = .none
    ) -> any Renderer {
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
        return TextOutput(palette: palette, isLate: { isLive && ContinuousClock.now > patience }) { text in
            try sink(text)
            if isLive { output.flush() }
        }
    }
}

/// The files that options of commands name.
struct SessionFiles: FileSink {
    let allowsShell: Bool

    func write(_ path: String, as form: OutputForm, _ body: (Emit) throws -> Void) throws {
        try allow("writing files")
        guard let file = OutputFile(path, appending: false) else {
            throw CommandError("\(path) cannot be written: \(System.lastError)")
        }
        let output = file.output
        let renderer = Renderers.make(form) { text in
            output.write(text)
            if output.isBroken { throw Enough() }
        }
        do {
            try body { try renderer.receive($0) }
            try renderer.finish(gaps: [], count: 0)
        } catch is Enough {
            // The disk is full: `close` says so.
        }
        guard file.close() else { throw CommandError("\(path) could not be written whole") }
    }

    func allow(_ what: String) throws {
        guard allowsShell else {
            throw CommandError("\(what) is off here; the option --allow-shell turns it on")
        }
    }
}

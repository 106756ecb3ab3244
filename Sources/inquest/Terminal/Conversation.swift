// A session with somebody who types: prompts, history, Ctrl-C.

internal import Capabilities
internal import Pipeline

/// Lines from standard input; at a terminal edited, with a prompt, where a failure is part of the conversation and
/// Ctrl-C ends a command only.
struct Conversation {
    let session: Session

    /// True when all lines were answered, or when somebody saw for himself that some were not.
    func run() -> Bool {
        guard System.inputIsTerminal else { return read() }
        System.catchInterrupts()
        greet()
        typeLines()
        return true
    }

    /// For a reader, not for a program.
    private func greet() {
        guard System.outputIsTerminal, let summary = session.kernel.capability((any Summary).self) else { return }
        session.screen.begin("looking around")
        let facts = summary.lines()
        session.screen.end()
        let columns = System.terminalSize?.columns ?? 80
        for line in Greeting.lines(facts, columns: columns, session.screen.palette) { System.prompt(line + "\n") }
    }

    private func read() -> Bool {
        var input = InputLines()
        var answered = true
        while !session.isOver, case .text(let line) = input.next(), !Self.isFarewell(line) {
            if !session.run(line) { answered = false }
        }
        return answered
    }

    private func typeLines() {
        let names = SessionNames(session)
        // A terminal that can do no more than print is read as a file is.
        let editor =
            System.terminalIsDumb
            ? nil : LineEditor { line, cursor in TabKey.complete(line, cursor, names, System.terminalSize) }
        if editor != nil { names.prepare() }
        let file = HistoryFile.ofUser
        var history = editor == nil ? History() : file?.load() ?? History()
        editor?.remember(history.lines)
        var input = InputLines()
        while !session.isOver {
            let prompt = Prompt.text(dialect: session.state.dialect)
            if editor == nil { System.prompt(prompt) }
            switch editor?.read(prompt: prompt) ?? input.next() {
            case .text(let line):
                System.clearInterrupt()
                switch history.add(line) {
                case .nothing: break
                case .appended:
                    editor?.remember(CollectionOfOne(line))
                    if editor != nil { file?.append(line) }
                case .reordered:
                    editor?.forgetAll()
                    editor?.remember(history.lines)
                    if editor != nil { file?.append(line) }
                }
                if Self.isFarewell(line) { return }
                _ = session.run(line)
            case .interrupted:
                System.clearInterrupt()
                System.prompt("\n")
            case .end: return System.prompt("\n")
            }
        }
    }

    private static func isFarewell(_ line: String) -> Bool {
        let words = line.split(separator: " ")
        guard words.count == 1, let word = words.first else { return false }
        return ["quit", "exit", "q", "::quit"].contains(word)
    }
}

enum Prompt {
    /// As the debugger whose language is spoken has it.
    static func text(dialect: String) -> String {
        switch dialect {
        case "mdb": "> "
        case "crash": "crash> "
        case "ddb": "db> "
        default: "\(dialect)> "
        }
    }
}

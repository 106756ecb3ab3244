// report: the first minute of looking at a dump, on one page.

package import Pipeline
internal import Analysis
internal import Bytes
internal import Target

package struct Report: Stage {
    package static let manual = Manual(
        name: "report", summary: "the first-minute report: what died, what hangs, what is missing",
        text: """
            The verdict of `analyze` in brief, identity of the system, the panic, taints and modules, the stack of every CPU, every uninterruptible \
            task grouped by identical stack with the longest waiting first, memory, the largest slab caches, the \
            tail of the log, and what could not be read. With --json each part is one or more objects, told apart \
            by their `kind`.
            """,
        options: [.init("-n", "LINES", "lines of the log's tail (default 30)")],
        examples: [.init("report", "the whole report")])
    private let logLines: Int

    package init(_ arguments: Arguments) throws {
        guard let word = arguments.value("-n") else {
            logLines = 30
            return
        }
        guard let number = Int(word), number >= 0 else { throw UsageError("report: \(word) is no number of lines") }
        logLines = number
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        try withoutActuallyEscaping(emit) { emit in
            try write(ReportPage(kernel: kernel, context: context, emit: emit))
        }
    }

    private func write(_ page: ReportPage) throws {
        try page.verdict()
        try page.system()
        let log = Result { try KernelLog(page.kernel.model) }
        try page.panic(log)
        try page.modules()
        try page.cpus()
        try page.blocked()
        try page.memory()
        try page.slabs()
        try page.log(log, lines: logLines)
        try page.completeness()
    }
}

/// The parts of a report. Each begins with its heading; one that fails says why, and the others follow.
struct ReportPage {
    let kernel: LinuxKernel
    let context: Context
    let emit: Emit

    /// A part: its heading, then its body. What goes wrong in it is said in its place and counted as a gap.
    func part(_ title: String, _ body: () throws -> Void) throws {
        try text(["", title])
        do { try body() } catch let error as Enough {
            throw error
        } catch let error as Interrupted {
            throw error
        } catch {
            context.gaps.note("the part \"\(title)\" of the report", error)
            try text(["  cannot be told: \(error)"])
        }
    }

    /// Lines that are for people alone.
    func text(_ lines: [String]) throws { try emit(.record(Record("heading", [], presentation: .block(lines)))) }

    func verdict() throws {
        let examination = try Examination(kernel) { if context.isInterrupted() { throw Interrupted() } }
        let lines = examination.headline
        let first = examination.faults.first
        try emit(
            .record(
                Record(
                    "verdict",
                    [
                        Field("outcome", nil, .text(examination.outcome.rawValue)),
                        Field("rule", nil, first.map { .text($0.rule) } ?? .none),
                        Field("summary", nil, first.map { .text($0.summary) } ?? .none),
                    ], presentation: .block(["VERDICT (see: analyze)"] + lines.map { "  \($0)" } + [""]))))
    }

    func system() throws {
        try emit(.record(Sys.record(kernel, context.gaps)))
    }

    func modules() throws {
        let modules = kernel.modules.modules
        try part(kernel.modules.failure == nil ? "MODULES (\(modules.count))" : "MODULES") {
            if let failure = kernel.modules.failure { throw ValueError.absent(failure) }
            for anomaly in kernel.modules.anomalies {
                context.gaps.note(Gap("the module list", why: anomaly.description))
            }
            for module in modules {
                var record = Mod.record(module)
                record.presentation = .none
                try emit(.record(record))
            }
            let names = modules.map { $0.taints.isEmpty ? $0.name : "\($0.name) (\($0.taints))" }
            try text(names.isEmpty ? ["  none"] : TextWrap.lines(names, indent: 2))
        }
    }

    func cpus() throws {
        let reader = StackReader(kernel)
        // A panic takes the others offline with their tasks still on them: those are shown too.
        let (shown, online) = (kernel.cpus.cpus.count, kernel.cpus.online.count)
        try part("CPUS (\(shown == online || shown == 0 ? "\(online) online" : "\(online) of \(shown) online"))") {
            if let failure = kernel.cpus.failure { return try Bt.untold(kernel, [], failure, context, emit) }
            for cpu in kernel.cpus.cpus {
                try StackOutput.emit(try cpu.current, kernel, context, emit) { try reader.stack(of: cpu) }
            }
        }
    }
}

/// Words filled into lines.
struct TextWrap {
    static func lines(_ words: [String], indent: Int, width: Int = 100) -> [String] {
        var lines: [String] = []
        var line = String(repeating: " ", count: indent)
        for word in words {
            if line.count + word.count + 1 > width, line.count > indent {
                lines.append(line)
                line = String(repeating: " ", count: indent)
            }
            line += line.count > indent ? " " + word : word
        }
        if line.count > indent { lines.append(line) }
        return lines
    }
}

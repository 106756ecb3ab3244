// Runs a command line and gives the lines that a person would read.

import Pipeline
import Target

@testable import LinuxKernel

enum CommandText {
    /// The block lines that a command emits; a table's rows are left out.
    static func lines(_ line: String, _ kernel: LinuxKernel) throws -> [String] {
        let catalog = Catalog([LinuxCommands.all])
        let context = Context(kernel: kernel, catalog: catalog, gaps: Gaps(), journal: Journal())
        var lines: [String] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            if case .record(let record) = datum, case .block(let block) = record.presentation { lines += block }
        }
        if case .failed(let why) = outcome { throw CommandError(why.description) }
        return lines
    }
}

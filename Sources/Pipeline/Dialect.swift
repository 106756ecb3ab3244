// The language of another debugger, as a way to read lines.

/// Where what a pipeline says goes to.
package enum Destination: Sendable, Equatable {
    case screen
    /// The standard input of this command of the shell.
    case shell(String)
    case file(String, appending: Bool)
}

/// How what a pipeline says is written.
package enum OutputForm: Sendable, Equatable {
    /// As the session does.
    case usual
    case json
    /// A picture of the graphs that flow by: Scalable Vector Graphics.
    case svg
    /// The same in Graphviz's language.
    case dot
}

/// Writes files for commands whose options name some. A session without one writes none.
package protocol FileSink: Sendable {
    /// Calls `body` with what takes the file's data. Throws `CommandError` when the file cannot be written, or writing
    /// is off.
    func write(_ path: String, as form: OutputForm, _ body: (Emit) throws -> Void) throws
}

/// Opens destinations. The session's writes to the terminal; a test's collects.
package protocol Outlet {
    /// Calls `body` with what takes its data, then writes the footnotes about what was missing. Rethrows what `body`
    /// throws; throws `CommandError` when the destination cannot be opened or is not allowed.
    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws
}

/// Another debugger's language: its lexer, its grammar and its variables. A class, as lines change its variables; one
/// for each session. Lines of the session's own dialect go to its `run`; a line that the session's dialect cannot read
/// goes to the one dialect that can.
package protocol Dialect: AnyObject, Sendable {
    /// "mdb", "ddb".
    static var name: String { get }
    /// How this dialect would understand a line, as a phrase ("the walker task of mdb"), and nil when the line means
    /// nothing in it: a syntax error, an unknown command. Looks symbols up, but reads no memory and changes nothing.
    func reading(of line: String, _ context: Context) -> String?
    /// Runs the line. Throws what ends it: `UsageError`, `CommandError`, memory faults; what was emitted stays true.
    func run(_ line: String, _ context: Context, _ outlet: any Outlet) throws
    /// The names of its own commands with their marks ("::print", "$c"), for completion.
    var commandNames: [String] { get }
}

extension Dialect {
    package var commandNames: [String] { [] }
}

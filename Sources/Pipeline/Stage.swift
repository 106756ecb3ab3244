// A command: what it is called, what it takes, what it does.

package import Capabilities
package import Target

/// Takes what a command emits.
package typealias Emit = (Datum) throws -> Void

/// A command, or a stage of a pipeline. Made anew for each use.
package protocol Stage: SendableMetatype {
    static var manual: Manual { get }
    init(_ arguments: Arguments) throws
    /// Called for each datum that flows in; not called for the first command of a line.
    func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws
    /// Called once, after the input has ended. A command without input does its work here.
    func finish(_ context: Context, _ emit: Emit) throws
}

extension Stage {
    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        throw UsageError("\(Self.manual.name) takes no input from another command")
    }
}

/// What a stage may ask for beside its arguments.
package struct Context: Sendable {
    package let kernel: any Kernel
    package let catalog: Catalog
    /// What could not be read while the command ran; shown after its output.
    package let gaps: Gaps
    package let journal: Journal
    /// What lines before this one left behind.
    package let session: SessionState
    /// Told by whoever may work for more than a second.
    package let progress: Progress
    /// Whether the user wants the command to end. Asked at every datum; a command that works long without emitting
    /// asks too, and throws `Interrupted`.
    package let isInterrupted: @Sendable () -> Bool
    /// How many lines run this one: `source` runs lines, `foreach` does.
    package let depth: Int
    /// Writes the files that options name; nil where nothing may be written.
    package let files: (any FileSink)?

    package init(
        kernel: any Kernel, catalog: Catalog, gaps: Gaps, journal: Journal, session: SessionState = SessionState(),
        progress: Progress = .none, isInterrupted: @escaping @Sendable () -> Bool = { false }, depth: Int = 0,
        files: (any FileSink)? = nil
    ) {
        self.files = files
        self.depth = depth
        self.kernel = kernel
        self.catalog = catalog
        self.gaps = gaps
        self.journal = journal
        self.session = session
        self.progress = progress
        self.isInterrupted = isInterrupted
    }

    package var target: Target { kernel.target }

    /// The context of a line that a command of this one runs, with gaps of its own if it is given some.
    package func nested(gaps: Gaps? = nil) -> Context {
        Context(
            kernel: kernel, catalog: catalog, gaps: gaps ?? self.gaps, journal: journal, session: session,
            isInterrupted: isInterrupted, depth: depth + 1, files: files)
    }
}

/// The user asked for something that does not exist or in a way that cannot be understood.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    /// Where in the line, counted in UTF-8 from 1; nil when the line as a whole is meant.
    package let column: Int?
    /// The name that is not known, if that is the reason: similar ones are then offered.
    package let cause: ValueError?

    package init(_ description: String, column: Int? = nil, cause: ValueError? = nil) {
        self.description = description
        self.column = column
        self.cause = cause
    }

    package static func == (a: UsageError, b: UsageError) -> Bool { a.description == b.description }
}

/// A command could not do what it was asked, for the stated reason.
package struct CommandError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    /// The name that is not known, if that is the reason: similar ones are then offered.
    package let cause: ValueError?

    package init(_ description: String, cause: ValueError? = nil) {
        self.description = description
        self.cause = cause
    }
}

/// A command's page of the manual. The reference, `help` and the tests read the same text.
package struct Manual: Sendable {
    package struct Option: Sendable {
        /// With its dash: "-m", "--physical".
        package let flag: String
        /// What stands after it; nil for a switch.
        package let argument: String?
        package let meaning: String

        package init(_ flag: String, _ argument: String?, _ meaning: String) {
            self.flag = flag
            self.argument = argument
            self.meaning = meaning
        }

        /// A switch.
        package init(_ flag: String, _ meaning: String) { self.init(flag, nil, meaning) }
    }
    package struct Example: Sendable {
        /// A command line that works on a real dump of the repository.
        package let line: String
        package let meaning: String

        package init(_ line: String, _ meaning: String) {
            self.line = line
            self.meaning = meaning
        }
    }
    package let name: String
    /// Other names for the same command.
    package let aliases: [String]
    /// The words after the name: "[PID|ADDRESS]...".
    package let synopsis: String
    /// One line, without a full stop.
    package let summary: String
    /// Paragraphs; may be empty.
    package let text: String
    package let options: [Option]
    package let examples: [Example]
    /// What follows the options is an expression: options are taken from the front alone, `Arguments.text` is the rest
    /// of the line as typed, and a word such as `-x` that no option declares begins the expression.
    package let takesExpression: Bool
    /// What may flow into it from the stage before; none for a command that only begins a line.
    package let accepts: Flow
    /// What it hands on.
    package let emits: Flow
    /// It has nothing to do at the beginning of a line.
    package let needsInput: Bool
    /// Behind a bar it runs once for each item, the item's address standing as its last operand; it has no `receive`.
    package let takesOperand: Bool
    /// All that follows it on the line is its own, bars too: it defines something.
    package let takesLine: Bool
    /// The chapter of `help` that lists it.
    package let section: Section

    package init(
        name: String, aliases: [String] = [], synopsis: String = "", summary: String, text: String = "",
        options: [Option] = [], examples: [Example], takesExpression: Bool = false, accepts: Flow = [],
        emits: Flow = .records, needsInput: Bool = false,
        takesOperand: Bool = false, takesLine: Bool = false, section: Section? = nil, file: String = #fileID
    ) {
        self.takesLine = takesLine
        self.takesOperand = takesOperand
        self.needsInput = needsInput
        self.name = name
        self.aliases = aliases
        self.synopsis = synopsis
        self.summary = summary
        self.text = text
        self.options = options
        self.examples = examples
        self.takesExpression = takesExpression
        self.accepts = takesOperand ? .addresses : accepts
        self.emits = emits
        self.section = section ?? Section(file: file)
    }
}

// mdb's language as a dialect of this program.

internal import Capabilities
package import Pipeline
internal import Synchronization

/// The Modular Debugger's language: statements of an address, a count and a pipeline of commands, over any kernel.
package final class MDB: Dialect {
    package static let name = "mdb"
    private let state = State()

    package init() {}

    package var commandNames: [String] { DCmds.all.flatMap { $0.page.names } }

    package func reading(of line: String, _ context: Context) -> String? {
        let interpreter = Interpreter(context, state, NoOutlet())
        guard let statements = try? Parser.statements(line, check: { try DCmds.check($0, context.catalog) }),
            !statements.isEmpty
        else { return nil }
        let commands = statements.filter { !$0.isEmpty }
        let isOwn = context.session.dialect == Self.name
        // A naked expression or a shell's line is mdb's only where mdb is what the session speaks; there an empty line
        // may repeat the last one.
        guard isOwn || !commands.isEmpty, isOwn || commands.allSatisfy({ !$0.commands.isEmpty }) else { return nil }
        for statement in commands {
            for expression in [statement.address, statement.count].compactMap({ $0 }) {
                guard interpreter.knows(expression) else { return nil }
            }
            for command in statement.commands {
                guard (try? DCmds.make(command, context.catalog)) != nil, Self.exists(command, context) else {
                    return nil
                }
            }
        }
        return commands.first?.commands.first.map(Self.phrase) ?? "a naked expression of mdb"
    }

    /// Whether what a command names exists: the walker of `::walk`.
    private static func exists(_ command: Command, _ context: Context) -> Bool {
        switch command {
        case .dcmd("walk", let arguments):
            guard case .text(let name)? = arguments.first else { return false }
            return context.catalog.walk(named: name) != nil
        case .format(_, let items):
            return (try? FormatRun.check(items)) != nil
        default: return true
        }
    }

    private static func phrase(_ command: Command) -> String {
        switch command {
        case .dcmd("walk", let arguments):
            if case .text(let name)? = arguments.first { return "the walker \(name) of mdb" }
            return "mdb's ::walk"
        case .dcmd(let name, _):
            return "mdb's \(name.hasPrefix("$") || name.hasPrefix(":") ? "" : "::")\(name)"
        case .format(let verb, _), .modify(let verb, _, _): return "mdb's format verb \(verb.spelling)"
        case .assign: return "mdb's assignment to a variable"
        }
    }

    package func run(_ line: String, _ context: Context, _ outlet: any Outlet) throws {
        do {
            try Interpreter(context, state, outlet).run(line: line)
        } catch is Quit {
            throw CommandError("::quit ends a session that reads lines; this one ends by itself")
        }
    }
}

/// For lines that are only read.
private struct NoOutlet: Outlet {
    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws {}
}

// ddb's commands as data: names, syntax, and what each means on a dump.

/// How the words behind a command's name are read.
enum Syntax: Sendable, Equatable {
    /// `[/modifier] [address][,count]`.
    case standard
    /// As `standard`, in decimal: `trace` and its other names.
    case decimal
    /// `[/size] address value [mask][,count]`.
    case search
    /// `$variable [=] expression`.
    case assignment
    /// `address type` or `type [address]`: two words, one of them a name.
    case structure
    /// Whatever follows.
    case free
}

/// What this dialect does itself.
enum Verb: Sendable, Equatable {
    case examine, examineForward, examineBackward, print, search, set
    case trace, traceAll, traceActive, thread, processes, process, threads, showThread, findStack
    case registers, processor, processors, panic, structure
    case noBreakpoints, noWatchpoints
}

/// Which of the session's commands stand for one of ddb's. In a line `@` is the address, `#` the same digits read as a
/// decimal number, as ddb reads pids.
struct Substitute: Sendable, Equatable {
    /// Tried in this order; nil where an address has no meaning.
    let withAddress: [String]
    /// Likewise without one; none where an address is needed.
    let plain: [String]

    init(_ plain: [String], address: [String] = []) {
        self.plain = plain
        withAddress = address
    }
}

enum Meaning: Sendable, Equatable {
    case verb(Verb)
    /// A command of the session; the text says what is missing where the session has none of them.
    case session(Substitute, otherwise: String)
    /// Needs a machine that runs.
    case live
    /// Shows what a kernel of another system has; the text names it.
    case foreign(String)
    /// Reads a device's registers; the text names them.
    case hardware(String)
    /// Has subcommands.
    case table([Command])
}

struct Command: Sendable, Equatable {
    let name: String
    let syntax: Syntax
    /// Examining moves `.` to what was shown last.
    let setsDot: Bool
    let meaning: Meaning
    /// The words up to and with this one: "show all locks".
    var path = ""

    init(_ name: String, _ meaning: Meaning, syntax: Syntax = .standard, setsDot: Bool = false) {
        self.name = name
        self.meaning = meaning
        self.syntax = syntax
        self.setsDot = setsDot
    }

    static func verb(_ name: String, _ verb: Verb, _ syntax: Syntax = .standard, setsDot: Bool = false) -> Command {
        Command(name, .verb(verb), syntax: syntax, setsDot: setsDot)
    }

    /// Commands for names with blanks between them, all with one meaning.
    private static func each(_ names: String, _ meaning: Meaning, _ syntax: Syntax = .standard) -> [Command] {
        names.split(separator: " ").map { Command(String($0), meaning, syntax: syntax) }
    }

    static func live(of names: String) -> [Command] { each(names, .live, .free) }

    static func foreign(of rows: [(what: String, names: String)]) -> [Command] {
        rows.flatMap { each($0.names, .foreign($0.what)) }
    }

    static func hardware(of rows: [(what: String, names: String)]) -> [Command] {
        rows.flatMap { each($0.names, .hardware($0.what)) }
    }

    static func session(
        _ name: String, _ plain: [String], address: [String] = [], otherwise: String
    ) -> Command {
        Command(name, .session(Substitute(plain, address: address), otherwise: otherwise))
    }
}

/// What a word means in a table.
enum Match: Equatable {
    case found(Command)
    /// It begins several names, and is none.
    case ambiguous([String])
    case none
}

extension [Command] {
    /// The command of that name, else the only one that begins so.
    func match(_ word: String) -> Match {
        if let exact = first(where: { $0.name == word }) { return .found(exact) }
        let candidates = filter { $0.name.hasPrefix(word) }
        switch candidates.count {
        case 0: return .none
        case 1: return .found(candidates[0])
        default: return .ambiguous(candidates.map(\.name).sorted())
        }
    }
}

// Commands of Inquest under mdb's syntax: `::ps`, `address::bt`, `::log`.

internal import Bytes
internal import Pipeline

/// A command of the catalog. Dot, when one was given, is its operand.
struct CataloguedDCmd: DCmd {
    static let page = Page("::command", summary: "a command of this debugger")
    private let type: any Stage.Type
    private let words: [Argument]
    private let trailing: [String]
    /// Runs when there is no address.
    private let alone: (any Stage.Type)?

    init(_ arguments: [Argument]) throws { throw UsageError("only the catalog makes these") }

    init(
        _ type: any Stage.Type, _ words: [Argument], trailing: [String] = [], alone: (any Stage.Type)? = nil
    ) throws {
        self.type = type
        self.words = words
        self.trailing = trailing
        self.alone = alone
        // Options that do not exist are told before anything runs.
        let texts = words.map { word -> String in
            if case .text(let text) = word { return text }
            return "0"
        }
        _ = try Arguments(texts, text: Self.joined(texts), manual: type.manual)
    }

    private static func joined(_ words: [String]) -> String {
        words.map(LineSplitter.quoted).joined(separator: " ")
    }

    func run(_ call: Call) throws {
        var texts = try words.map { try call.text($0) }
        if call.hasAddress { texts += ["0x" + hex(call.address)] + trailing }
        let type = call.hasAddress ? type : alone ?? type
        // An expression is given as typed: quoted words would be another one.
        let text = type.manual.takesExpression ? texts.joined(separator: " ") : Self.joined(texts)
        let stage = try type.init(Arguments(texts, text: text, manual: type.manual))
        try stage.finish(call.context) { try call.out.datum($0) }
    }
}

/// mdb's names for what other commands of this debugger answer.
struct Counterpart {
    let command: String
    /// Words behind dot.
    let trailing: [String]
    /// The command when no address is given; nil: the same.
    let alone: String?

    private init(_ command: String, _ trailing: [String] = [], alone: String? = nil) {
        self.command = command
        self.trailing = trailing
        self.alone = alone
    }

    /// Linux's mutex and rw_semaphore are what a kmutex_t and a krwlock_t are elsewhere; a wait channel is a lock or a queue.
    static let all: [String: Counterpart] = [
        "thread": Counterpart("ps"), "threadlist": Counterpart("ps"), "kmem_cache": Counterpart("slabs"),
        "kmastat": Counterpart("slabs"), "modinfo": Counterpart("mod"), "modctl": Counterpart("mod"),
        "system": Counterpart("sys"), "mutex": Counterpart("lock", ["mutex"], alone: "locks"),
        "rwlock": Counterpart("lock", ["rwsem"], alone: "locks"), "wchaninfo": Counterpart("lock", alone: "locks"),
        "findlocks": Counterpart("held"),
    ]
}

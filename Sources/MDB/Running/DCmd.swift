// A command of mdb: what it is called, what it takes, what it does. Adding one is a type and a line in `Registry.swift`.

internal import Pipeline
internal import Target

/// What `::help` says of a command.
struct Page: Sendable {
    /// As typed: `::print`, `$c`.
    let names: [String]
    let synopsis: String
    /// One line, without a full stop.
    let summary: String
    /// `name  meaning` lines of the options.
    let options: [String]

    init(_ names: String..., synopsis: String = "", summary: String, options: [String] = []) {
        self.names = names
        self.synopsis = synopsis
        self.summary = summary
        self.options = options
    }
}

/// Made anew for each pipeline, so that it may count what goes through it.
protocol DCmd: SendableMetatype {
    static var page: Page { get }
    /// The count is its own matter; otherwise it is run that many times.
    static var takesCount: Bool { get }
    /// Checks the arguments' form. Throws `UsageError`.
    init(_ arguments: [Argument]) throws
    /// Runs it on dot. Throws `CommandError` and what reading throws; `UsageError` ends the whole pipeline.
    func run(_ call: Call) throws
    /// After the last run.
    func finish(_ call: Call) throws
}

extension DCmd {
    static var takesCount: Bool { false }
    func finish(_ call: Call) throws {}
}

/// One run of a command.
struct Call {
    let interpreter: Interpreter
    let out: Printer
    /// Dot.
    let address: UInt64
    /// An address was given, or came through a pipe; else dot is only what it was.
    let hasAddress: Bool
    /// The object that came through the pipe.
    let object: Value?
    let isFromPipe: Bool
    /// Of several runs.
    let isFirst: Bool
    /// What stood behind the comma; nil without one.
    let count: UInt64?

    var state: State { interpreter.state }
    var target: Target { interpreter.target }
    var names: Names { interpreter.names }
    var context: Context { interpreter.context }
    var isPipe: Bool { out.isPipe }

    /// The address; throws when there is none, as a command that is about one object does.
    func required(_ name: String) throws -> UInt64 {
        guard hasAddress else { throw UsageError("\(name): an address is needed: address\(name)") }
        return address
    }

    func number(_ argument: Argument) throws -> UInt64 { try interpreter.number(argument) }
    func text(_ argument: Argument) throws -> String { try interpreter.text(argument) }
}

/// The words behind a command's name, its options taken from the front as getopt does.
struct Switches {
    private(set) var flags: Set<Character> = []
    /// Given with a plus sign: `+t`.
    private(set) var plus: Set<Character> = []
    private(set) var values: [Character: [Argument]] = [:]
    private(set) var rest: [Argument] = []

    /// `flags`: the letters of switches; `valued`: those that take a value, attached or as the next word.
    init(_ arguments: [Argument], of name: String, flags allowed: String = "", valued: String = "", plus: String = "")
        throws
    {
        var queue = arguments[...]
        while let argument = queue.first {
            guard case .text(let word) = argument, word.count > 1, let sign = word.first, sign == "-" || sign == "+"
            else { break }
            if sign == "+", plus.isEmpty { break }
            queue.removeFirst()
            if word == "--" { break }
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                if sign == "+", plus.contains(letter) {
                    self.plus.insert(letter)
                } else if sign == "-" || plus.contains(letter), allowed.contains(letter) {
                    flags.insert(letter)
                } else if sign == "-", valued.contains(letter) {
                    if !letters.isEmpty {
                        values[letter, default: []].append(.text(String(letters)))
                        letters = ""
                    } else if let next = queue.popFirst() {
                        values[letter, default: []].append(next)
                    } else {
                        throw UsageError("\(name): -\(letter) needs a value")
                    }
                } else {
                    throw UsageError("\(name): illegal option -- \(Escaping.text(String(letter))); see ::help")
                }
            }
        }
        rest = Array(queue)
    }

    func has(_ letter: Character) -> Bool { flags.contains(letter) }
    func value(_ letter: Character) -> Argument? { values[letter]?.last }

    /// Throws when there are fewer or more words than a command takes.
    func expect(_ range: ClosedRange<Int>, _ page: Page) throws {
        guard range.contains(rest.count) else {
            let name = page.names.first ?? ""
            throw UsageError("usage: \(name) \(page.synopsis)")
        }
    }
}

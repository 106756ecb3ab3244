// What stands between others in a pipeline: ::walk, ::grep, ::map, ::head, ::eval, ::cat, ::echo.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Synchronization
internal import Target

struct WalkDCmd: DCmd {
    static let page = Page("::walk", synopsis: "walker [variable]", summary: "walk a data structure")
    private let name: String
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard case .text(let name)? = arguments.first else { throw UsageError("usage: ::walk walker [variable]") }
        self.name = name
        words = Array(arguments.dropFirst())
    }

    func run(_ call: Call) throws {
        let plain = name.split(separator: "`").last.map(String.init) ?? name
        guard let walk = call.context.catalog.walk(named: plain) else {
            throw UsageError("unknown walk name: \(Escaping.text(plain)); ::walkers lists them")
        }
        var texts = try words.map { try call.text($0) }
        // Behind the walker's own words stands the variable.
        let own = min(max(walk.ownWords(texts, call.target), 0), texts.count)
        let rest = texts[own...]
        guard rest.count <= 1, rest.allSatisfy(isVariable) else { throw UsageError("usage: ::walk walker [variable]") }
        let variable = rest.first
        texts = Array(texts[..<own])
        var root: Value?
        if call.hasAddress {
            let place = Place.memory(VirtualAddress(call.address))
            let type = walk.root.flatMap { call.type(named: $0) } ?? call.object?.type ?? .void
            // What came typed through the pipe keeps its type, where the walker does not ask for another.
            root = call.object ?? Value(target: call.target, type: type, place: place)
        }
        let output = ElementOutput(variable: variable)
        do {
            try walk.walk(root, texts, call.context) { step in
                switch step {
                case .element(let value), .indexed(_, let value): try emit(value, output, call)
                case .anomaly(let anomaly): call.context.gaps.note(Gap("::walk \(plain)", why: anomaly.description))
                }
            }
        } catch is EnoughSteps {}
    }

    private func emit(_ value: Value, _ output: ElementOutput, _ call: Call) throws {
        if call.context.isInterrupted() { throw Interrupted() }
        let item: Item
        if case .memory(let address, _) = value.place {
            item = Item(address.rawValue, value)
        } else {
            // An entry that is a number has no address: it is its own value.
            item = Item(try value.unsigned())
        }
        if let variable = output.variable { call.state.set(variable, item.number) }
        try call.out.value(item)
    }

    private func isVariable(_ text: String) -> Bool {
        guard let first = text.utf8.first, !Lexer.isDigit(first) else { return false }
        return text.utf8.allSatisfy { Lexer.isNamePart($0) && $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "`") }
    }
}

struct WalkersDCmd: DCmd {
    static let page = Page("::walkers", synopsis: "[-n name]", summary: "list the walkers")

    init(_ arguments: [Argument]) throws {}

    func run(_ call: Call) throws {
        let walks = call.context.catalog.walks.sorted { $0.name < $1.name }
        for walk in walks { try call.out.write(line: Listing.line(walk.name, walk.summary)) }
    }
}

struct GrepDCmd: DCmd {
    static let page = Page(
        "::grep", synopsis: "expression", summary: "pass on the values for which an expression is not zero")
    private let expression: Expression

    init(_ arguments: [Argument]) throws { expression = try Self.expression(arguments, "::grep") }

    /// The expression of `::grep` and `::map`, which may be several words.
    static func expression(_ arguments: [Argument], _ name: String) throws -> Expression {
        if arguments.count == 1, case .value(let expression)? = arguments.first { return expression }
        let words = try arguments.map { argument -> String in
            guard case .text(let text) = argument else { throw UsageError("usage: \(name) expression") }
            return text
        }
        guard !words.isEmpty else { throw UsageError("usage: \(name) expression") }
        return try Parser.expression(words.joined(separator: " "))
    }

    func run(_ call: Call) throws {
        guard try call.interpreter.value(expression) != 0 else { return }
        try ValueOutput.emit(call.address, call.object, call)
    }
}

struct MapDCmd: DCmd {
    static let page = Page("::map", synopsis: "expression", summary: "replace each value by that of an expression")
    private let expression: Expression

    init(_ arguments: [Argument]) throws { expression = try GrepDCmd.expression(arguments, "::map") }

    func run(_ call: Call) throws { try ValueOutput.emit(try call.interpreter.value(expression), nil, call) }
}

struct HeadDCmd: DCmd {
    static let page = Page("::head", synopsis: "[-num | -n num]", summary: "pass on the first values (10)")
    private let limit: Argument?
    private let seen = Counter()

    init(_ arguments: [Argument]) throws {
        guard case .text(let word)? = arguments.first else {
            limit = arguments.first
            return
        }
        if word == "-n" {
            guard arguments.count == 2 else { throw UsageError("usage: ::head [-num | -n num]") }
            limit = arguments[1]
        } else if word.hasPrefix("-"), word.count > 1, arguments.count == 1 {
            let digits = word.hasPrefix("-n") ? word.dropFirst(2) : word.dropFirst()
            limit = .text(String(digits))
        } else {
            throw UsageError("usage: ::head [-num | -n num]")
        }
    }

    func run(_ call: Call) throws {
        let limit = try limit.map(call.number) ?? 10
        guard seen.value < limit else { throw Enough() }
        seen.value += 1
        try ValueOutput.emit(call.address, call.object, call)
        if seen.value >= limit { throw Enough() }
    }
}

/// How many values went through a stage.
final class Counter: Sendable {
    private let count = Mutex(UInt64(0))
    var value: UInt64 {
        get { count.withLock { $0 } }
        set { count.withLock { $0 = newValue } }
    }
}

/// A value as the stages of a pipe show it: without `0x`, as mdb does.
enum ValueOutput {
    static func emit(_ number: UInt64, _ object: Value?, _ call: Call) throws {
        if call.isPipe { return try call.out.value(Item(number, object)) }
        try call.out.record(
            Record(
                "value", [Field("value", nil, .address(number))], presentation: .block([hex(number)]), subject: object))
    }
}

struct EvalDCmd: DCmd {
    static let page = Page("::eval", synopsis: "command", summary: "run a line")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard !arguments.isEmpty else { throw UsageError("usage: ::eval command") }
        words = arguments
    }

    func run(_ call: Call) throws {
        let text = try words.map { try call.text($0) }.joined(separator: " ")
        try call.interpreter.run(text: text, into: call.out, isString: true)
    }
}

struct CatDCmd: DCmd {
    static let page = Page(
        "::cat", synopsis: "file ...", summary: "show files; in a pipe, pass on the addresses in them")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws {
        guard !arguments.isEmpty else { throw UsageError("usage: ::cat file ...") }
        words = arguments
    }

    func run(_ call: Call) throws {
        for word in words {
            let bytes: [UInt8]
            do throws(FileError) { bytes = try ByteSource.read(try call.path(word)) } catch {
                throw CommandError("\(error)")
            }
            for line in bytes.split(separator: 10, omittingEmptySubsequences: false) {
                if call.context.isInterrupted() { throw Interrupted() }
                try call.out.write(line: String(decoding: line, as: UTF8.self))
            }
        }
    }
}

extension Call {
    /// A file's name; an error in `$[...]` names the argument.
    fileprivate func path(_ word: Argument) throws(FileError) -> String {
        guard case .text(let path) = word else { throw FileError(path: "$[...]", doing: "open", errno: 2) }
        return path
    }
}

struct EchoDCmd: DCmd {
    static let page = Page("::echo", synopsis: "[string | $[value] ...]", summary: "show words and values")
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { words = arguments }

    func run(_ call: Call) throws {
        let texts = try words.map { word in
            if case .value = word { return Spelling.radix(try call.number(word), call.state.radix) }
            return try call.text(word)
        }
        try call.out.write(line: texts.joined(separator: " "))
    }
}

/// Two columns, as the lists of commands, walkers and formats have them.
enum Listing {
    static func line(_ name: String, _ meaning: String) -> String {
        name + String(repeating: " ", count: max(1, 24 - name.utf8.count)) + " - " + meaning
    }
}

// Commands of Inquest under mdb's syntax: `::ps`, `address::bt`, `::log`.

internal import Bytes
internal import Pipeline

/// A command of the catalog. Dot, when one was given, is its operand.
struct CataloguedDCmd: DCmd {
    static let page = Page("::command", summary: "a command of this debugger")
    private let type: any Stage.Type
    private let words: [Argument]

    init(_ arguments: [Argument]) throws { throw UsageError("only the catalog makes these") }

    init(_ type: any Stage.Type, _ words: [Argument]) throws {
        self.type = type
        self.words = words
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
        if call.hasAddress { texts.append("0x" + hex(call.address)) }
        // An expression is given as typed: quoted words would be another one.
        let text = type.manual.takesExpression ? texts.joined(separator: " ") : Self.joined(texts)
        let stage = try type.init(Arguments(texts, text: text, manual: type.manual))
        try stage.finish(call.context) { try call.out.datum($0) }
    }
}

/// mdb's names for what other commands of this debugger answer.
enum Counterparts {
    static let all: [String: String] = [
        "thread": "ps", "threadlist": "ps", "kmem_cache": "slabs", "kmastat": "slabs", "modinfo": "mod",
        "modctl": "mod", "system": "sys",
    ]
}

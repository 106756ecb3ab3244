// walk: the elements of a list, a tree, a table, or of all that the kernel has of something.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Walk: Stage {
    package static let manual = Manual(
        name: "walk", synopsis: "[-l] [NAME [WORD]...] [ROOT]", summary: "the elements of a list, a tree or a table",
        text: """
            NAME is a walk that walk -l lists; without one the type of ROOT chooses it. ROOT is an expression: the head \
            of the list, a pointer to it or its address. Behind a stage that hands on objects or addresses, each of \
            them is a root.

            Most walks through containers take TYPE.MEMBER: the elements are then the structures of that type in which \
            the nodes lie at that member, else they are the nodes. What a tree or an array holds by number stands \
            beside its number, and a number that is stored in place of a pointer is shown as such.

            Every walk checks what it walks: back links, parents, colours, counts, marks. What is wrong is told with \
            both ends as a warning, and a walk that goes in circles ends.
            """,
        options: [.init("-l", "The walks that there are, with what each begins at and the words that it takes")],
        examples: [
            .init("walk list task_struct.tasks init_task.tasks", "the thread group leaders"),
            .init("walk init_pid_ns.idr", "an IDR, by its type"),
            .init("walk percpu &runqueues", "each CPU's copy"), .init("walk -l", "what can be walked"),
        ], takesExpression: true, accepts: .addresses, emits: .subjects, section: .containers)

    private let lists: Bool
    private let hasInput: Bool
    private let words: [Word]
    private let text: String

    package init(_ arguments: Arguments) throws {
        lists = arguments.has("-l")
        text = arguments.text
        words = try LineSplitter.words(arguments.text)
        hasInput = arguments.hasInput
        guard lists || !words.isEmpty || hasInput else {
            throw UsageError("walk: what is to be walked? walk -l lists what there is")
        }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard !lists else { throw UsageError("walk -l takes no input from another command") }
        let root: Value
        switch datum {
        case .object(let value): root = value
        case .number(let number): root = Self.pointer(number, context.target)
        case .text(let text): root = try Self.root(text, context.target)
        case .gap: return try emit(datum)
        case .field:
            guard let address = try datum.address() else { return try emit(datum) }
            root = Self.pointer(address.rawValue, context.target)
        case .record(let record):
            guard let subject = record.subject else { return try emit(datum) }
            root = subject
        }
        if let name = words.first, let walk = context.catalog.walk(named: name.text) {
            return try run(walk, root, words.dropFirst().map(\.text), context, emit)
        }
        guard words.isEmpty else { throw UsageError(Self.unknown(words[0].text, context)) }
        try run(Self.chosen(by: root, context), root, [], context, emit)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        if lists { return try list(context, emit) }
        // Behind another stage all was done as it came.
        guard !hasInput, let first = words.first else { return }
        guard let walk = context.catalog.walk(named: first.text) else {
            let root: Value
            do { root = try Self.root(text, context.target) } catch
                where words.count == 1 || first.text.allSatisfy({ $0.isLetter || $0 == "-" || $0 == "_" })
            {
                throw UsageError(Self.unknown(first.text, context) + "; nor is it an expression: \(error)")
            }
            return try run(Self.chosen(by: root, context), root, [], context, emit)
        }
        let rest = words.dropFirst()
        var own = min(max(walk.ownWords(rest.map(\.text), context.target), 0), rest.count)
        // What could be the walk's word is the root when there is nothing else.
        if own == rest.count, walk.root != nil { own = 0 }
        let expression = rest.dropFirst(own).first.map {
            String(decoding: Array(text.utf8)[$0.range.lowerBound...], as: UTF8.self)
        }
        let root = try expression.map { try Self.root($0, context.target) }
        try run(walk, root, rest.prefix(own).map(\.text), context, emit)
    }

    private func run(
        _ walk: any NamedWalk.Type, _ root: Value?, _ words: [String], _ context: Context, _ emit: Emit
    ) throws {
        do { try walk.walk(root, words, context) { try emit(WalkOutput.datum($0)) } } catch is EnoughSteps {}
    }

    /// The value of the root's expression. A symbol of unknown type is an address, and a per-CPU one the object of
    /// which there are copies.
    static func root(_ text: String, _ target: Target) throws -> Value {
        let symbol = target.symbols.symbol(named: text)
        if let symbol, target.isPerCPU(symbol) {
            return (try? target.variable(text)) ?? pointer(symbol.address.rawValue, target)
        }
        do { return try target.evaluate(text) } catch let error as ExpressionError {
            guard let symbol else { throw error }
            return pointer(symbol.address.rawValue, target)
        }
    }

    private static func pointer(_ address: UInt64, _ target: Target) -> Value {
        Value(target: target, number: address, type: target.types.pointer(to: .void))
    }

    /// The walk for the root's type or for what it points to.
    private static func chosen(by root: Value, _ context: Context) throws -> any NamedWalk.Type {
        let types = root.target.types
        var type = try types.stripped(root.type)
        if case .pointer(let pointee, _) = type.type { type = try types.stripped(pointee) }
        let name = try types.spelling(type.id)
        if let walk = context.catalog.walks(from: name).first { return walk }
        if case .array = type.type, let walk = context.catalog.walk(named: "array") { return walk }
        throw UsageError("no walk begins at a \(name); walk -l lists what there is, walk NAME ROOT chooses one")
    }

    private static func unknown(_ name: String, _ context: Context) -> String {
        let names = context.catalog.walks.flatMap { [$0.name] + $0.aliases }
        let near = NearNames.of(name, among: names)
        let hint = near.isEmpty ? "" : "did you mean \(near.joined(separator: ", "))? "
        return "no walk is called \(Escaping.text(name)); \(hint)walk -l lists what there is"
    }

    private func list(_ context: Context, _ emit: Emit) throws {
        let walks = context.catalog.walks.filter { walk in
            text.isEmpty || walk.name == text || walk.aliases.contains(text)
                || walk.roots.contains { $0.contains(text) }
        }
        for walk in walks.sorted(by: { $0.name < $1.name }) {
            let fields = [
                Field("name", "NAME", .text(walk.name)),
                Field("aliases", "ALSO", .list(walk.aliases.map { .text($0) })),
                Field("roots", "BEGINS AT", walk.roots.isEmpty ? .none : .list(walk.roots.map { .text($0) })),
                Field("parameters", "WORDS", walk.parameters.isEmpty ? .none : .text(walk.parameters)),
                Field("summary", "SUMMARY", .text(walk.summary)),
            ]
            try emit(.record(Record("walk", fields)))
        }
    }
}

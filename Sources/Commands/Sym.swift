// sym: symbols by name or address.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Sym: Stage {
    package static let manual = Manual(
        name: "sym", synopsis: "[-n] [-p] NAME|ADDRESS... | -q TEXT | -l | -m MODULE | -M",
        summary: "symbols by name or address",
        text: """
            Every symbol of that name (functions of several files share one), or the symbol that covers the address, \
            with its size, its kind, the module that has it, and its place in the source where that is known.
            """,
        options: [
            .init("-q", "TEXT", "Every symbol whose name contains this text"), .init("-l", "Every symbol"),
            .init("-n", "The next symbol too"), .init("-p", "The symbol before it too"),
            .init("-m", "MODULE", "Every symbol of this module"), .init("-M", "Every symbol of all modules"),
        ],
        examples: [
            .init("sym schedule", "a function"), .init("sym &init_task", "the symbol at an address"),
            .init("sym -n schedule", "and the one behind it"),
            .init("sym -q mutex_lock", "all that have it in their name"),
        ], emits: .subjects, takesOperand: true)

    private let words: [String]
    private let part: String?
    private let isList: Bool
    private let module: String?
    private let ofModules: Bool
    private let showsNext: Bool
    private let showsPrevious: Bool

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        part = arguments.value("-q")
        isList = arguments.has("-l")
        module = arguments.value("-m")
        ofModules = arguments.has("-M")
        showsNext = arguments.has("-n")
        showsPrevious = arguments.has("-p")
        guard !words.isEmpty || part != nil || isList || module != nil || ofModules else {
            throw UsageError("sym: a name or an address is missing; see: help sym")
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let target = context.target
        if part != nil || isList || module != nil || ofModules { return try list(target, emit) }
        for word in words {
            let named = target.symbols.symbols(named: word)
            if !named.isEmpty {
                for symbol in named { try show(symbol, symbol.address, target, emit) }
                continue
            }
            let address: VirtualAddress
            do { address = try AddressOperand.address(word, target) } catch let error as ExpressionError {
                throw CommandError("sym: \(word): \(error.message)", cause: error.cause)
            }
            guard let symbol = target.symbols.symbol(covering: address) else {
                throw CommandError("sym: no symbol covers \(address)")
            }
            try show(symbol, address, target, emit)
        }
    }

    /// A symbol, with those beside it where they are wanted.
    private func show(_ symbol: Symbol, _ address: VirtualAddress, _ target: Target, _ emit: Emit) throws {
        let source = target.symbols.sources.first { $0.symbols(named: symbol.name).contains(symbol) }
        var before: Symbol?
        var after: Symbol?
        if showsNext || showsPrevious, symbol.kind != .perCPU {
            source?.forEach { other in
                guard other.kind != .perCPU, other.kind != .absolute else { return }
                if other.address < symbol.address, before.map({ $0.address <= other.address }) ?? true {
                    before = other
                }
                if other.address > symbol.address, after.map({ other.address < $0.address }) ?? true { after = other }
            }
        }
        if showsPrevious, let before { try emit(.record(Self.record(before, before.address, target))) }
        try emit(.record(Self.record(symbol, address, target)))
        if showsNext, let after { try emit(.record(Self.record(after, after.address, target))) }
    }

    private func list(_ target: Target, _ emit: Emit) throws {
        var count = 0
        let wanted = part.map { Array($0.utf8) } ?? []
        for source in target.symbols.sources {
            try source.forEach { symbol in
                guard Self.contains(Array(symbol.name.utf8), wanted),
                    module.map({ symbol.module == $0 }) ?? true, !ofModules || symbol.module != nil
                else { return }
                count += 1
                try emit(.record(Self.record(symbol, symbol.address, target, isBrief: true)))
            }
        }
        if count == 0, let module { throw CommandError("sym: no symbol of a module \(Escaping.text(module)) is known") }
        if count == 0, ofModules { throw CommandError("sym: no module has symbols") }
        if count == 0 { throw CommandError("sym: no symbol has \(Escaping.text(part ?? "")) in its name") }
    }

    private static func contains(_ name: [UInt8], _ part: [UInt8]) -> Bool {
        guard !part.isEmpty else { return true }
        guard name.count >= part.count else { return false }
        return (0...(name.count - part.count)).contains { name[$0...].starts(with: part) }
    }

    /// `isBrief`: without what costs a look into debug information.
    private static func record(
        _ symbol: Symbol, _ address: VirtualAddress, _ target: Target, isBrief: Bool = false
    ) -> Record {
        let offset = address.distance(from: symbol.address)
        var place: String?
        var line: Field = Field("line", nil, .none)
        var file: Field = Field("file", nil, .none)
        if !isBrief, symbol.kind == .function, let known = (try? target.line(at: address)).flatMap({ $0 }) {
            place = "\(known.file):\(known.line)"
            file = Field("file", nil, .text(known.file))
            line = Field("line", nil, .signed(Int64(known.line)))
        }
        let type = isBrief ? nil : Identify.type(of: symbol, target)
        return Record(
            "symbol",
            [
                Field("address", "ADDRESS", .address(address.rawValue)),
                Field("type", "TYPE", .text(kind(symbol, target))),
                Field("name", nil, .text(symbol.name)), Field("offset", nil, .unsigned(offset)),
                Field("where", "SYMBOL", .text(symbol.name + (offset == 0 ? "" : "+0x" + hex(offset)))),
                Field("size", nil, size(symbol, isBound: false)),
                Field("size_at_most", nil, size(symbol, isBound: true)),
                Field("extent", "SIZE", extent(symbol)),
                Field("binding", nil, .text("\(symbol.binding)")),
                Field("module", "MODULE", symbol.module.map { .text($0) } ?? .none),
                Field("ctype", nil, type.map { .text($0) } ?? .none), file, line,
                Field("source", "SOURCE", (place ?? type).map { .text($0) } ?? .none),
            ])
    }

    private static func size(_ symbol: Symbol, isBound: Bool) -> FieldValue {
        symbol.size == 0 || symbol.isSizeBound != isBound ? .none : .unsigned(symbol.size)
    }

    private static func extent(_ symbol: Symbol) -> FieldValue {
        guard symbol.size != 0 else { return .none }
        return symbol.isSizeBound ? .text("<=\(symbol.size)") : .unsigned(symbol.size)
    }

    private static func kind(_ symbol: Symbol, _ target: Target) -> String {
        switch symbol.kind {
        case .function: "function"
        case .object: target.isPerCPU(symbol) ? "per-CPU" : "object"
        case .unspecified: target.isPerCPU(symbol) ? "per-CPU" : "label"
        case .perCPU: "per-CPU"
        case .absolute: "absolute"
        }
    }
}

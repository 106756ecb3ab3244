// whatis: what an address is, or what type a name has.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Whatis: Stage {
    package static let manual = Manual(
        name: "whatis", synopsis: "ADDRESS | EXPRESSION | [-o] TYPE | [-r SIZE[-SIZE]] [-m MEMBER]",
        summary: "what an address is, or what type a name has",
        text: """
            Of an address (a number, or an expression that is a pointer): the symbol there, the per-CPU variable, whose \
            stack it lies in, the object of which slab, its page. Of a variable or a member: its type. Of a type: its \
            definition.
            """,
        options: [
            .init("-o", "Of a structure: the offsets of its members, and its size"),
            .init("-r", "SIZE", "Every structure and union of this size in bytes, or of one in SIZE-SIZE"),
            .init("-m", "MEMBER", "Every one that has a member, also of an embedded structure, of this type"),
        ],
        examples: [
            .init("whatis &init_task", "an address"), .init("whatis -o list_head", "where a structure's members are"),
            .init("whatis -r 16-24 -m list_head", "small structures that hold a list_head"),
            .init("whatis init_task", "a variable's type"),
            .init("whatis struct list_head", "a type's definition"), .init("whatis init_task.tasks", "a member's type"),
            .init("ps | whatis | group-by cache", "where many addresses lie"),
        ], takesExpression: true, accepts: .addresses, emits: [.subjects, .records])

    private let text: String
    private let showsOffsets: Bool
    private let search: TypeSearch?
    private let hasInput: Bool

    package init(_ arguments: Arguments) throws {
        hasInput = arguments.hasInput
        text = arguments.text
        showsOffsets = arguments.has("-o")
        search = try TypeSearch(size: arguments.value("-r"), member: arguments.value("-m"))
        guard search == nil || text.isEmpty else { throw UsageError("whatis: -r and -m take no name") }
    }

    package func receive(_ datum: Datum, _ context: Context, _ emit: Emit) throws {
        guard text.isEmpty else { throw UsageError("whatis: either an address or what flows through the bar") }
        guard let address = try datum.address() else { throw UsageError("whatis: what flows here has no address") }
        try identify(address, context, emit)
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        // Behind a bar everything was said already.
        guard !hasInput else { return }
        let target = context.target
        if let search { return try search.run(context, emit) }
        if let type = try definition(target) {
            if showsOffsets {
                var builder = LayoutBuilder(target.types)
                let layout = try builder.layout(type)
                let lines = LayoutText(showsOffsets: true, hexadecimal: false).lines(layout)
                return try emit(.record(LayoutFields.record(layout, lines: lines)))
            }
            let lines = try target.types.definition(type)
            let fields = [
                Field("type", nil, .text(try target.types.spelling(type))),
                Field("size", nil, (try target.types.size(type)).map { .unsigned($0) } ?? .none),
                Field("definition", nil, .list(lines.map { .text($0) })),
            ]
            return try emit(.record(Record("type", fields, presentation: .block(lines))))
        }
        let value: Value
        do { value = try target.evaluate(text) } catch let error as ExpressionError {
            // A symbol that has no value, as a per-CPU variable has none, is still an address.
            guard let symbol = target.symbols.symbol(named: text) else { throw error }
            return try identify(symbol.address, context, emit)
        }
        if case .memory(let address, _) = value.place {
            if value.isUntyped { return try identify(address, context, emit) }
            if case .function = try value.strippedType { return try identify(address, context, emit) }
            let line = try target.types.declaration(of: text, type: value.type) + ";"
            let fields = [
                Field("expression", nil, .text(text)), Field("type", nil, .text(value.typeName)),
                Field("address", nil, .address(address.rawValue)),
                Field("size", nil, (try target.types.size(value.type)).map { .unsigned($0) } ?? .none),
            ]
            return try emit(.record(Record("type", fields, presentation: .block([line]))))
        }
        switch try value.strippedType {
        case .integer, .pointer: try identify(VirtualAddress(UInt64(bitPattern: try value.signed())), context, emit)
        default:
            let fields = [Field("expression", nil, .text(text)), Field("type", nil, .text(value.typeName))]
            try emit(.record(Record("type", fields, presentation: .block(["\(value.typeName) \(text);"]))))
        }
    }

    /// The type that the text names, with or without its keyword; a variable of the same name comes first.
    private func definition(_ target: Target) throws -> TypeID? {
        if let type = try? target.type(named: text) { return type }
        guard target.symbols.symbol(named: text) == nil else { return nil }
        for kind in TypeKind.allCases {
            if let id = try target.types.lookup(kind, text) { return id }
        }
        return nil
    }

    private func identify(_ address: VirtualAddress, _ context: Context, _ emit: Emit) throws {
        let found = Identify.all(address, context)
        var lines: [String] = []
        var known: [FieldValue] = []
        for item in found {
            lines.append("\(lines.isEmpty ? hex(address.rawValue, width: 16) + ":" : "                 ") \(item.text)")
            let details = item.details.map { Field($0.name, nil, .text($0.value)) }
            known.append(
                .record(
                    Record(
                        item.kind,
                        [Field("is", nil, .text(item.kind)), Field("text", nil, .text(item.text))] + details,
                        presentation: .none)))
        }
        if lines.isEmpty {
            // Not even mapped is something that is known.
            do {
                _ = try context.target.space.translate(address)
                lines = ["\(hex(address.rawValue, width: 16)): mapped; nothing more is known of it"]
            } catch {
                lines = ["\(hex(address.rawValue, width: 16)): \(error)"]
            }
        }
        var fields = [
            Field("address", nil, .address(address.rawValue)),
            Field("is", nil, found.first.map { .text($0.kind) } ?? .none),
            Field("identities", nil, .list(known)),
        ]
        // The details once more, where the next stage finds them: the first that has the name.
        for item in found {
            for detail in item.details where !fields.contains(where: { $0.name == detail.name }) {
                fields.append(Field(detail.name, nil, .text(detail.value)))
            }
        }
        // What lies in no slab has no cache: it says so, and can be grouped by it like the others.
        for name in ["cache", "symbol"] where !fields.contains(where: { $0.name == name }) {
            fields.append(Field(name, nil, .none))
        }
        try emit(.record(Record("identity", fields, presentation: .block(lines))))
    }
}

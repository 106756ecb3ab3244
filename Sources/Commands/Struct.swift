// struct: the definition of a structure, its layout, or its contents at an address.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Struct: Stage {
    package static let manual = Manual(
        name: "struct", aliases: ["union", "*"], synopsis: "NAME[.MEMBER[,MEMBER]...] [ADDRESS [COUNT]] [-o] [-x] [-d]",
        summary: "a structure's definition, layout or contents",
        text: """
            Without an address: the definition, and with -o the offset and size of each member, the holes and the \
            padding. With one, which may be any expression: the contents there, or those of the members; with COUNT of \
            as many structures one after another.

            NAME is that of a struct, a union, or a typedef of one. A MEMBER may be a path: se.exec_start, comm[0].
            """,
        options: [
            .init("-o", "Offsets and sizes, in bytes; of a bit-field the byte and the bit"),
            .init("-x", "Numbers in hexadecimal"),
            .init("-d", "Numbers in decimal, which is how they are shown anyway"),
        ],
        examples: [
            .init("struct list_head", "the definition"), .init("struct list_head -o", "the layout"),
            .init("struct task_struct.comm,pid &init_task", "two members of the first task"),
            .init("struct list_head init_task.tasks", "a structure inside another one"),
            .init("struct task_struct.se.run_node -o", "where a member is"),
            .init("ps 1 | struct task_struct.comm,pid", "of each task that a command says"),
        ], takesOperand: true)

    private let name: String
    private let members: [MemberPath]
    private let address: String?
    private let count: Int
    private let showsOffsets: Bool
    private let isHexadecimal: Bool

    /// Structures shown at most; more are a slip of the finger.
    private static let maximum = 1 << 20

    package init(_ arguments: Arguments) throws {
        var words = arguments.operands
        while let first = words.first, ["struct", "union"].contains(first) { words.removeFirst() }
        guard let first = words.first else { throw UsageError("struct: a name is missing; see: help struct") }
        let parts = first.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        name = String(parts[0])
        do {
            members = try parts.dropFirst().flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
                .map { try MemberPath(String($0)) }
        } catch {
            throw UsageError("struct: \(first): \(error)")
        }
        let (text, count) = AddressOperand.splitCount(Array(words.dropFirst()))
        address = text.isEmpty ? nil : text
        guard (1...Self.maximum).contains(count ?? 1) else { throw UsageError("struct: COUNT is 1 to \(Self.maximum)") }
        self.count = count ?? 1
        showsOffsets = arguments.has("-o")
        isHexadecimal = arguments.has("-x") && !arguments.has("-d")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let target = context.target
        let type = try Self.type(name, target)
        guard let address else {
            return try members.isEmpty ? whole(type, target, emit) : parts(type, target, emit)
        }
        let start = try AddressOperand.address(address, target)
        guard let size = try target.types.size(type) else {
            throw CommandError("\(try target.types.spelling(type)) is declared, but nothing that was loaded defines it")
        }
        for index in 0..<count {
            let place = start.advanced(by: UInt64(index) &* size)
            try contents(Value(target: target, type: type, place: .memory(place)), place, context, emit)
        }
    }

    /// The struct, union or typedef of that name.
    static func type(_ name: String, _ target: Target) throws -> TypeID {
        var declared: TypeID?
        for kind in [TypeKind.structure, .union, .ordinary] {
            guard let id = try target.types.lookup(kind, name) else { continue }
            switch try target.types.stripped(id).type {
            case .aggregate: return id
            case .incomplete: declared = declared ?? id
            default: continue
            }
        }
        if let declared { return declared }
        throw CommandError(
            "there is no struct, union or typedef of one named \(name)", cause: .noType("struct \(name)"))
    }

    // MARK: without an address

    private func whole(_ type: TypeID, _ target: Target, _ emit: Emit) throws {
        var builder = LayoutBuilder(target.types)
        let layout = try builder.layout(type)
        let text = LayoutText(showsOffsets: showsOffsets, hexadecimal: isHexadecimal)
        try emit(.record(LayoutFields.record(layout, lines: text.lines(layout))))
    }

    /// The members alone: their declarations, with offsets and sizes when wanted.
    private func parts(_ type: TypeID, _ target: Target, _ emit: Emit) throws {
        var lines = ["\(try target.types.spelling(type)) {"]
        var fields: [FieldValue] = []
        for path in members {
            let (bytes, member) = try path.offset(in: type, target.types)
            let size = try target.types.size(member.type) ?? 0
            let declaration = try target.types.declaration(of: path.description, type: member.type)
            let bits = member.bitSize.map { ":\($0)" } ?? ""
            let offset = isHexadecimal ? "0x" + hex(bytes) : "\(bytes)"
            let bit = member.bitSize == nil ? "" : ":\(member.bitOffset % 8)"
            let extent = isHexadecimal ? "0x" + hex(size) : "\(size)"
            lines.append("    \(declaration)\(bits);" + (showsOffsets ? "  /* \(offset)\(bit) \(extent) */" : ""))
            fields.append(
                .record(
                    LayoutFields.member(
                        name: path.description, declaration: declaration, offset: bytes, size: size,
                        bitOffset: member.bitOffset, bitSize: member.bitSize)))
        }
        let record = [
            Field("type", nil, .text(try target.types.spelling(type))),
            Field("size", nil, try target.types.size(type).map { .unsigned($0) } ?? .none),
            Field("members", nil, .list(fields)),
        ]
        try emit(.record(Record("layout", record, presentation: .block(lines + ["}"]))))
    }

    // MARK: with an address

    private func contents(_ value: Value, _ place: VirtualAddress, _ context: Context, _ emit: Emit) throws {
        var options = FormatOptions()
        options.hexadecimal = isHexadecimal
        let formatter = ValueFormatter(options)
        var lines: [String] = []
        var tree: ValueTree
        if members.isEmpty {
            tree = formatter.tree(value)
            lines = formatter.lines(tree)
            lines[0] = "\(value.typeName) \(lines[0])"
            if showsOffsets || count > 1 { lines.insert("\(place):", at: 0) }
            if let reason = tree.onlyGap { throw CommandError("\(value.typeName) at \(place): \(reason)") }
        } else {
            var fields: [ValueTree.Field] = []
            if count > 1 { lines.append("\(place):") }
            for path in members {
                let inner = formatter.tree(try path.apply(to: value))
                var shown = formatter.lines(inner)
                shown[0] = "\(path) = \(shown[0])"
                lines += shown.map { "  " + $0 }
                fields.append(ValueTree.Field(name: path.description, value: inner))
            }
            tree = .record(type: value.typeName, fields)
        }
        ValueFields.note(tree, "\(value.typeName) at \(place)", context.gaps)
        let fields = [
            Field("type", nil, .text(value.typeName)), Field("address", nil, .address(place.rawValue)),
            Field("value", nil, ValueFields.field(tree)),
        ]
        try emit(.record(Record("struct", fields, presentation: .block(lines))))
    }
}

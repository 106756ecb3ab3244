// struct: the definition of a structure, its layout, or its contents at an address.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Struct: Stage {
    package static let manual = Manual(
        name: "struct", aliases: ["union", "*"],
        synopsis: "NAME[.MEMBER[,MEMBER]...] [ADDRESS[:CPUS] [COUNT]] [-o] [-x] [-d] [-r] [-u PID] [-l OFFSET]",
        summary: "a structure's definition, layout or contents",
        text: """
            Without an address: the definition, and with -o the offset and size of each member, the holes and the \
            padding. With one, which may be any expression: the contents there, or those of the members; with COUNT of \
            as many structures one after another.

            With -o and an address: where each member is. ADDRESS:CPUS means the copies of a per-CPU variable of these \
            CPUs: 0, 0-3,7, a for all.

            NAME is that of a struct, a union, or a typedef of one. A MEMBER may be a path: se.exec_start, comm[0].
            """,
        options: [
            .init("-o", "Offsets and sizes, in bytes; of a bit-field the byte and the bit"),
            .init("-x", "Numbers in hexadecimal"),
            .init("-d", "Numbers in decimal, which is how they are shown anyway"),
            .init("-l", "OFFSET", "ADDRESS is that of a member: its offset in bytes, or STRUCT.MEMBER"),
            .init("-r", "The bytes, as rd shows them"), .init("-u", "PID", "ADDRESS is one of this process"),
            .init("-p", "With members that are pointers: what they point to"),
        ],
        examples: [
            .init("struct list_head", "the definition"), .init("struct list_head -o", "the layout"),
            .init("struct task_struct.comm,pid &init_task", "two members of the first task"),
            .init("struct list_head init_task.tasks", "a structure inside another one"),
            .init("struct task_struct.se.run_node -o", "where a member is"),
            .init("struct -o list_head &init_task.tasks", "where the members are in memory"),
            .init("struct task_struct.pid -l task_struct.tasks &init_task.tasks", "from a member's address"),
            .init("struct rq.curr runqueues:a", "each CPU's copy"),
            .init("ps 1 | struct task_struct.comm,pid", "of each task that a command says"),
        ], takesOperand: true)

    private let name: String
    private let members: [MemberPath]
    private let address: String?
    private let count: Int
    private let showsOffsets: Bool
    private let isHexadecimal: Bool
    private let isRaw: Bool
    private let followsPointers: Bool
    private let process: Int?
    private let memberOffset: String?

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
        isRaw = arguments.has("-r")
        followsPointers = arguments.has("-p")
        memberOffset = arguments.value("-l")
        process = try arguments.value("-u").map { word in
            guard let pid = Int(word) else { throw UsageError("struct: \(word) is not a pid") }
            return pid
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let target = context.target
        let type = try Self.type(name, target)
        guard let address else {
            return try members.isEmpty ? whole(type, target, emit) : parts(type, target, emit)
        }
        guard let size = try target.types.size(type) else {
            throw CommandError("\(try target.types.spelling(type)) is declared, but nothing that was loaded defines it")
        }
        let source = try self.target(context)
        let offset = try memberOffset.map { try self.offset($0, target) } ?? 0
        for start in try starts(address, context) {
            for index in 0..<count {
                let place = start.advanced(by: UInt64(index) &* size &- offset)
                try show(Value(target: source, type: type, place: .memory(place)), place, size, context, emit)
            }
        }
    }

    private func show(
        _ value: Value, _ place: VirtualAddress, _ size: UInt64, _ context: Context, _ emit: Emit
    ) throws {
        if isRaw { return try raw(value, place, size, context, emit) }
        if showsOffsets { return try StructPlaces(members: members).emit(value, place, emit) }
        try contents(value, place, context, emit)
    }

    /// The addresses that are meant: one, or those of a per-CPU variable's copies.
    private func starts(_ text: String, _ context: Context) throws -> [VirtualAddress] {
        let target = context.target
        guard let copies = try CPUSpec.split(text, target) else {
            return [try AddressOperand.address(text, target, inCrash: AddressOperand.isCrash(context))]
        }
        guard let symbol = target.symbols.symbol(named: copies.name), target.isPerCPU(symbol) else {
            throw CommandError("\(copies.name) is no per-CPU variable")
        }
        return copies.cpus.compactMap { target.perCPU.offsets[$0].map { symbol.address.advanced(by: $0) } }
    }

    /// The kernel's memory, or a process's with the kernel's types.
    private func target(_ context: Context) throws -> Target {
        guard let process else { return context.target }
        guard let source = context.kernel.capability((any UserMemorySource).self) else {
            throw CommandError("this kernel does not offer the memory of processes")
        }
        let target = context.target
        return Target(
            machine: target.machine, space: try source.userSpace(pid: process), types: target.types,
            symbols: target.symbols, debug: target.debug, perCPU: target.perCPU)
    }

    /// The offset of `-l`: a number of bytes, or where a member is.
    private func offset(_ text: String, _ target: Target) throws -> UInt64 {
        if let number = PlainArithmetic.number(text) { return number }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2 else { throw UsageError("struct: -l takes a number or STRUCT.MEMBER") }
        return try MemberPath(String(parts[1])).offset(in: Self.type(String(parts[0]), target), target.types).bytes
    }

    /// The structure's bytes in words of 64 bits.
    private func raw(
        _ value: Value, _ place: VirtualAddress, _ size: UInt64, _ context: Context, _ emit: Emit
    ) throws {
        guard members.isEmpty else { throw UsageError("struct: -r shows whole structures") }
        let style = try WordStyle(width: 8, Arguments([], text: "", manual: Rd.manual))
        var position = place
        var left = size
        while left > 0 {
            let count = min(left, 16)
            let bytes = try value.target.space.read(position, count: Int(count))
            try emit(.record(style.record(position, bytes, context)))
            position = position.advanced(by: count)
            left -= count
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
                let member = try path.apply(to: value)
                let inner = formatter.tree(followsPointers ? (try? member.pointee()) ?? member : member)
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

// tree: a red-black tree, an XArray or a maple tree, as crash's command of that name takes it.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Tree: Stage {
    package static let manual = Manual(
        name: "tree",
        synopsis: "[-t TYPE] [-r OFFSET] [-o OFFSET] [-s STRUCT[.MEMBER[,MEMBER]...]] [-x|-d] [-l] [-p] [-N] START",
        summary: "a red-black tree, an XArray or a maple tree",
        text: """
            TYPE is rbtree (which it is without -t), xarray, radix or maple; the first letters will do. Since 4.20 a \
            radix tree is an XArray. START is the address of the root (rb_root, xarray, maple_tree) or, with -r, of a \
            structure that has it at OFFSET; with -N it is that of a node.

            OFFSET is STRUCT.MEMBER or a number of bytes. Of a red-black tree -o tells where the structures have their \
            rb_node; its nodes come from the root downwards, left before right, with -l from left to right. What does \
            not fit (parents, colours, heights, counts, marks, gaps) is told as warnings.
            """,
        options: [
            .init("-t", "TYPE", "rbtree, xarray, radix or maple"),
            .init("-r", "OFFSET", "Where START has the root"),
            .init("-o", "OFFSET", "Where the structures have the rb_node"),
            .init("-s", "STRUCT", "Show these members of each structure, or all: STRUCT, STRUCT.MEMBER,MEMBER"),
            .init("-S", "STRUCT", "The same"),
            .init("-x", "Numbers in hexadecimal"), .init("-d", "Numbers in decimal"),
            .init("-l", "A red-black tree from left to right"),
            .init("-p", "The way from the root to each, and the index where there is one"),
            .init("-N", "START is a node: rb_node, xa_node, or a maple tree's pointer to one"),
        ],
        examples: [
            .init("tree -t xarray -r pid_namespace.idr &init_pid_ns -s pid.count", "what a kernel's pid IDR holds"),
            .init("tree -t maple -r mm_struct.mm_mt -s vm_area_struct.vm_start,vm_end init_mm", "a maple tree"),
        ], emits: .subjects, section: .containers)

    private enum Shape: String, CaseIterable {
        case rbtree
        case xarray
        case radix
        case maple
    }

    private let arguments: Arguments
    private let shape: Shape
    private let shown: [StructMembers]

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        let word = arguments.value("-t") ?? "rbtree"
        // crash's own short forms: ra, rb, x.
        guard let shape = Shape.allCases.first(where: { !word.isEmpty && $0.rawValue.hasPrefix(word) && word != "r" })
        else { throw UsageError("tree: -t is rbtree, xarray, radix or maple") }
        self.shape = shape
        shown = try (arguments.all("-s") + arguments.all("-S")).map { try StructMembers($0, command: "tree") }
        guard !arguments.operands.isEmpty else { throw UsageError("tree: where does it start? see: help tree") }
    }

    /// What the command line said, looked up.
    private struct Request {
        let start: VirtualAddress
        let node: UInt64
        let types: [(members: StructMembers, type: TypeID)]
        let type: TypeID?
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let target = context.target
        let root = try offset("-r", target)
        let node = try offset("-o", target)
        let start = try Self.address(arguments.operands.joined(separator: " "), target)
        let types = try shown.map { (members: $0, type: try $0.type(target)) }
        let request = Request(
            start: start.advanced(by: root?.bytes ?? 0), node: node?.bytes ?? 0, types: types,
            type: types.first?.type ?? node?.structure)
        func warn(_ anomaly: Anomaly) throws { try emit(.record(WalkOutput.record(anomaly))) }
        switch shape {
        case .rbtree:
            try redBlack(request, target, warn) { node in
                let way = node.path.map { $0 ? "/r" : "/l" }.joined()
                try element(
                    node.address.advanced(by: 0 &- request.node), "position: root\(way)", nil, request, context, emit)
            }
        case .xarray, .radix:
            try array(request, target, warn) { entry in
                try self.entry(entry.word, entry.index, entry.path, request, context, emit)
            }
        case .maple:
            try maple(request, target, warn) { entry in
                try self.entry(entry.word, entry.index, entry.path, request, context, emit)
            }
        }
    }

    private func offset(_ flag: String, _ target: Target) throws -> OffsetOperand? {
        guard let text = arguments.value(flag) else { return nil }
        guard let offset = try OffsetOperand(text, target) else {
            throw UsageError("tree: \(flag) \(Escaping.text(text)) is neither STRUCT.MEMBER nor a number of bytes")
        }
        return offset
    }

    /// The name of a symbol stands for its address; of any other expression it is a pointer's or a number's value, or
    /// where a structure is.
    private static func address(_ text: String, _ target: Target) throws -> VirtualAddress {
        if let symbol = target.symbols.symbol(named: text) { return symbol.address }
        let value = try target.evaluate(text)
        switch try value.strippedType {
        case .pointer, .integer, .enumeration: return VirtualAddress(UInt64(bitPattern: try value.signed()))
        default: return try value.address
        }
    }

    // MARK: walking

    private func redBlack(
        _ request: Request, _ target: Target, _ warn: (Anomaly) throws -> Void, _ body: (RBTree.Node) throws -> Void
    ) throws {
        let isNode = arguments.has("-N")
        let first = isNode ? request.start : VirtualAddress(try target.space.word(request.start))
        try RBTree.walk(
            from: first, isWhole: !isNode, in: target.space, order: arguments.has("-l") ? .ascending : .topDown,
            paths: true, anomaly: warn, body)
    }

    private func array(
        _ request: Request, _ target: Target, _ warn: (Anomaly) throws -> Void, _ body: (XArray.Entry) throws -> Void
    ) throws {
        if arguments.has("-N") {
            // With its tag, as a root has it, or without.
            let word = request.start.rawValue | 2
            return try XArray.walk(word, target, root: nil, isIDR: true, anomaly: warn, body)
        }
        guard let type = try target.types.lookup(.structure, "xarray") else { throw ValueError.noType("struct xarray") }
        let root = Value(target: target, type: type, place: .memory(request.start))
        try XArray.walk(root, anomaly: warn, body)
    }

    private func maple(
        _ request: Request, _ target: Target, _ warn: (Anomaly) throws -> Void, _ body: (MapleTree.Entry) throws -> Void
    ) throws {
        if arguments.has("-N") {
            return try MapleTree.walk(request.start.rawValue, target, tree: nil, anomaly: warn, body)
        }
        try MapleTree.walk(try target.object(.structure, "maple_tree", at: request.start), anomaly: warn, body)
    }

    // MARK: output

    private func entry(
        _ word: UInt64, _ index: StepIndex, _ path: [Int], _ request: Request, _ context: Context, _ emit: Emit
    ) throws {
        let way = path.map { "/\($0)" }.joined()
        try element(
            VirtualAddress(word), "index: \(index)  position: root\(way)", index, request, context, emit)
    }

    private func element(
        _ address: VirtualAddress, _ position: String, _ index: StepIndex?, _ request: Request, _ context: Context,
        _ emit: Emit
    ) throws {
        let isPointer = address.rawValue & 3 == 0
        var lines = [hex(address.rawValue)]
        var fields = [
            Field("address", "ELEMENT", .address(address.rawValue)),
            Field("position", nil, .text(position)),
        ]
        if let index {
            fields += [Field("first", nil, .unsigned(index.first)), Field("last", nil, .unsigned(index.last))]
        }
        if arguments.has("-p") { lines.append("  " + position) }
        for (members, type) in request.types where isPointer {
            let value = Value(target: context.target, type: type, place: .memory(address))
            let contents = try members.contents(
                value, hexadecimal: arguments.has("-x") && !arguments.has("-d"), gaps: context.gaps)
            lines += contents.lines
            fields.append(Field(members.name, nil, contents.field))
        }
        let target = context.target
        let subject =
            request.type.flatMap { isPointer ? Value(target: target, type: $0, place: .memory(address)) : nil }
            ?? Value(target: target, number: address.rawValue, type: target.types.pointer(to: .void))
        try emit(.record(Record("element", fields, presentation: .block(lines), subject: subject)))
    }
}

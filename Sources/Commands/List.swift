// list: a linked list, as crash's command of that name takes it.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct List: Stage {
    package static let manual = Manual(
        name: "list",
        synopsis:
            "[[-o] OFFSET] [-e END] [-s STRUCT[.MEMBER[,MEMBER]...] [-l OFFSET]] [-x|-d] [-r] [-h [-O OFFSET]|-H] START",
        summary: "a linked list, with members of its structures",
        text: """
            Without -h and -H, START is the first structure, and OFFSET where each has the pointer to the next one; the \
            list ends at a null pointer, at its start, at its second structure, or at one that points to itself.

            With -H, START is the list_head that is the list's head, and OFFSET where the structures have theirs. With \
            -h, START is a structure whose list_head is on the list like all the others'; with -O it is the head, and at \
            another place there.

            OFFSET is STRUCT.MEMBER or a number of bytes, and may stand first without -o. Links that do not lead back, a \
            list that goes in circles and what cannot be read are told as warnings. walk list does the same for any \
            list_head.
            """,
        options: [
            .init("-o", "OFFSET", "Where in a structure the link to the next one is"),
            .init("-e", "END", "The link that ends the list"),
            .init("-s", "STRUCT", "Show these members of each structure, or all: STRUCT, STRUCT.MEMBER,MEMBER"),
            .init("-S", "STRUCT", "The same"),
            .init("-l", "OFFSET", "START is a link, which STRUCT of -s has at OFFSET; links are listed"),
            .init("-x", "Numbers in hexadecimal"), .init("-d", "Numbers in decimal"),
            .init("-r", "Along prev instead of next; with -h or -H"),
            .init("-B", "Find circles in little memory, as is done anyway"),
            .init("-h", "START is a structure on the list, or with -O one that has its head"),
            .init("-O", "OFFSET", "Where START has the head, with -h"),
            .init("-H", "START is the head, a list_head alone"),
        ],
        examples: [
            .init("list task_struct.tasks -s task_struct.pid,comm -H &init_task.tasks", "thread group leaders"),
            .init("list -o task_struct.sibling -O task_struct.children -h &init_task", "the children of a task"),
            .init("list task_struct.parent init_task", "a chain of pointers to structures"),
        ], emits: .subjects, section: .containers)

    private let arguments: Arguments
    private let shown: [StructMembers]

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        shown = try (arguments.all("-s") + arguments.all("-S")).map { try StructMembers($0, command: "list") }
        guard !arguments.operands.isEmpty else { throw UsageError("list: where does it start? see: help list") }
        guard !(arguments.has("-h") && arguments.has("-H")) else { throw UsageError("list: -h or -H, not both") }
        let ofHead = arguments.has("-h") || arguments.has("-H")
        guard ofHead || !arguments.has("-r") else { throw UsageError("list: -r needs -h or -H") }
        guard arguments.has("-h") || !arguments.has("-O") else { throw UsageError("list: -O needs -h") }
        guard !shown.isEmpty || !arguments.has("-l") else { throw UsageError("list: -l needs -s") }
    }

    /// What the command line said, looked up.
    private struct Request {
        let start: VirtualAddress
        /// From a structure to its link.
        let offset: UInt64
        let end: VirtualAddress?
        /// From the address that is listed to the structure that is shown, for -l.
        let inner: UInt64
        let types: [(members: StructMembers, type: TypeID)]
        /// What the listed addresses are, when the command line says it.
        let type: TypeID?
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let request = try request(context.target)
        let space = context.target.space
        var count = 0
        func give(_ address: VirtualAddress) throws {
            count += 1
            try element(address, request, context, emit)
        }
        func warn(_ anomaly: Anomaly) throws { try emit(.record(WalkOutput.record(anomaly))) }
        do {
            if arguments.has("-h") || arguments.has("-H") {
                try ring(request, context.target, warn, give)
                if count == 0 {
                    try emit(
                        .record(
                            Record(
                                "empty", [Field("list", nil, .address(request.start.rawValue))],
                                presentation: .block(["(empty)"]))))
                }
            } else {
                try chain(request, space, warn, give)
            }
        } catch is EnoughSteps {}
    }

    // MARK: the command line

    private func offset(_ flag: String, _ target: Target) throws -> OffsetOperand? {
        guard let text = arguments.value(flag) else { return nil }
        guard let offset = try OffsetOperand(text, target) else {
            throw UsageError("list: \(flag) \(Escaping.text(text)) is neither STRUCT.MEMBER nor a number of bytes")
        }
        return offset
    }

    private func request(_ target: Target) throws -> Request {
        var words = arguments.operands
        var link = try offset("-o", target)
        // The offset may also stand before or behind the start.
        if link == nil, words.count > 1 {
            if let first = try OffsetOperand(words[0], target) {
                link = first
                words.removeFirst()
            } else if let last = try OffsetOperand(words[words.count - 1], target), last.structure != nil {
                link = last
                words.removeLast()
            }
        }
        let types = try shown.map { (members: $0, type: try $0.type(target)) }
        return Request(
            start: try AddressOperand.address(words.joined(separator: " "), target), offset: link?.bytes ?? 0,
            end: try arguments.value("-e").map { try AddressOperand.address($0, target) },
            inner: try offset("-l", target)?.bytes ?? 0, types: types, type: types.first?.type ?? link?.structure)
    }

    // MARK: walking

    private static let poisons: [(value: UInt64, meaning: String)] = [
        (0xdead_0000_0000_0100, "LIST_POISON1, the node was removed"),
        (0xdead_0000_0000_0122, "LIST_POISON2, the node was removed"),
    ]

    /// A ring of list_heads: from START, which is the head with -H and with -h -O, and else one of the nodes.
    private func ring(
        _ request: Request, _ target: Target, _ warn: (Anomaly) throws -> Void,
        _ give: (VirtualAddress) throws -> Void
    ) throws {
        var head = request.start
        if arguments.has("-h") {
            if let headOffset = try offset("-O", target) {
                head = head.advanced(by: headOffset.bytes)
            } else {
                try give(head)
                head = head.advanced(by: request.offset)
            }
        }
        var ring = arguments.has("-r") ? RingWalk(next: 8, previous: 0) : RingWalk()
        ring.poisons = Self.poisons
        try ring.walk(head, in: target.space, anomaly: warn) { node in
            if node == request.end { throw EnoughSteps() }
            try give(node.advanced(by: 0 &- request.offset))
        }
    }

    /// Structures that point to each other, by crash's rules of where such a list ends.
    private func chain(
        _ request: Request, _ space: AddressSpace, _ warn: (Anomaly) throws -> Void,
        _ give: (VirtualAddress) throws -> Void
    ) throws {
        let link = request.start.advanced(by: request.offset)
        var second: VirtualAddress?
        // The start itself has to be readable; what is wrong later is a warning.
        do { _ = try space.word(link) } catch {
            throw CommandError("list: the structure at \(request.start) cannot be read: \(error)")
        }
        try give(request.start)
        var chain = ChainWalk(next: request.offset)
        chain.poisons = Self.poisons
        let isEnd = { (node: VirtualAddress, place: VirtualAddress) in
            node == request.end || node == request.start || node == second
                || node == place.advanced(by: 0 &- request.offset)
        }
        try chain.walk(from: link, in: space, isEnd: isEnd, anomaly: warn) { node in
            second = second ?? node
            try give(node)
        }
    }

    // MARK: output

    private func element(_ address: VirtualAddress, _ request: Request, _ context: Context, _ emit: Emit) throws {
        var lines = [hex(address.rawValue)]
        var fields = [Field("address", "ELEMENT", .address(address.rawValue))]
        for (members, type) in request.types {
            let place = address.advanced(by: 0 &- request.inner)
            let value = Value(target: context.target, type: type, place: .memory(place))
            let contents = try members.contents(
                value, hexadecimal: arguments.has("-x") && !arguments.has("-d"), gaps: context.gaps)
            lines += contents.lines
            fields.append(Field(members.name, nil, contents.field))
        }
        let object = address.advanced(by: 0 &- request.inner)
        let subject =
            request.type.map { Value(target: context.target, type: $0, place: .memory(object)) }
            ?? Value(target: context.target, number: address.rawValue, type: context.target.types.pointer(to: .void))
        try emit(.record(Record("element", fields, presentation: .block(lines), subject: subject)))
    }
}

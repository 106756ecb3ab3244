// waitq: who waits on a wait queue.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct WaitQueue: Stage {
    package static let manual = Manual(
        name: "waitq", synopsis: "ADDRESS | SYMBOL | STRUCT.MEMBER ADDRESS", summary: "the tasks on a wait queue",
        text: """
            The queue is a struct wait_queue_head: at an address, of a name, or a member of a structure at an address. \
            An entry whose function wakes no task (that of an epoll, of a poll) is shown with its function.
            """,
        examples: [
            .init("waitq log_wait", "who waits for the log"),
            .init("waitq pglist_data.kswapd_wait contig_page_data", "a member of a structure"),
        ])
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        guard (1...2).contains(words.count) else {
            throw UsageError("waitq: a queue's address, or STRUCT.MEMBER and the address of the structure")
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let head = kernel.model.types
        guard let type = try head.lookup(.structure, "wait_queue_head") else {
            throw CommandError("waitq: struct wait_queue_head is not known")
        }
        let place = try address(context)
        let queue = Value(target: kernel.model, type: type, place: .memory(place))
        var count = 0
        var broken: WalkAnomaly?
        // `task_list` became `head`, and `wait_queue_t` `wait_queue_entry`, in 4.13 (2055da97389a).
        try ListWalk.entries(try queue["head"], "wait_queue_entry", "entry", anomaly: { broken = broken ?? $0 }) {
            entry in
            if context.isInterrupted() { throw Interrupted() }
            count += 1
            try self.emit(entry, kernel, emit)
        }
        if let broken { context.gaps.note(Gap("the wait queue at \(place)", why: broken.description)) }
        if count == 0, broken == nil { try emit(.text("nobody waits on the queue at \(place)")) }
    }

    private func address(_ context: Context) throws -> VirtualAddress {
        let target = context.target
        guard words.count == 2 else { return try AddressOperand.address(words[0], target) }
        let parts = words[0].split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, let type = try target.types.lookup(.structure, parts[0]) else {
            throw UsageError("waitq: \(Escaping.text(words[0])) is no STRUCT.MEMBER")
        }
        let offset = try MemberPath(parts[1]).offset(in: type, target.types).bytes
        return try AddressOperand.address(words[1], target).advanced(by: offset)
    }

    private func emit(_ entry: Value, _ kernel: LinuxKernel, _ emit: Emit) throws {
        let function = try entry["func"].pointer()
        let name = kernel.model.symbols.describe(function)
        let owner = try entry["private"].pointer()
        var fields = [
            Field("entry", nil, .address(try entry.address.rawValue)),
            Field("function", nil, name.map { .text($0) } ?? .address(function.rawValue)),
        ]
        var line = "\(hex((try entry.address).rawValue)): \(name ?? hex(function.rawValue))"
        if !owner.isNull, let task = try kernel.tasks().tasks.first(where: { $0.address == owner }) {
            line = StackOutput.heading(task)
            fields += StackOutput.identity(task)
            return try emit(
                .record(Record("waiter", fields, presentation: .block([line]), subject: task.value)))
        }
        try emit(.record(Record("waiter", fields, presentation: .block([line]), subject: entry)))
    }
}

// The stacks of tasks, each unwound once.

internal import Bytes

/// Stacks that were asked for are kept, up to a bound.
final class TaskStacks {
    private let reader: StackReader
    private var known: [VirtualAddress: TaskStack] = [:]
    private static let most = 4096

    init(_ kernel: LinuxKernel) { reader = StackReader(kernel) }

    /// Throws what `StackReader.stack(of:)` throws.
    func stack(of task: Task) throws -> TaskStack {
        if let stack = known[task.address] { return stack }
        let made = try reader.stack(of: task)
        if known.count >= Self.most { known.removeAll(keepingCapacity: true) }
        known[task.address] = made
        return made
    }
}

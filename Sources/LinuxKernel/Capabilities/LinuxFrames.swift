// The stack that a session looks at, for commands that know no Linux.

internal import Bytes
internal import Capabilities
internal import Target
internal import Unwind

struct LinuxFrames: FocusFrames {
    /// The kernel holds its capabilities no longer than a question takes.
    let kernel: LinuxKernel

    func frames(of task: VirtualAddress?) throws -> [Frame] {
        let listing = StackListing(try kernel.focusedStack(Focused.task(task, kernel)), kernel.model)
        let frames = listing.stack.stack.frames
        return listing.frames.compactMap { frames.indices.contains($0.index) ? frames[$0.index] : nil }
    }
}

/// The task that a session looks at.
enum Focused {
    /// The task at an address, idle ones too; without one the task that panicked, else that of the first CPU.
    static func task(_ address: VirtualAddress?, _ kernel: LinuxKernel) throws -> Task {
        guard let address else {
            guard let first = kernel.panicTask ?? (try? kernel.cpus.cpus.first?.current) else {
                throw ValueError.absent("no CPU has a task")
            }
            return first
        }
        let idle = kernel.cpus.cpus.compactMap { try? $0.idle }
        if let match = idle.first(where: { $0.address == address }) { return match }
        if let match = try kernel.tasks().tasks.first(where: { $0.address == address }) { return match }
        throw ValueError.absent("there is no task at \(address)")
    }
}

extension LinuxKernel {
    func focusedStack(_ task: Task) throws -> TaskStack { try StackReader(self).stack(of: task) }
}

// Who is seen to have to bring about what others wait for.
//
// Nobody owns a completion or a queue. But a task on whose stack stands a function that will complete or wake when it goes
// on is a candidate: if it never goes on, nor does the one that waits. Others may do the same, from an interrupt or in a
// function that has not been called yet: what is said here is never more than likely.

internal import Bytes
internal import DebugModel
internal import Recovery
internal import Target
internal import Unwind

/// A task's function that will signal.
struct Duty {
    let task: VirtualAddress
    /// On every way to the function's end.
    let isCertain: Bool
    /// The call by which it does.
    let call: VirtualAddress
}

/// The duties of all tasks of a kernel. Reads their stacks when it is asked first.
final class Obligations {
    private struct Object: Hashable {
        let group: String
        let address: VirtualAddress
    }

    private let kernel: LinuxKernel
    private let stacks: TaskStacks
    let effects: CallEffects
    /// Of more who may signal one object nobody says who will.
    static let mostDuties = 256
    private var duties: [Object: [Duty]] = [:]
    private var considered: Set<VirtualAddress> = []
    private var isComplete = false
    /// Tasks by the lowest address of their stack.
    private var byStack: [VirtualAddress: VirtualAddress]?

    init(_ kernel: LinuxKernel, _ stacks: TaskStacks, _ effects: CallEffects) {
        self.kernel = kernel
        self.stacks = stacks
        self.effects = effects
    }

    /// Those of `tasks` that will signal the object, the certain ones first; one for each task.
    /// Complexity: the first question follows the stacks of all tasks that `consider` was not given.
    func duties(_ lockClass: LockClass, _ address: VirtualAddress, among tasks: some Sequence<Task>) -> [Duty] {
        if !isComplete {
            for task in tasks where !considered.contains(task.address) {
                if let stack = try? stacks.stack(of: task) { consider(stack) }
            }
            isComplete = true
        }
        return (duties[Object(group: lockClass.name, address: address)] ?? [])
            .sorted { ($1.isCertain ? 1 : 0, $0.task) < ($0.isCertain ? 1 : 0, $1.task) }
    }

    /// The task on whose stack the object lies.
    func keeper(of address: VirtualAddress, among tasks: some Sequence<Task>) -> VirtualAddress? {
        let known =
            byStack
            ?? Dictionary(
                tasks.compactMap { task in (try? task.stack).map { ($0, task.address) } },
                uniquingKeysWith: { first, _ in first })
        byStack = known
        // Stacks are aligned to their size (include/linux/thread_info.h).
        let size = kernel.model.stackSize
        guard size.nonzeroBitCount == 1 else { return nil }
        return known[VirtualAddress(address.rawValue & ~(size &- 1))]
    }

    func hasConsidered(_ task: Task) -> Bool { considered.contains(task.address) }

    /// A stack that somebody has at hand, and what is known of its values: to find either again costs as much as the rest.
    func consider(_ stack: TaskStack, _ values: StackRecovery? = nil) {
        guard considered.insert(stack.task.address).inserted else { return }
        let recovered = values ?? kernel.recover(stack)
        for index in stack.stack.frames.indices {
            for ahead in recovered.ahead(inFrame: index, followingCalls: true, effects) where ahead.grade < .guess {
                let object = Object(group: ahead.effect.group, address: ahead.object)
                let duty = Duty(task: stack.task.address, isCertain: ahead.isCertain, call: ahead.call)
                // One for each task, whose frames come one after the other.
                guard let last = duties[object]?.last, last.task == duty.task else {
                    if duties[object, default: []].count < Self.mostDuties { duties[object, default: []].append(duty) }
                    continue
                }
                if duty.isCertain, !last.isCertain {
                    duties[object]?.removeLast()
                    duties[object]?.append(duty)
                }
            }
        }
    }
}

extension LinuxKernel {
    /// The values of a task's stack; the task's own address is what its CPU's area says.
    func recover(_ stack: TaskStack) -> StackRecovery {
        var words: [UInt64: UInt64] = [:]
        for offset in currentTaskOffsets { words[offset] = stack.task.address.rawValue }
        return recovery.stack(stack.stack, perCPU: words)
    }
}

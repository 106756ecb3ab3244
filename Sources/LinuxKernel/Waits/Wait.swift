// That a task waits, for what, and how that is known.

package import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
internal import Unwind

/// How a task wants a lock.
package enum WaitMode: String, Sendable {
    case write
    case read
    /// There is only one way to wait.
    case wait
}

/// How it is known that a task waits.
package enum WaitProof: Sendable {
    /// A structure on its stack that names it, of type `type`, with the member that does, and is on the lock's list.
    case waiter(VirtualAddress, type: String, member: String)
    /// A command whose answer has a text: for what is on no list.
    case shown(command: String, text: String)
}

/// A task that waits.
package struct Wait: Sendable {
    package let task: Task
    package let lockClass: LockClass
    /// The lock; for a bit wait the word, for a folio its first page.
    package let lock: VirtualAddress
    package let mode: WaitMode
    package let proof: WaitProof
    /// Nanoseconds since the task last ran; nil when unknown, and for one that spins.
    package let since: UInt64?
    /// Who has or has to do what is waited for, where the wait itself tells.
    package let holder: Holder?
    /// Where the function stands that wants it; nil: the innermost one that is none of the scheduler and of locks.
    var place: VirtualAddress?
    /// What the lock is called, where the wait itself tells.
    var name: String?
}

/// What a waiter was recognised as waiting for.
struct WaitedFor {
    let lock: VirtualAddress
    let mode: WaitMode
    let holder: Holder?
    let name: String?

    init(_ lock: VirtualAddress, _ mode: WaitMode, holder: Holder? = nil, name: String? = nil) {
        self.lock = lock
        self.mode = mode
        self.holder = holder
        self.name = name
    }
}

/// A way to see that a task waits.
protocol WaitSource: SendableMetatype {
    init(_ scene: WaitScene)
    /// What the task waits for; nil when this source sees nothing. Throws when what it needs cannot be read.
    func wait(of task: Task) throws -> Wait?
}

/// The ways to see that tasks wait, the surest first.
enum WaitSources {
    static let all: [any WaitSource.Type] = [
        FutexWaits.self, PIWaits.self, StackWaiters.self, WriterWaits.self, VMAWriterWaits.self, RTUnlistedWaits.self,
        SpinWaits.self,
        CallWaits.self,
    ]
}

/// What all sources share, read once for a kernel.
final class WaitScene {
    let kernel: LinuxKernel
    let stacks: TaskStacks
    let tasks: [Task]
    let clock: SchedulerClock
    let text: TextRanges
    /// The lowest address of each task's stack.
    let stackBases: [VirtualAddress: VirtualAddress]
    let stackSize: UInt64
    /// The tasks on CPUs.
    let running: [VirtualAddress: CPU]
    private(set) lazy var workers = WorkerTable(kernel.model)
    /// Of lists of waiters, by the list's head: a function in whose frame one of them lies.
    var functions: [VirtualAddress: String] = [:]
    private(set) lazy var ends = TaskEnds(kernel.model, stackBases.keys)
    private lazy var groups: [Int: [Task]] = Dictionary(grouping: tasks) { (try? $0.tgid) ?? -1 }

    /// The threads of a process.
    func threads(of group: Int) -> [Task] { groups[group] ?? [] }

    private var living: [Int: (task: Task, isAlone: Bool)?] = [:]

    /// A process's leader, or another of its threads when that has exited; nil when all have.
    func livingThread(of group: Int) -> (task: Task, isAlone: Bool)? {
        if let known = living[group] { return known }
        let threads = threads(of: group).filter { (try? $0.state.exit) == 0 }
        let leader = threads.first { (try? $0.pid) == group } ?? threads.first
        let made = leader.map { (task: $0, isAlone: threads.count == 1) }
        living[group] = .some(made)
        return made
    }

    /// A process that has an open file, a `struct file`. Complexity: linear in the open files of all processes.
    func process(withFile file: VirtualAddress) -> Task? {
        tasks.first { task in
            guard (try? task.pid) == (try? task.tgid), let files = (try? task.value["files"].target()).flatMap({ $0 }),
                let table = (try? files["fdt"].target()).flatMap({ $0 }), let count = try? table["max_fds"].unsigned(),
                let array = try? table["fd"].pointer(),
                let bytes = try? kernel.model.space.read(array, count: Int(clamping: min(count, 1 << 16)) &* 8)
            else { return false }
            return !StackWaiters.places(of: file.rawValue, in: bytes).isEmpty
        }
    }

    init(_ kernel: LinuxKernel, _ tasks: [Task], _ stacks: TaskStacks) {
        self.kernel = kernel
        self.tasks = tasks
        self.stacks = stacks
        clock = SchedulerClock(kernel.cpus)
        text = TextRanges(kernel.model, kernel.modules)
        stackSize = kernel.model.stackSize
        var bases: [VirtualAddress: VirtualAddress] = [:]
        bases.reserveCapacity(tasks.count)
        for task in tasks { bases[task.address] = try? task.stack }
        stackBases = bases
        var running: [VirtualAddress: CPU] = [:]
        for cpu in kernel.cpus.cpus { if let task = try? cpu.current { running[task.address] = cpu } }
        self.running = running
    }
}

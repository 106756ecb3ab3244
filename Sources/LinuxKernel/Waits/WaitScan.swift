// What a sleeping task waits for: the waiter on its own stack, and the list that it is on.
//
// A task that waits for a lock has put a waiter on its stack: a structure that names the task and is linked into the lock's
// list. The innermost such structure on the live part of the stack, whose neighbours point back at it, is what the task
// waits for: no argument has to be recovered for that. The one node of the ring that is no waiter is the list's head within
// the lock.

package import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
internal import Unwind

/// What is waited for.
package enum LockClass: String, Sendable, CaseIterable {
    case mutex
    case rwsem
    case semaphore
    case rtMutex = "rt_mutex"
    case percpuRWSem = "percpu_rwsem"
    case completion
    case work
    case waitQueue = "wait queue"
    case bit = "bit wait"
    case folio = "folio"

    /// The C type at the lock's address; nil for what has none.
    package var typeName: String? {
        switch self {
        case .mutex: "mutex"
        case .rwsem: "rw_semaphore"
        case .semaphore: "semaphore"
        case .rtMutex: "rt_mutex_base"
        case .percpuRWSem: "percpu_rw_semaphore"
        case .completion: "completion"
        case .work: "work_struct"
        case .waitQueue: "wait_queue_head"
        case .bit: nil
        case .folio: "page"
        }
    }

    /// Somebody has it, and gives it back: not only told about an event.
    package var isLock: Bool {
        switch self {
        case .mutex, .rwsem, .semaphore, .rtMutex, .percpuRWSem: true
        default: false
        }
    }
}

/// How a task wants a lock.
package enum WaitMode: String, Sendable {
    case write
    case read
    /// There is only one way to wait.
    case wait
}

/// A task that waits.
package struct Wait: Sendable {
    package let task: Task
    package let lockClass: LockClass
    /// The lock; for a bit wait the word, for a folio its first page.
    package let lock: VirtualAddress
    package let mode: WaitMode
    /// The structure on the task's stack, its type and the member of it that names the task.
    package let waiter: VirtualAddress
    package let waiterType: String
    package let taskMember: String
    /// Nanoseconds since the task last ran; nil when unknown.
    package let since: UInt64?
    /// The task whose work is waited for.
    package let worker: VirtualAddress?
}

/// Reads live stacks and finds waiters.
struct WaitScan {
    /// A kind of structure that names a waiting task.
    private struct Shape {
        let type: String
        let member: String
        let task: UInt64
        let list: UInt64
        let isQueueEntry: Bool
    }

    private let kernel: LinuxKernel
    private let shapes: [Shape]
    private let stackSize: UInt64
    private let stacks: [VirtualAddress: VirtualAddress]
    private let text: TextRanges
    private let clock: SchedulerClock
    private let workers: WorkerTable
    private let functionOffset: UInt64

    /// No lock has more waiters than there are tasks.
    private static let mostNodes = 1 << 20

    init(_ kernel: LinuxKernel, _ tasks: [Task], _ clock: SchedulerClock) {
        self.kernel = kernel
        self.clock = clock
        let types = kernel.model.types
        func offset(_ type: String, _ member: String) -> UInt64? {
            (try? types.lookup(.structure, type)).flatMap { $0 }.flatMap {
                (try? types.offset(ofPath: member, in: $0)).flatMap { $0 }
            }
        }
        // `swait_queue.task_list`; waiters on completions used wait queues until 5.7 (a5c6234e1028).
        let known = [
            ("mutex_waiter", "task", "list", false), ("rwsem_waiter", "task", "list", false),
            ("semaphore_waiter", "task", "list", false), ("swait_queue", "task", "task_list", false),
            ("wait_queue_entry", "private", "entry", true),
        ]
        shapes = known.compactMap { type, member, list, isEntry in
            guard let task = offset(type, member), let list = offset(type, list) else { return nil }
            return Shape(type: type, member: member, task: task, list: list, isQueueEntry: isEntry)
        }
        functionOffset = offset("wait_queue_entry", "func") ?? 16
        let union = (try? types.lookup(.union, "thread_union")).flatMap { $0 }
        stackSize = union.flatMap { try? types.size($0) } ?? 16384
        var stacks: [VirtualAddress: VirtualAddress] = [:]
        for task in tasks { stacks[task.address] = try? task.stack }
        self.stacks = stacks
        text = TextRanges(kernel.model, kernel.modules)
        workers = WorkerTable(kernel)
    }

    /// The innermost wait of a task that was switched out; nil when its stack has none. Throws when it cannot be read.
    func wait(of task: Task) throws -> Wait? {
        let sleeping: Bool = (try? task.state.letter) != "R"
        guard sleeping, let stack = stacks[task.address], !stack.isNull else { return nil }
        if let wait = rtMutex(task) { return wait }
        let start = try kernel.architecture.switchedOut(task).registers[kernel.model.machine.layout.stackPointer]
        guard let start, VirtualAddress(start).distance(from: stack) < stackSize else { return nil }
        let count = Int(clamping: stack.advanced(by: stackSize).distance(from: VirtualAddress(start)))
        let bytes = try kernel.model.space.read(VirtualAddress(start), count: count & ~7)
        let words = Self.words(bytes)
        for (index, word) in words.enumerated() where word == task.address.rawValue {
            let place = VirtualAddress(start).advanced(by: UInt64(index) &* 8)
            for shape in shapes {
                if let wait = wait(task, shape, place.advanced(by: 0 &- shape.task)) { return wait }
            }
        }
        return nil
    }

    private static func words(_ bytes: ByteSlice) -> [UInt64] {
        bytes.withBytes { span in
            var words: [UInt64] = []
            for start in stride(from: 0, to: bytes.count - 7, by: 8) {
                var word: UInt64 = 0
                for byte in 0..<8 { word |= UInt64(span.u8(start + byte)) << UInt64(8 * byte) }
                words.append(word)
            }
            return words
        }
    }

    /// `task.pi_blocked_on` leads to the waiter, which names its lock.
    private func rtMutex(_ task: Task) -> Wait? {
        guard let waiter = try? task.value["pi_blocked_on"], let address = try? waiter.pointer(), !address.isNull,
            let lock = try? waiter["lock"].pointer(), !lock.isNull,
            (try? waiter["task"].pointer()) == task.address
        else { return nil }
        return Wait(
            task: task, lockClass: .rtMutex, lock: lock, mode: .write, waiter: address, waiterType: "rt_mutex_waiter",
            taskMember: "task", since: clock.sinceLastRun(task), worker: nil)
    }

    private func wait(_ task: Task, _ shape: Shape, _ waiter: VirtualAddress) -> Wait? {
        let space = kernel.model.space
        let node = waiter.advanced(by: shape.list)
        guard let next = try? space.word(node), let back = try? space.word(node.advanced(by: UInt64(8))),
            next != node.rawValue, next & 7 == 0,
            (try? space.word(VirtualAddress(next).advanced(by: UInt64(8)))) == node.rawValue,
            (try? space.word(VirtualAddress(back))) == node.rawValue
        else { return nil }
        if shape.isQueueEntry {
            let function = (try? space.word(waiter.advanced(by: functionOffset))) ?? 0
            guard text.contains(VirtualAddress(function)) else { return nil }
        }
        guard let head = head(from: node, shape),
            let (lockClass, lock, mode, worker) = classify(task, shape, waiter, head)
        else { return nil }
        return Wait(
            task: task, lockClass: lockClass, lock: lock, mode: mode, waiter: waiter, waiterType: shape.type,
            taskMember: shape.member, since: clock.sinceLastRun(task), worker: worker)
    }

    /// The node of the ring that is no waiter.
    private func head(from node: VirtualAddress, _ shape: Shape) -> VirtualAddress? {
        let space = kernel.model.space
        var here = node
        for _ in 0..<Self.mostNodes {
            // Backwards: a long queue is joined at its end, and the head is what the first in it points back at.
            guard let next = try? space.word(here.advanced(by: UInt64(8))) else { return nil }
            here = VirtualAddress(next)
            if here == node { return nil }
            if !isWaiter(here.advanced(by: 0 &- shape.list), shape) { return here }
        }
        return nil
    }

    private func isWaiter(_ waiter: VirtualAddress, _ shape: Shape) -> Bool {
        let space = kernel.model.space
        if shape.isQueueEntry {
            guard let function = try? space.word(waiter.advanced(by: functionOffset)) else { return false }
            return text.contains(VirtualAddress(function))
        }
        guard let task = try? space.word(waiter.advanced(by: shape.task)), let stack = stacks[VirtualAddress(task)]
        else { return false }
        return waiter.distance(from: stack) < stackSize
    }

    // MARK: Classes

    private typealias Found = (LockClass, VirtualAddress, WaitMode, VirtualAddress?)

    private func container(_ head: VirtualAddress, _ type: String, _ path: String) -> VirtualAddress? {
        let types = kernel.model.types
        guard let id = (try? types.lookup(.structure, type)).flatMap({ $0 }),
            let offset = (try? types.offset(ofPath: path, in: id)).flatMap({ $0 })
        else { return nil }
        return head.advanced(by: 0 &- offset)
    }

    private func classify(
        _ task: Task, _ shape: Shape, _ waiter: VirtualAddress, _ head: VirtualAddress
    ) -> Found? {
        switch shape.type {
        case "swait_queue": return completion(head)
        case "wait_queue_entry": return queue(task, waiter, head)
        default: return sleepingLock(task, waiter, head)
        }
    }

    /// The waiters of mutexes, rwsems and semaphores look alike: the function that has the waiter in its frame tells
    /// them apart, and the lock's own word must agree.
    private func sleepingLock(_ task: Task, _ waiter: VirtualAddress, _ head: VirtualAddress) -> Found? {
        let name = function(owning: waiter, task)
        let model = kernel.model
        func word(_ lock: VirtualAddress, _ type: String, _ path: [String]) -> UInt64? {
            guard var value = try? model.object(.structure, type, at: lock) else { return nil }
            for member in path {
                guard let inner = try? value.member(member) else { return nil }
                value = inner
            }
            return try? value.unsigned()
        }
        func mutex() -> Found? {
            guard let lock = container(head, "mutex", "wait_list"),
                // MUTEX_FLAG_WAITERS
                let owner = word(lock, "mutex", ["owner", "counter"]), owner & 1 != 0
            else { return nil }
            return (.mutex, lock, .write, nil)
        }
        func rwsem() -> Found? {
            guard let lock = container(head, "rw_semaphore", "wait_list"),
                // RWSEM_FLAG_WAITERS
                let count = word(lock, "rw_semaphore", ["count", "counter"]), count & 2 != 0
            else { return nil }
            let type = try? model.object(.structure, "rwsem_waiter", at: waiter).member("type").unsigned()
            return (.rwsem, lock, type == 1 ? .read : .write, nil)
        }
        func semaphore() -> Found? {
            guard let lock = container(head, "semaphore", "wait_list"),
                let count = word(lock, "semaphore", ["count"]), count == 0
            else { return nil }
            return (.semaphore, lock, .write, nil)
        }
        // Without a name for the frame only the lock's words tell, and those of other structures may look like them.
        guard let name else {
            return [mutex(), rwsem()].compactMap { $0 }.first { found in
                let lock = Lock(found.0, found.1, kernel) { stacks[$0] != nil }
                if case .task = lock.owner { return true }
                return false
            }
        }
        if name.contains("mutex") { return mutex() }
        if name.contains("rwsem") { return rwsem() }
        // A futex's waiter, too, names its task and is on a ring.
        return name.hasPrefix("__down") || name.hasPrefix("down") ? semaphore() : nil
    }

    /// The function in whose frame an address of a task's stack lies.
    private func function(owning address: VirtualAddress, _ task: Task) -> String? {
        guard let stack = try? StackReader(kernel).stack(of: task) else { return nil }
        let pointer = kernel.model.machine.layout.stackPointer
        let frame = stack.stack.frames.last { frame in
            frame.registers[pointer].map { VirtualAddress($0) <= address } ?? false
        }
        return frame.flatMap { kernel.model.symbols.symbol(covering: $0.lookupAddress)?.name }
    }

    private func completion(_ head: VirtualAddress) -> Found? {
        guard let lock = container(head, "completion", "wait.task_list") ?? container(head, "completion", "wait.head")
        else { return nil }
        if let worker = workers.worker(ofBarrier: lock) {
            return (.work, worker.work, .wait, worker.task)
        }
        return (.completion, lock, .wait, nil)
    }

    private func queue(_ task: Task, _ entry: VirtualAddress, _ head: VirtualAddress) -> Found? {
        let model = kernel.model
        let function = (try? model.space.word(entry.advanced(by: functionOffset))).flatMap {
            model.symbols.symbol(covering: VirtualAddress($0))?.name
        }
        switch function {
        case "percpu_rwsem_wake_function":
            guard let lock = container(head, "percpu_rw_semaphore", "waiters.head") else { return nil }
            // WQ_FLAG_CUSTOM marks a reader (kernel/locking/percpu-rwsem.c).
            let flags = try? model.object(.structure, "wait_queue_entry", at: entry)["flags"].unsigned()
            return (.percpuRWSem, lock, (flags ?? 0) & 4 != 0 ? .read : .write, nil)
        case "wake_bit_function", "var_wake_function":
            guard let outer = container(entry, "wait_bit_queue_entry", "wq_entry"),
                let word = try? model.object(.structure, "wait_bit_queue_entry", at: outer).path("key", "flags")
                    .pointer()
            else { return nil }
            return (.bit, word, .wait, nil)
        case "wake_page_function":
            guard let outer = container(entry, "wait_page_queue", "wait"),
                let value = try? model.object(.structure, "wait_page_queue", at: outer),
                let page = try? value[value.has("folio") ? "folio" : "page"].pointer()
            else { return nil }
            return (.folio, page, .wait, nil)
        default:
            let lock =
                container(head, "completion", "wait.head").flatMap { _ in Optional<VirtualAddress>.none }
                ?? container(head, "wait_queue_head", "head")
            return lock.map { (.waitQueue, $0, .wait, nil) }
        }
    }
}

// What a sleeping task waits for: the waiter on its own stack, and the list that it is on.
//
// A task that waits for a lock has put a waiter on its stack: a structure that names the task and is linked into the lock's
// list. The innermost such structure on the live part of the stack, whose neighbours point back at it, is what the task
// waits for: no argument has to be recovered for that. The one node of the ring that is no waiter is the list's head within
// the lock.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// A kind of structure that names a waiting task.
struct WaiterShape {
    let type: String
    let member: String
    let task: UInt64
    let list: UInt64
    /// Entries of wait queues need not name a task: their function tells that they are entries.
    let function: UInt64?

    /// The types, the member that names the task, the one that is linked.
    private static let known: [(type: String, member: String, list: String)] = [
        ("mutex_waiter", "task", "list"), ("rwsem_waiter", "task", "list"), ("semaphore_waiter", "task", "list"),
        ("swait_queue", "task", "task_list"), ("wait_queue_entry", "private", "entry"),
    ]

    static func all(_ model: Target) -> [WaiterShape] {
        func offset(_ type: String, _ member: String) -> UInt64? {
            (try? model.types.lookup(.structure, type)).flatMap { $0 }.flatMap {
                (try? model.types.offset(ofPath: member, in: $0)).flatMap { $0 }
            }
        }
        return known.compactMap { type, member, list in
            guard let task = offset(type, member), let list = offset(type, list) else { return nil }
            return WaiterShape(
                type: type, member: member, task: task, list: list,
                function: type == "wait_queue_entry" ? offset(type, "func") ?? 16 : nil)
        }
    }
}

/// Reads live stacks and finds waiters.
final class StackWaiters: WaitSource {
    private let scene: WaitScene
    private let shapes: [WaiterShape]
    /// The list's head by each node that was passed on the way to it, nil where there is none: long queues are walked once,
    /// damaged ones as well.
    private var heads: [Seen: VirtualAddress?] = [:]

    /// A node, and how far from it the kind of waiter it was taken for names its task.
    private struct Seen: Hashable {
        let node: VirtualAddress
        let distance: UInt64
    }

    /// No lock has more waiters than there are tasks.
    private static let mostNodes = 1 << 20

    init(_ scene: WaitScene) {
        self.scene = scene
        shapes = WaiterShape.all(scene.kernel.model)
    }

    /// The innermost wait of a task that was switched out; nil when its stack has none.
    func wait(of task: Task) throws -> Wait? {
        guard scene.running[task.address] == nil, (try? task.state.letter) != "R",
            let stack = scene.stackBases[task.address], !stack.isNull
        else { return nil }
        let kernel = scene.kernel
        let start = try kernel.architecture.switchedOut(task).registers[kernel.model.machine.layout.stackPointer]
        guard let start, VirtualAddress(start).distance(from: stack) < scene.stackSize else { return nil }
        let count = Int(clamping: stack.advanced(by: scene.stackSize).distance(from: VirtualAddress(start)))
        let bytes = try kernel.model.space.read(VirtualAddress(start), count: count & ~7)
        for index in Self.places(of: task.address.rawValue, in: bytes) {
            let place = VirtualAddress(start).advanced(by: UInt64(index) &* 8)
            for shape in shapes {
                let node = place.advanced(by: shape.list &- shape.task)
                if let wait = wait(task, node) { return wait }
            }
        }
        return nil
    }

    /// The wait of a task that has a node on its stack. The words on both sides of the node may name the task, one of them by
    /// chance (a register that was saved there): the kinds that have more to show than a ring are asked first.
    private func wait(_ task: Task, _ node: VirtualAddress) -> Wait? {
        for shape in shapes {
            let waiter = node.advanced(by: 0 &- shape.list)
            guard shape.function != nil || isWaiter(waiter, shape) else { continue }
            if let wait = wait(task, shape, waiter) { return wait }
        }
        return nil
    }

    /// The words that have a value, innermost first.
    static func places(of value: UInt64, in bytes: ByteSlice) -> [Int] {
        bytes.withBytes { span in
            (0..<bytes.count / 8).filter { span.little($0 &* 8, as: UInt64.self) == value }
        }
    }

    private func wait(_ task: Task, _ shape: WaiterShape, _ waiter: VirtualAddress) -> Wait? {
        let space = scene.kernel.model.space
        let node = waiter.advanced(by: shape.list)
        guard let next = try? space.word(node), let back = try? space.word(node.advanced(by: UInt64(8))),
            next != node.rawValue, next & 7 == 0,
            (try? space.word(VirtualAddress(next).advanced(by: UInt64(8)))) == node.rawValue,
            (try? space.word(VirtualAddress(back))) == node.rawValue,
            shape.function == nil || isWaiter(waiter, shape), let head = head(from: node, shape)
        else { return nil }
        let site = WaiterSite(scene: scene, task: task, waiter: waiter, shape: shape, head: head)
        for lockClass in LockClass.all {
            guard let found = lockClass.recognise(site) else { continue }
            return Wait(
                task: task, lockClass: lockClass, lock: found.lock, mode: found.mode,
                proof: .waiter(waiter, type: shape.type, member: shape.member), since: scene.clock.sinceLastRun(task),
                holder: found.holder, name: found.name)
        }
        return nil
    }

    /// The node of the ring that is no waiter. Where links on the way to it disagree it is believed when both ways round
    /// lead there: then a processor was adding or taking out a waiter. A ring that was overwritten leads anywhere.
    private func head(from node: VirtualAddress, _ shape: WaiterShape) -> VirtualAddress? {
        // Backwards: a long queue is joined at its end, and the head is what the first in it points back at.
        let back = walk(from: node, shape, link: 8, counter: 0)
        var head = back.head
        if !back.agrees, head != nil, walk(from: node, shape, link: 0, counter: 8).head != head { head = nil }
        let distance = shape.task &- shape.list
        for place in back.passed { heads[Seen(node: place, distance: distance)] = .some(head) }
        return head
    }

    /// Follows one of the two links of the nodes up to one that is no waiter. `agrees`: each node that was come to points
    /// back at the one before.
    private func walk(from node: VirtualAddress, _ shape: WaiterShape, link: UInt64, counter: UInt64)
        -> (head: VirtualAddress?, agrees: Bool, passed: [VirtualAddress])
    {
        let space = scene.kernel.model.space
        let distance = shape.task &- shape.list
        var here = node
        var passed = [node]
        var agrees = true
        while passed.count < Self.mostNodes {
            if let known = heads[Seen(node: here, distance: distance)] { return (known, agrees, passed) }
            guard let next = try? space.word(here.advanced(by: link)) else { break }
            if (try? space.word(VirtualAddress(next).advanced(by: counter))) != here.rawValue { agrees = false }
            here = VirtualAddress(next)
            if here == node { break }
            if !isWaiter(here.advanced(by: 0 &- shape.list), shape) { return (here, agrees, passed) }
            passed.append(here)
        }
        return (nil, agrees, passed)
    }

    private func isWaiter(_ waiter: VirtualAddress, _ shape: WaiterShape) -> Bool {
        let space = scene.kernel.model.space
        if let offset = shape.function {
            guard let function = try? space.word(waiter.advanced(by: offset)) else { return false }
            return scene.text.contains(VirtualAddress(function))
        }
        guard let task = try? space.word(waiter.advanced(by: shape.task)),
            let stack = scene.stackBases[VirtualAddress(task)]
        else { return false }
        return waiter.distance(from: stack) < scene.stackSize
    }
}

// What a sleeping task waits for: the waiter on its own stack, and the list that it is on.
//
// A task that waits for a lock has put a waiter on its stack: a structure that names the task and is linked into the lock's
// list. The innermost such structure on the live part of the stack, whose neighbours point back at it, is what the task
// waits for: no argument has to be recovered for that. The one node of the ring that is no waiter is the list's head within
// the lock. Where the ring is of waiters alone (7.3: mutexes, rwsems, semaphores) the lock has a pointer to the first of
// them instead: see FirstWaiters.

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
    /// Where in its lock the pointer to the first waiter is; nil when the lock has a list's head.
    let first: UInt64?

    /// The types, the member that names the task, the one that is linked, the lock whose `first_waiter` may be of that type.
    private static let known: [(type: String, member: String, list: String, lock: String?)] = [
        ("mutex_waiter", "task", "list", "mutex"), ("rwsem_waiter", "task", "list", "rw_semaphore"),
        ("semaphore_waiter", "task", "list", "semaphore"), ("swait_queue", "task", "task_list", nil),
        ("wait_queue_entry", "private", "entry", nil),
    ]

    static func all(_ model: Target) -> [WaiterShape] {
        func offset(_ type: String, _ member: String) -> UInt64? {
            (try? model.types.lookup(.structure, type)).flatMap { $0 }.flatMap {
                (try? model.types.offset(ofPath: member, in: $0)).flatMap { $0 }
            }
        }
        return known.compactMap { type, member, list, lock in
            guard let task = offset(type, member), let list = offset(type, list) else { return nil }
            return WaiterShape(
                type: type, member: member, task: task, list: list,
                function: type == "wait_queue_entry" ? offset(type, "func") ?? 16 : nil,
                first: lock.flatMap { offset($0, "first_waiter") })
        }
    }
}

/// Reads live stacks and finds waiters.
final class StackWaiters: WaitSource {
    private let scene: WaitScene
    private let shapes: [WaiterShape]
    /// From the word that names a task to the node, of one shape or another.
    private let distances: [UInt64]
    private let firsts: FirstWaiters
    /// By shape, where the lock keeps its list, by each node that was passed on the way to it, nil where that was not found:
    /// long queues are walked once, damaged ones as well.
    private var places: [[VirtualAddress: VirtualAddress?]]

    /// No lock has more waiters than there are tasks.
    private static let mostNodes = 1 << 20

    init(_ scene: WaitScene) {
        self.scene = scene
        shapes = WaiterShape.all(scene.kernel.model)
        distances = shapes.map { $0.list &- $0.task }.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        firsts = FirstWaiters(scene)
        places = shapes.map { _ in [:] }
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
            for distance in distances {
                if let wait = wait(task, place.advanced(by: distance)) { return wait }
            }
        }
        return nil
    }

    /// The wait of a task that has a node on its stack. The words on both sides of the node may name the task, one of them by
    /// chance (a register that was saved there): the kinds that have more to show than a ring are asked first.
    private func wait(_ task: Task, _ node: VirtualAddress) -> Wait? {
        for (number, shape) in shapes.enumerated() {
            let waiter = node.advanced(by: 0 &- shape.list)
            guard shape.function != nil || isWaiter(waiter, shape) else { continue }
            if let wait = wait(task, number, waiter) { return wait }
        }
        return nil
    }

    /// The words that have a value, innermost first.
    static func places(of value: UInt64, in bytes: ByteSlice) -> [Int] {
        bytes.withBytes { span in
            (0..<bytes.count / 8).filter { span.little($0 &* 8, as: UInt64.self) == value }
        }
    }

    private func wait(_ task: Task, _ number: Int, _ waiter: VirtualAddress) -> Wait? {
        let shape = shapes[number]
        let space = scene.kernel.model.space
        let node = waiter.advanced(by: shape.list)
        guard let next = try? space.word(node), let back = try? space.word(node.advanced(by: UInt64(8))),
            // A ring of one has a head, or a lock that points at it.
            next != node.rawValue || shape.first != nil, next & 7 == 0,
            (try? space.word(VirtualAddress(next).advanced(by: UInt64(8)))) == node.rawValue,
            (try? space.word(VirtualAddress(back))) == node.rawValue,
            shape.function == nil || isWaiter(waiter, shape), let head = listPlace(from: node, task, number)
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

    /// Where the lock keeps its list: the node of the ring that is no waiter, or the pointer at one that is.
    ///
    /// A way on which links disagree is believed when the other way round leads to the same: then a processor was adding or
    /// taking out a waiter. A ring that was overwritten leads anywhere.
    private func listPlace(from node: VirtualAddress, _ task: Task, _ number: Int) -> VirtualAddress? {
        let shape = shapes[number]
        // Backwards: a long queue is joined at its end, and the head is what the first in it points back at.
        let back = walk(from: node, number, link: 8, counter: 0)
        var found: VirtualAddress?
        // What is found holds for all nodes between which the links agree.
        var alike = back.passed[..<back.agreed]
        switch back.end {
        case .place(let place) where back.agrees: found = place
        case .place, .nowhere:
            let forth = walk(from: node, number, link: 0, counter: 8)
            if case .place(let place) = forth.end, forth.agrees || forth.end == back.end { found = place }
        case .circle where back.agrees:
            found = firsts.place(of: back.passed.map { $0.advanced(by: 0 &- shape.list) }, task, shape)
            alike = back.passed[...]
        case .circle: break
        }
        for place in alike { places[number][place] = .some(found) }
        return found
    }

    private enum WalkEnd: Equatable {
        /// A node that is no waiter, or what was found out before.
        case place(VirtualAddress)
        /// All nodes of the ring are waiters.
        case circle
        case nowhere
    }

    /// Where following one of the two links of the nodes led.
    private struct Walked {
        var end = WalkEnd.nowhere
        /// The nodes that were come to.
        var passed: [VirtualAddress] = []
        /// How many of them were come to before two nodes disagreed about standing next to each other.
        var agreed = 0
        var agrees = true
    }

    private func walk(from node: VirtualAddress, _ number: Int, link: UInt64, counter: UInt64) -> Walked {
        let shape = shapes[number]
        let space = scene.kernel.model.space
        var here = node
        var walked = Walked()
        while walked.passed.count < Self.mostNodes {
            if let known = places[number][here] {
                walked.end = known.map { .place($0) } ?? .nowhere
                break
            }
            guard isWaiter(here.advanced(by: 0 &- shape.list), shape) else {
                // Of a ring without head all are waiters.
                if shape.first == nil, here != node { walked.end = .place(here) }
                break
            }
            walked.passed.append(here)
            if walked.agrees { walked.agreed = walked.passed.count }
            guard let next = try? space.word(here.advanced(by: link)) else { break }
            if (try? space.word(VirtualAddress(next).advanced(by: counter))) != here.rawValue { walked.agrees = false }
            here = VirtualAddress(next)
            if here == node {
                walked.end = .circle
                break
            }
        }
        return walked
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

// The lock of a ring of waiters that has no head.
//
// Since 7.3 at the latest `struct mutex`, `rw_semaphore` and `semaphore` have no list of waiters but `first_waiter`, a pointer
// at the first (include/linux/mutex_types.h, rwsem.h, semaphore.h): the waiters' nodes are a ring among themselves, and no
// waiter leads to the lock. The lock is looked for where it must be known, and known again by what it points at.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// Finds locks by the pointer that they have at the first of their waiters.
final class FirstWaiters {
    private let scene: WaitScene
    private let blockedOn: Bool
    private let blocker: Bool

    /// Whoever waits has the lock's address in his frames; the first few are asked.
    private static let mostStacks = 4

    init(_ scene: WaitScene) {
        self.scene = scene
        let model = scene.kernel.model
        blockedOn = model.offset(of: "blocked_on", in: "task_struct") != nil
        blocker = model.offset(of: "blocker", in: "task_struct") != nil
    }

    /// The place of the `first_waiter` that points at one of these waiters, all that are on the ring.
    /// Complexity: linear in the ring and in the live stacks of a few that are on it.
    func place(of waiters: [VirtualAddress], _ task: Task, _ shape: WaiterShape) -> VirtualAddress? {
        guard let offset = shape.first, !waiters.isEmpty else { return nil }
        let space = scene.kernel.model.space
        var stacks = waiters.prefix(Self.mostStacks).compactMap { waiter in
            (try? space.word(waiter.advanced(by: shape.task))).map { VirtualAddress($0) }
        }
        if !stacks.contains(task.address) { stacks.append(task.address) }
        let ring = FirstWaiterRing(
            waiters: Set(waiters), offset: offset,
            stacks: stacks.compactMap { scene.stackBases[$0] }.map { $0...$0.advanced(by: scene.stackSize - 1) })
        // What the task itself says that it is blocked on: for proxy execution a mutex, for the hung-task detector's
        // report any, with its kind in the low bits (include/linux/hung_task.h).
        let told = [blockedOn ? "blocked_on" : nil, blocker ? "blocker" : nil].compactMap { $0 }.compactMap { name in
            (try? task.value.member(name).unsigned()).map { $0 & ~3 }
        }
        if let found = ring.place(among: told, in: space) { return found }
        for address in stacks {
            guard let base = scene.stackBases[address], let words = liveWords(of: address, base) else { continue }
            if let found = ring.place(among: words, in: space) { return found }
        }
        return nil
    }

    /// The words of the live part of a stack, innermost first.
    private func liveWords(of address: VirtualAddress, _ base: VirtualAddress) -> [UInt64]? {
        let kernel = scene.kernel
        guard let value = try? kernel.model.object(.structure, "task_struct", at: address),
            let start = try? kernel.architecture.switchedOut(Task(value)).registers[
                kernel.model.machine.layout.stackPointer],
            VirtualAddress(start).distance(from: base) < scene.stackSize
        else { return nil }
        let count = Int(clamping: base.advanced(by: scene.stackSize).distance(from: VirtualAddress(start)))
        return (try? kernel.model.space.read(VirtualAddress(start), count: count & ~7))?.withBytes { span in
            (0..<count / 8).compactMap { span.little($0 &* 8, as: UInt64.self) }
        }
    }
}

/// A ring of waiters, as it is known by the lock that points at one of them.
struct FirstWaiterRing {
    let waiters: Set<VirtualAddress>
    /// From the lock to its pointer.
    let offset: UInt64
    /// The stacks of those who wait: no lock that is waited for lies there, but pointers at waiters do.
    let stacks: [ClosedRange<VirtualAddress>]

    /// The place of the pointer in the first word that is the address of such a lock.
    func place(among words: some Sequence<UInt64>, in space: AddressSpace) -> VirtualAddress? {
        for word in words where word & 7 == 0 && word >> 63 == 1 {
            let lock = VirtualAddress(word)
            guard !stacks.contains(where: { $0.contains(lock) }) else { continue }
            let place = lock.advanced(by: offset)
            if let first = try? space.word(place), waiters.contains(VirtualAddress(first)) { return place }
        }
        return nil
    }
}

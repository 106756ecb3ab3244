// A waiter that was found on a stack, as the kinds of locks are asked whether it is theirs.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
internal import Unwind

final class WaiterSite {
    let scene: WaitScene
    let task: Task
    let waiter: VirtualAddress
    let shape: WaiterShape
    /// The list's head within the lock.
    let head: VirtualAddress

    init(scene: WaitScene, task: Task, waiter: VirtualAddress, shape: WaiterShape, head: VirtualAddress) {
        self.scene = scene
        self.task = task
        self.waiter = waiter
        self.shape = shape
        self.head = head
    }

    /// The function in whose frame the waiter lies; nil when no symbol covers it.
    private(set) lazy var function: String? = {
        guard let stack = try? scene.stacks.stack(of: task) else { return nil }
        let model = scene.kernel.model
        let pointer = model.machine.layout.stackPointer
        let frame = stack.stack.frames.last { frame in
            frame.registers[pointer].map { VirtualAddress($0) <= waiter } ?? false
        }
        return frame.flatMap { model.symbols.symbol(covering: $0.lookupAddress)?.name }
    }()

    var isNamed: Bool { function != nil }

    /// The function that wakes the waiter of a wait queue.
    private(set) lazy var wakeFunction: String? = {
        let model = scene.kernel.model
        guard let offset = shape.function, let place = try? model.space.word(waiter.advanced(by: offset)) else {
            return nil
        }
        return model.symbols.symbol(covering: VirtualAddress(place))?.name
    }()

    /// What has the list's head as its member.
    func container(_ type: String, _ path: String) -> VirtualAddress? { base(head, type, path) }

    /// What has the waiter as its member.
    func enclosing(_ type: String, _ path: String) -> VirtualAddress? { base(waiter, type, path) }

    private func base(_ place: VirtualAddress, _ type: String, _ path: String) -> VirtualAddress? {
        let types = scene.kernel.model.types
        guard let id = (try? types.lookup(.structure, type)).flatMap({ $0 }),
            let offset = (try? types.offset(ofPath: path, in: id)).flatMap({ $0 })
        else { return nil }
        return place.advanced(by: 0 &- offset)
    }

    /// The lock of a type that has the list's head. The waiters of mutexes, rwsems and semaphores look alike: the function
    /// that has the waiter in its frame tells them apart; without a name for that, the lock's own words have to.
    func sleepingLock(
        _ type: String, _ path: String, waiter: String, isNamed: (String) -> Bool
    ) -> VirtualAddress? {
        guard shape.type == waiter, function.map(isNamed) ?? true else { return nil }
        return container(type, path)
    }

    func fields(_ type: String, _ address: VirtualAddress) -> LockFields {
        LockFields(kernel: scene.kernel, typeName: type, address: address) { [scene] in scene.stackBases[$0] != nil }
    }

    /// The lock's own word names a task.
    func isOwned(_ className: String, _ lock: VirtualAddress) -> Bool {
        guard let lockClass = LockClass(named: className) else { return false }
        let state = lockClass.read(fields(lockClass.typeName ?? "", lock))
        if case .task = state.owner { return true }
        return false
    }
}

// A waiter that was found on a stack, as the kinds of locks are asked whether it is theirs.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

final class WaiterSite {
    let scene: WaitScene
    let task: Task
    let waiter: VirtualAddress
    let shape: WaiterShape
    /// Within the lock: the list's head, or the pointer at the first waiter.
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

    /// The functions that called the one in whose frame the waiter lies, nearest first; at most some.
    private(set) lazy var callers: [String] = {
        guard let stack = try? scene.stacks.stack(of: task) else { return [] }
        let model = scene.kernel.model
        let pointer = model.machine.layout.stackPointer
        return stack.stack.frames.filter { frame in
            frame.registers[pointer].map { VirtualAddress($0) > waiter } ?? false
        }.prefix(6).map { model.symbols.symbol(covering: $0.lookupAddress)?.name ?? "?" }
    }()

    /// An argument of one of these functions on the task's stack, as it was when the function was entered.
    func argument(_ number: Int, of names: Set<String>) -> VirtualAddress? {
        scene.argument(number, of: names, task)
    }

    /// The function of the first waiter that was found in the list: the others wait for the same lock.
    var listFunction: String? {
        if let known = scene.functions[head] { return known }
        if let function { scene.functions[head] = function }
        return function
    }

    var isNamed: Bool { listFunction != nil }

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
        scene.kernel.model.offset(of: path, in: type).map { place.advanced(by: 0 &- $0) }
    }

    /// The lock of a type that has the list's head, or the pointer at its first. The waiters of mutexes, rwsems and semaphores look alike: the function
    /// that has the waiter in its frame tells them apart; without a name for that, the lock's own words have to.
    func sleepingLock(
        _ type: String, waiter: String, isNamed: (String) -> Bool
    ) -> VirtualAddress? {
        guard shape.type == waiter, listFunction.map(isNamed) ?? true else { return nil }
        return container(type, shape.first == nil ? "wait_list" : "first_waiter")
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

extension WaitScene {
    /// An argument of the innermost of these functions on a task's stack, as it was when the function was entered. A compiler's
    /// clone of one (`f.part.0`) stands for it: most keep the order of the parameters, and who asks looks at what is there.
    /// `width`: in bytes; what is above them does not count.
    func argument(_ number: Int, of names: Set<String>, _ task: Task, width: Int = 8) -> VirtualAddress? {
        guard let stack = try? stacks.stack(of: task) else { return nil }
        let arguments = kernel.model.machine.layout.arguments
        guard arguments.indices.contains(number),
            let index = stack.stack.frames.firstIndex(where: { frame in
                SpinFunctions.name(frame, kernel).map { names.contains($0) } ?? false
            }),
            let value = kernel.recover(stack).registerAtEntry(arguments[number], of: index),
            case .number(let address, width: let known) = value.content, known >= width
        else { return nil }
        return VirtualAddress(width < 8 ? address & ((1 << UInt64(8 * width)) - 1) : address)
    }
}

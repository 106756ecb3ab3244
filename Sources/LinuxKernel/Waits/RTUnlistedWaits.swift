// Tasks that wait for a lock made of an rt_mutex (PREEMPT_RT) and are on no list: writers who have the rt_mutex already and
// wait until the readers have gone (kernel/locking/rwbase_rt.c); and those whom the lock has found to wait for themselves,
// which it lets sleep for ever (rt_mutex_handle_deadlock, kernel/locking/rtmutex.c).

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

struct RTUnlistedWaits: WaitSource {
    private let scene: WaitScene
    private let kinds: RTLockKinds

    /// The innermost words of a stack, among which the functions of a lock have to be.
    private static let words = 96

    init(_ scene: WaitScene) {
        self.scene = scene
        kinds = RTLockKinds(scene.kernel.model)
    }

    func wait(of task: Task) throws -> Wait? {
        guard kinds.isAny, scene.running[task.address] == nil, let state = try? task.state,
            ["S", "D"].contains(state.letter), (try? task.value["pi_blocked_on"].pointer().isNull) == true,
            isInLock(task), let stack = try? scene.stacks.stack(of: task)
        else { return nil }
        let isSpinning = state.waitsForRTLock
        for (index, frame) in stack.stack.frames.enumerated() {
            guard let name = SpinFunctions.name(frame, scene.kernel) else { return nil }
            guard let found = kinds.kind(name, isSpinning: isSpinning) else {
                if RTLockKinds.isWithin(name) { continue }
                return nil
            }
            let argument = scene.kernel.model.machine.layout.arguments.first
            guard found.kind.lockClass != .futex, let argument,
                let value = scene.kernel.recover(stack).registerAtEntry(argument, of: index),
                case .number(let number, width: 8) = value.content
            else { continue }
            return wait(task, found.kind.lockClass, found.mode, VirtualAddress(number), name)
        }
        return nil
    }

    /// The lock has to say that it is taken: by readers for whom the task waits that has its rt_mutex, or by a task.
    private func wait(
        _ task: Task, _ lockClass: LockClass, _ mode: WaitMode, _ address: VirtualAddress, _ function: String
    ) -> Wait? {
        let fields = LockFields(
            kernel: scene.kernel, typeName: lockClass.typeName(in: scene.kernel), address: address
        ) { [scene] in scene.stackBases[$0] != nil }
        let state = lockClass.read(fields)
        switch state.owner {
        case .readers:
            let inner = LockFields(model: scene.kernel.model, typeName: "rwbase_rt", address: address) { _ in true }
            guard inner.word("rtmutex", "owner").map({ $0 & ~1 }) == task.address.rawValue else { return nil }
        case .task: break
        default: return nil
        }
        let pid = (try? task.pid).map { "\($0)" } ?? ""
        return Wait(
            task: task, lockClass: lockClass, lock: address, mode: mode,
            proof: .shown(command: "bt -N \(pid)", text: function), since: scene.clock.sinceLastRun(task), holder: nil)
    }

    /// A function of these locks is among the innermost ones on the task's stack: those of all tasks need not be unwound.
    private func isInLock(_ task: Task) -> Bool {
        let model = scene.kernel.model
        let saved = try? scene.kernel.architecture.switchedOut(task).registers
        guard let stack = scene.stackBases[task.address], let start = saved?[model.machine.layout.stackPointer],
            case let above = stack.advanced(by: scene.stackSize).distance(from: VirtualAddress(start)),
            above <= scene.stackSize,
            let bytes = try? model.space.read(
                VirtualAddress(start), count: min(Self.words &* 8, Int(clamping: above & ~7)))
        else { return false }
        return bytes.withBytes { span in
            (0..<bytes.count / 8).contains { index in
                guard let word = span.little(index &* 8, as: UInt64.self).map({ VirtualAddress($0) }) else {
                    return false
                }
                guard scene.text.contains(word), let name = model.symbols.symbol(covering: word)?.name else {
                    return false
                }
                return RTLockKinds.isOwn(name) || kinds.kind(name, isSpinning: false) != nil
            }
        }
    }
}

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
        let frames = stack.stack.frames
        let recovered = scene.kernel.recover(stack)
        for (index, frame) in frames.enumerated() {
            guard let name = SpinFunctions.name(frame, scene.kernel) else { return nil }
            if let found = kinds.kind(name, isSpinning: isSpinning) {
                guard let lock = argument(recovered, index) else { continue }
                return wait(task, found.kind.lockClass, found.mode, lock, name)
            }
            guard RTLockKinds.isWithin(name), frames.indices.contains(index + 1) else { return nil }
            // Who jumped on at his end has left no frame: the one that he jumped to was given the rt_mutex.
            let jumped = recovered.jumps(index).lazy.compactMap { jump in
                self.scene.kernel.model.symbols.symbol(covering: jump).flatMap { symbol in
                    self.kinds.kind(symbol.name, isSpinning: isSpinning).map { (found: $0, name: symbol.name) }
                }
            }.first
            guard let jumped else { continue }
            let inner = (0...index).reversed().lazy.compactMap { number -> VirtualAddress? in
                let isOwn = SpinFunctions.name(frames[number], self.scene.kernel).map { RTLockKinds.isOwn($0) }
                return isOwn == true ? self.argument(recovered, number) : nil
            }.first
            guard let inner else { return nil }
            return wait(
                task, jumped.found.kind.lockClass, jumped.found.mode,
                inner.advanced(by: 0 &- jumped.found.kind.offset), name)
        }
        return nil
    }

    /// The first argument that a function was given.
    private func argument(_ recovered: StackRecovery, _ index: Int) -> VirtualAddress? {
        guard let register = scene.kernel.model.machine.layout.arguments.first,
            let value = recovered.registerAtEntry(register, of: index),
            case .number(let number, width: 8) = value.content
        else { return nil }
        return VirtualAddress(number)
    }

    /// The lock has to say that it is taken: by readers for whom the task waits that has its rt_mutex, or by a task.
    private func wait(
        _ task: Task, _ lockClass: LockClass, _ mode: WaitMode, _ address: VirtualAddress, _ function: String
    ) -> Wait? {
        let fields = LockFields(
            kernel: scene.kernel, typeName: lockClass.typeName(in: scene.kernel), address: address
        ) { [scene] in scene.stackBases[$0] != nil }
        let state = lockClass.read(fields)
        // The rt_mutex of a futex may lie within, but that waits elsewhere.
        guard lockClass != .futex else { return nil }
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

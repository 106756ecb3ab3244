// What a CPU spins for: the function on its stack that does nothing but wait for a lock, and the lock that it was given.
//
// Who spins is on no list. The stack of the CPU tells: below any interrupt stands a function that only waits for a lock, and
// its first argument is the lock. It is believed when the lock's own word says that it is taken. A reader of a sequence
// counter waits in a loop of its own, for a word that is odd.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

final class SpinWaits: WaitSource {
    private let scene: WaitScene

    init(_ scene: WaitScene) { self.scene = scene }

    /// What the task on a CPU spins for, or code that interrupted it.
    func wait(of task: Task) throws -> Wait? {
        guard let cpu = scene.running[task.address] else { return nil }
        let kernel = scene.kernel
        guard kernel.state(of: cpu) != nil else {
            throw ValueError.absent("it runs on CPU \(cpu.number), of which the dump has no registers")
        }
        let stack = try scene.stacks.stack(of: task).stack
        let names = stack.frames.map { SpinFunctions.name($0, kernel) }
        var words: [UInt64: UInt64] = [:]
        for offset in kernel.currentTaskOffsets { words[offset] = task.address.rawValue }
        let recovered = kernel.recovery.stack(stack, perCPU: words)
        for index in stack.frames.indices {
            let frame = stack.frames[index]
            if let function = names[index], SpinFunctions.waiting[function] != nil {
                guard let found = spun(names, index, recovered, task) else { continue }
                return Wait(
                    task: task, lockClass: found.lockClass, lock: found.lock, mode: found.mode,
                    proof: .shown(command: "bt -c \(cpu.number)", text: "0x\(hex(found.lock.rawValue))"), since: nil,
                    holder: nil, place: place(stack, names, index))
            }
            if let function = names[index], let found = watched(function, names, index, recovered, task) {
                return Wait(
                    task: task, lockClass: found.lockClass, lock: found.lock, mode: .write,
                    proof: .shown(command: "bt -N -c \(cpu.number)", text: function), since: nil, holder: nil,
                    place: place(stack, names, index, found.lockClass.machinery))
            }
            guard !frame.isReturnAddress, let word = recovered.polledWord(inFrame: index) else { continue }
            if let claim = word.claim, isSet(claim) {
                return Wait(
                    task: task, lockClass: .bitSpinlock, lock: claim.word, mode: .write,
                    proof: .shown(command: "bt -N -c \(cpu.number)", text: names[index] ?? ""), since: nil,
                    holder: nil, place: frame.lookupAddress)
            }
            if isSequence(word) {
                return Wait(
                    task: task, lockClass: .seqcount, lock: word.address, mode: .read,
                    proof: .shown(command: "bt -N -c \(cpu.number)", text: names[index] ?? ""), since: nil,
                    holder: nil, place: frame.lookupAddress)
            }
        }
        return nil
    }

    /// The lock that the function of frame `first` was given. A rwlock's waiters queue by a spinlock within: the function
    /// around tells that; and where the argument is lost, the function around was given the same.
    private func spun(
        _ names: [String?], _ first: Int, _ recovered: StackRecovery, _ task: Task
    ) -> (lockClass: LockClass, mode: WaitMode, lock: VirtualAddress)? {
        guard let argument = scene.kernel.model.machine.layout.arguments.first else { return nil }
        var indices = [first]
        while let next = indices.last.map({ $0 + 1 }), next < names.count,
            let name = names[next], SpinFunctions.isMachinery(name)
        {
            indices.append(next)
        }
        let shared = indices.first { names[$0].flatMap { SpinFunctions.waiting[$0]?.lockClass } == .rwlock }
        for index in shared.map({ place in indices.filter { $0 >= place } }) ?? indices {
            guard let name = names[index], let kind = SpinFunctions.waiting[name] ?? SpinFunctions.taking(name),
                let value = recovered.registerAtEntry(argument, of: index),
                case .number(let number, width: 8) = value.content
            else { continue }
            let lock = VirtualAddress(number)
            guard isTaken(kind.lockClass, lock) else { continue }
            return (kind.lockClass, kind.mode, lock)
        }
        return nil
    }

    private func isTaken(_ lockClass: LockClass, _ lock: VirtualAddress) -> Bool {
        state(lockClass, lock).word.map { $0.value != 0 } ?? false
    }

    private func state(_ lockClass: LockClass, _ lock: VirtualAddress) -> LockState {
        lockClass.read(
            LockFields(kernel: scene.kernel, typeName: lockClass.typeName, address: lock) { [scene] in
                scene.stackBases[$0] != nil
            })
    }

    /// The sleeping lock whose holder is watched while he runs (kernel/locking/mutex.c, rwsem.c): somebody else must have
    /// it. Those who come later queue by the lock's own `osq`.
    private func watched(
        _ function: String, _ names: [String?], _ index: Int, _ recovered: StackRecovery, _ task: Task
    ) -> (lockClass: LockClass, lock: VirtualAddress)? {
        guard let argument = scene.kernel.model.machine.layout.arguments.first else { return nil }
        var kind = SpinFunctions.watching[function]
        var offset: UInt64 = 0
        if function == "osq_lock" {
            let outer = names.dropFirst(index + 1).first.flatMap { $0 } ?? ""
            let isSemaphore = outer.contains("rwsem") || outer.hasPrefix("down_")
            kind = isSemaphore ? .rwsem : .mutex
            guard let own = scene.kernel.model.offset(of: "osq", in: isSemaphore ? "rw_semaphore" : "mutex") else {
                return nil
            }
            offset = own
        }
        guard let lockClass = kind, let value = recovered.registerAtEntry(argument, of: index),
            case .number(let number, width: 8) = value.content
        else { return nil }
        let lock = VirtualAddress(number &- offset)
        switch state(lockClass, lock).owner {
        // Nobody watches who does not run. A word that names no task is more likely one of memory that is no lock any more,
        // in a function that faulted on it.
        case .task(let owner): return owner != task.address && scene.running[owner] != nil ? (lockClass, lock) : nil
        case .readers, .somebody: return (lockClass, lock)
        case .gone, .free, .last, .unknown: return nil
        }
    }

    private func isSet(_ claim: (word: VirtualAddress, bit: Int)) -> Bool {
        ((try? scene.kernel.model.space.word(claim.word)) ?? 0) >> UInt64(claim.bit) & 1 == 1
    }

    /// Where the function stands that wants the lock.
    private func place(
        _ stack: Stack, _ names: [String?], _ first: Int, _ machinery: [String] = []
    ) -> VirtualAddress? {
        let outer = stack.frames.indices[(first + 1)...].first { index in
            !(names[index].map { name in
                SpinFunctions.isWrapper(name) || machinery.contains { name.hasPrefix($0) }
            } ?? false)
        }
        return outer.map { stack.frames[$0].lookupAddress }
    }

    /// A loop that waits for another CPU's answer looks at an odd word as well: only a reader uses it later.
    private func isSequence(_ word: PolledWord) -> Bool {
        guard word.size == 4 || word.size == 8 || word.size == 1, word.mask.map({ $0 == 1 }) ?? false,
            let value = try? scene.kernel.model.space.unsigned(word.address, size: 4), value & 1 == 1
        else { return false }
        if word.isUsedLater { return true }
        let target = scene.kernel.target
        return word.loop.contains { place in
            ((try? target.functions(at: place)) ?? []).contains {
                $0.name.contains("seqprop") || $0.name.contains("read_seq")
            }
        }
    }
}

/// The functions in which CPUs wait for locks.
enum SpinFunctions {
    struct Spin {
        let lockClass: LockClass
        let mode: WaitMode
    }

    /// Those that do nothing else (kernel/locking/qspinlock.c, qrwlock.c).
    static let waiting: [String: Spin] = [
        "queued_spin_lock_slowpath": Spin(lockClass: .spinlock, mode: .write),
        "native_queued_spin_lock_slowpath": Spin(lockClass: .spinlock, mode: .write),
        "__pv_queued_spin_lock_slowpath": Spin(lockClass: .spinlock, mode: .write),
        "queued_read_lock_slowpath": Spin(lockClass: .rwlock, mode: .read),
        "queued_write_lock_slowpath": Spin(lockClass: .rwlock, mode: .write),
    ]

    /// Those in which a CPU waits for a lock that sleepers wait for too, for as long as its holder runs.
    static let watching: [String: LockClass] = [
        "mutex_spin_on_owner": .mutex, "mutex_optimistic_spin": .mutex, "__mutex_lock": .mutex,
        "__ww_mutex_lock": .mutex,
        "rtmutex_spin_on_owner": .rtMutex, "rwsem_spin_on_owner": .rwsem, "rwsem_optimistic_spin": .rwsem,
        "rwsem_down_write_slowpath": .rwsem,
    ]

    /// Those that take a lock and call the ones that wait.
    static func taking(_ name: String) -> Spin? {
        if name.hasPrefix("_raw_spin_lock") || name.hasPrefix("do_raw_spin_lock") {
            return waiting["queued_spin_lock_slowpath"]
        }
        if name.hasPrefix("_raw_read_lock") || name.hasPrefix("do_raw_read_lock") {
            return waiting["queued_read_lock_slowpath"]
        }
        if name.hasPrefix("_raw_write_lock") || name.hasPrefix("do_raw_write_lock") {
            return waiting["queued_write_lock_slowpath"]
        }
        return nil
    }

    /// Of the lock, or of the scheduler around a run queue's lock (kernel/sched/sched.h).
    static func isWrapper(_ name: String) -> Bool {
        isMachinery(name) || name.contains("raw_spin_rq_lock")
    }

    static func isMachinery(_ name: String) -> Bool { waiting[name] != nil || taking(name) != nil }

    /// Of the function that covers a frame, without what compilers append.
    static func name(_ frame: Frame, _ kernel: LinuxKernel) -> String? {
        kernel.model.symbols.symbol(covering: frame.lookupAddress).map { String($0.name.prefix { $0 != "." }) }
    }
}

// Writers that wait for the readers of a rwsem or rwlock made of an rt_mutex (PREEMPT_RT): they have the rt_mutex already,
// are on no list, and sleep until the last reader wakes them (kernel/locking/rwbase_rt.c).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

struct RTWriterWaits: WaitSource {
    private let scene: WaitScene
    private let isAny: Bool

    private static let functions: Set<String> = [
        "rwbase_write_lock", "down_write", "down_write_killable", "down_write_nested", "down_write_killable_nested",
        "_down_write_nest_lock", "rt_write_lock", "rt_write_lock_nested",
    ]

    init(_ scene: WaitScene) {
        self.scene = scene
        isAny = scene.kernel.model.offset(of: "rtmutex.owner", in: "rwbase_rt") != nil
    }

    func wait(of task: Task) throws -> Wait? {
        guard isAny, let state = try? task.state, state.isUninterruptible, scene.running[task.address] == nil,
            // Of both kinds of lock it is the first member.
            let lock = scene.argument(0, of: Self.functions, task)
        else { return nil }
        let fields = LockFields(kernel: scene.kernel, typeName: "rwbase_rt", address: lock) { [scene] in
            scene.stackBases[$0] != nil
        }
        guard let owner = fields.word("rtmutex", "owner"), owner & ~1 == task.address.rawValue,
            let count = fields.word("readers", "counter").map({ $0 & 0xffff_ffff }),
            (1..<RWBase.writer).contains(count)
        else { return nil }
        return Wait(
            task: task, lockClass: state.run & 0x1000 != 0 ? .rtRWLock : .rwsem, lock: lock, mode: .write,
            proof: .shown(
                command: "print -x (unsigned long)((struct rwbase_rt*)0x\(hex(lock.rawValue)))->rtmutex.owner",
                text: hex(owner)),
            since: scene.clock.sinceLastRun(task), holder: nil)
    }
}

// Writers that wait for the readers of a percpu_rw_semaphore: they are on no list, but the semaphore names them.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// `percpu_down_write` keeps new readers out and then waits until the old ones have gone, with itself as the semaphore's
/// `writer` (kernel/locking/percpu-rwsem.c).
struct WriterWaits: WaitSource {
    private let scene: WaitScene
    private let writer: UInt64?

    init(_ scene: WaitScene) {
        self.scene = scene
        writer = scene.kernel.model.offset(of: "writer.task", in: "percpu_rw_semaphore")
    }

    func wait(of task: Task) throws -> Wait? {
        guard let writer, (try? task.state.isUninterruptible) == true, scene.running[task.address] == nil,
            let lock = scene.argument(0, of: ["percpu_down_write"], task),
            (try? scene.kernel.model.space.word(lock.advanced(by: writer))) == task.address.rawValue
        else { return nil }
        let member = "((struct percpu_rw_semaphore*)0x\(hex(lock.rawValue)))->writer.task"
        return Wait(
            task: task, lockClass: .percpuRWSem, lock: lock, mode: .write,
            proof: .shown(
                command: "print -x (unsigned long)\(member)", text: hex(task.address.rawValue)),
            since: scene.clock.sinceLastRun(task), holder: nil)
    }
}

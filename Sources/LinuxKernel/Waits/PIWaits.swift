// Waits for rt_mutexes: `task.pi_blocked_on` leads to the waiter, which names its lock.

internal import Bytes
internal import DebugModel
internal import Target

struct PIWaits: WaitSource {
    private let scene: WaitScene

    init(_ scene: WaitScene) { self.scene = scene }

    func wait(of task: Task) throws -> Wait? {
        guard let waiter = try? task.value["pi_blocked_on"], let address = try? waiter.pointer(), !address.isNull,
            let lock = try? waiter["lock"].pointer(), !lock.isNull,
            (try? waiter["task"].pointer()) == task.address
        else { return nil }
        return Wait(
            task: task, lockClass: .rtMutex, lock: lock, mode: .write,
            proof: .waiter(address, type: "rt_mutex_waiter", member: "task"), since: scene.clock.sinceLastRun(task),
            holder: nil)
    }
}

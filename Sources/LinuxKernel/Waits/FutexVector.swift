// A wait for any of several futexes (`futex_waitv`, kernel/futex/waitwake.c): theirs are not on the stack.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// The first futex of a wait, and how many there are.
struct FutexVector {
    /// The `struct futex_q`.
    let queued: VirtualAddress
    let value: Value
    /// As the program gave it; nil of a wait for one futex, whose system call tells.
    let address: UInt64?
    let count: Int

    init(queued: VirtualAddress, value: Value) {
        self.queued = queued
        self.value = value
        address = nil
        count = 1
    }

    /// `FUTEX_WAITV_MAX` is 128 (include/uapi/linux/futex.h).
    private static let most: UInt64 = 128

    /// The futexes that the function was given which waits for several; nil when the task stands in none, or when they do
    /// not name it.
    init?(_ scene: WaitScene, _ task: Task, isQueued: (VirtualAddress) -> Value?) {
        let model = scene.kernel.model
        let functions: Set<String> = ["futex_wait_multiple"]
        guard let vector = scene.argument(0, of: functions, task),
            let count = scene.argument(1, of: functions, task, width: 4)?.rawValue, count > 0, count <= Self.most,
            let inner = model.offset(of: "q", in: "futex_vector"),
            let given = model.offset(of: "w.uaddr", in: "futex_vector"),
            let value = isQueued(vector.advanced(by: inner)),
            (try? value["task"].pointer()) == task.address,
            let address = try? model.space.word(vector.advanced(by: given))
        else { return nil }
        queued = vector.advanced(by: inner)
        self.value = value
        self.address = address
        self.count = Int(count)
    }
}

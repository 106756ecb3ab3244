// Waits for a thread to end, to park, or to leave its parent's memory alone: nobody but that thread can end them.

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    /// A task that has to do something.
    package static let task = LockClass(
        "task", type: "task_struct", .event,
        machinery: ["kthread_stop", "kthread_park", "wait_for_vfork_done"],
        recognise: { site in
            guard let completion = site.completion, let end = site.scene.ends.of(completion) else { return nil }
            return WaitedFor(
                end.task, .wait,
                holder: Holder(task: end.task, relation: .obliged, grade: .exact, because: end.because))
        })
}

/// The completions by which tasks say that they have ended or parked.
struct TaskEnds {
    struct End {
        let task: VirtualAddress
        let because: String
    }

    private var byCompletion: [VirtualAddress: End] = [:]

    /// `task_struct.vfork_done` is completed when the task exits or begins another program; a kernel thread's is its own
    /// `kthread.exited` (kernel/kthread.c). Complexity: reads two words of each task.
    init(_ model: Target, _ tasks: some Sequence<VirtualAddress>) {
        let parked = model.offset(of: "parked", in: "kthread")
        for address in tasks {
            guard let value = try? model.object(.structure, "task_struct", at: address) else { continue }
            let isThread = (try? Task(value).isKernelThread) == true
            if let done = try? value["vfork_done"].pointer(), !done.isNull {
                byCompletion[done] = End(
                    task: address, because: isThread ? "has to exit" : "has to exit or begin another program")
            }
            // `worker_private` since 5.17, `set_child_tid` before.
            let member = value.has("worker_private") ? "worker_private" : "set_child_tid"
            if isThread, let parked, let own = try? value[member].pointer(), !own.isNull {
                byCompletion[own.advanced(by: parked)] = End(task: address, because: "has to park")
            }
        }
    }

    /// Whose end a completion stands for; nil when it is none's.
    func of(_ completion: VirtualAddress) -> End? { byCompletion[completion] }
}

// struct completion (include/linux/completion.h), and the work that a barrier's completion stands for.

internal import Bytes
internal import Target
extension LockClass {
    package static let completion = LockClass(
        "completion", type: "completion", .event,
        machinery: ["wait_for_completion", "__wait_for", "wait_for_common", "do_wait_for_common"],
        recognise: { site in site.completion.map { WaitedFor($0, .wait) } })

    /// `flush_work` puts a barrier behind the work and waits for the barrier's completion (kernel/workqueue.c).
    package static let work = LockClass(
        "work", type: "work_struct", .work, machinery: ["__flush_work", "flush_work"],
        recognise: { site in
            guard let completion = site.completion, let running = site.scene.workers.worker(ofBarrier: completion)
            else { return nil }
            return WaitedFor(
                running.work, .wait,
                holder: Holder(
                    task: running.task, relation: .runs, grade: .exact, because: "worker that runs it"))
        })
}

extension WaiterSite {
    /// The completion that is waited for. Completions have had swait queues since 5.7 (a5c6234e1028), wait queues before;
    /// others wait on those too, so the function that has the waiter in its frame must be one that waits for completions.
    fileprivate var completion: VirtualAddress? {
        guard function?.contains("wait_for_co") == true else { return nil }
        switch shape.type {
        case "swait_queue": return container("completion", "wait.task_list")
        case "wait_queue_entry": return container("completion", "wait.head")
        default: return nil
        }
    }
}

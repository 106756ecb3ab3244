// struct completion (include/linux/completion.h).

internal import Bytes
internal import Target
extension LockClass {
    package static let completion = LockClass(
        "completion", type: "completion", .event,
        calls: LockCalls(signals: [
            "complete", "complete_all", "complete_on_current_cpu", "complete_and_exit", "kthread_complete_and_exit",
        ]),
        machinery: ["wait_for_completion", "__wait_for", "wait_for_common", "do_wait_for_common"],
        read: { fields in
            guard let done = fields.word("done") else { return LockState() }
            // UINT_MAX / 2 and more stand for complete_all().
            return LockState(
                owner: done == 0 ? .unknown : .free, word: ("done", done),
                text: done == 0 ? "not completed" : "completed")
        },
        recognise: { site in site.completion.map { WaitedFor($0, .wait) } })
}

extension WaiterSite {
    /// The completion that is waited for. Completions have had swait queues since 5.7 (a5c6234e1028), wait queues before;
    /// others wait on those too, so the function that has the waiter in its frame must be one that waits for completions.
    var completion: VirtualAddress? {
        guard function?.contains("wait_for_co") == true else { return nil }
        switch shape.type {
        case "swait_queue": return container("completion", "wait.task_list")
        case "wait_queue_entry": return container("completion", "wait.head")
        default: return nil
        }
    }
}

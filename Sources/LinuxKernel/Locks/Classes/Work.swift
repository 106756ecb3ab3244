// Work items and workqueues (kernel/workqueue.c): flush_work() waits for one item, flush_workqueue() for all of a queue.

internal import Bytes
internal import Target

extension LockClass {
    /// `flush_work` puts a barrier behind the work and waits for the barrier's completion.
    package static let work = LockClass(
        "work", type: "work_struct", .work, machinery: ["__flush_work", "flush_work", "__cancel_work", "cancel_work"],
        recognise: { site in
            guard let completion = site.completion else { return nil }
            let workers = site.scene.workers
            if let running = workers.worker(ofBarrier: completion) {
                return WaitedFor(
                    running.work, .wait,
                    holder: Holder(
                        task: running.task, relation: .runs, grade: .exact, because: "worker that runs it"))
            }
            guard site.callers.prefix(3).contains(where: { $0.contains("flush_work") || $0.contains("cancel_work") })
            else { return nil }
            return workers.pending(ofBarrier: completion, isText: site.scene.text.contains).map { WaitedFor($0, .wait) }
        },
        obliged: { kernel, work in WorkerTable(kernel.model).before(work) })

    /// `flush_workqueue` puts a flusher on its stack and waits until no work of its colour is in flight.
    package static let workqueue = LockClass(
        "workqueue", type: "workqueue_struct", .work,
        machinery: ["__flush_workqueue", "flush_workqueue", "drain_workqueue"],
        recognise: { site in
            guard let completion = site.completion,
                site.callers.prefix(2).contains(where: { $0.contains("flush_workqueue") }),
                let flusher = site.scene.kernel.model.offset(of: "done", in: "wq_flusher")
            else { return nil }
            return site.scene.workers.queue(ofFlusher: completion.advanced(by: 0 &- flusher)).map {
                WaitedFor($0, .wait)
            }
        },
        obliged: { kernel, queue in WorkerTable(kernel.model).flushed(queue) })
}

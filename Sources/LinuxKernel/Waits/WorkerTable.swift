// Workers, the work that they run and that waits for them: whom a task waits for that flushes a work item or a workqueue.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// The workers of all pools (kernel/workqueue.c).
struct WorkerTable {
    struct Running {
        /// The worker's task, and the `work_struct` that it runs.
        let task: VirtualAddress
        let work: VirtualAddress
        /// The `pool_workqueue` that the work came from, its workqueue, and the pool.
        let poolQueue: VirtualAddress
        let queue: VirtualAddress
        let pool: VirtualAddress
        /// The colour of the work; nil before 5.16.
        let colour: UInt64?
    }

    private var running: [Running] = []
    /// By the worker's list `scheduled`, to which barriers are added.
    private var byList: [VirtualAddress: Int] = [:]
    private let model: Target
    private static let mostBarriers = 100_000
    // As many as a machine may have, many times over.
    private static let mostQueues = 100_000

    init(_ model: Target) {
        self.model = model
        guard let pools = try? Globals.structure(model, "worker_pool_idr", "idr").member("idr_rt") else { return }
        try? XArrayWalk.walk(pools, isIDR: true, anomaly: { _ in }) { _, address in
            guard let pool = try? model.object(.structure, "worker_pool", at: address),
                let workers = try? pool["workers"]
            else { return }
            try? ListWalk.entries(workers, "worker", "node", anomaly: { _ in }) { worker in
                guard let work = try? worker["current_work"].pointer(), !work.isNull,
                    let task = try? worker["task"].pointer(), let list = try? worker["scheduled"].address
                else { return }
                let own = try? worker["current_pwq"].pointee()
                byList[list] = running.count
                running.append(
                    Running(
                        task: task, work: work, poolQueue: (try? own?.address) ?? VirtualAddress(0),
                        queue: (try? own?["wq"].pointer()) ?? VirtualAddress(0), pool: address,
                        colour: try? worker["current_color"].unsigned()))
            }
        }
    }

    // MARK: Barriers

    /// The place in a list of the barrier's work of which this is the completion.
    private func node(ofBarrier completion: VirtualAddress) -> VirtualAddress? {
        guard let done = model.offset(of: "done", in: "wq_barrier"),
            let entry = model.offset(of: "work.entry", in: "wq_barrier")
        else { return nil }
        return completion.advanced(by: entry &- done)
    }

    /// The worker behind whose work the barrier stands of which this is the completion; nil when it is no barrier's, or
    /// when the work has not begun.
    func worker(ofBarrier completion: VirtualAddress) -> Running? {
        guard !byList.isEmpty, let node = node(ofBarrier: completion) else { return nil }
        let space = model.space
        var here = node
        for _ in 0..<Self.mostBarriers {
            guard let next = try? space.word(here) else { return nil }
            let place = VirtualAddress(next)
            guard place != node, (try? space.word(place.advanced(by: UInt64(8)))) == here.rawValue else { return nil }
            if let worker = byList[place] { return running[worker] }
            here = place
        }
        return nil
    }

    /// The work that has not begun and behind which the barrier stands of which this is the completion: the next one
    /// before it that is no barrier itself.
    func pending(
        ofBarrier completion: VirtualAddress, isText: (VirtualAddress) -> Bool
    ) -> VirtualAddress? {
        guard let node = node(ofBarrier: completion), let entry = model.offset(of: "entry", in: "work_struct"),
            let function = model.offset(of: "func", in: "work_struct")
        else { return nil }
        let space = model.space
        var here = node
        for _ in 0..<Self.mostBarriers {
            guard let back = try? space.word(here.advanced(by: UInt64(8))),
                (try? space.word(VirtualAddress(back))) == here.rawValue
            else { return nil }
            here = VirtualAddress(back)
            guard here != node else { return nil }
            let work = here.advanced(by: 0 &- entry)
            // The head of the list has no function behind it.
            guard let code = try? space.word(work.advanced(by: function)), isText(VirtualAddress(code)) else {
                return nil
            }
            if model.symbols.symbol(covering: VirtualAddress(code))?.name != "wq_barrier_func" { return work }
        }
        return nil
    }

    // MARK: Work that has not begun

    /// `WORK_STRUCT_PWQ`, `WORK_STRUCT_INACTIVE` (include/linux/workqueue.h).
    private static let hasQueue: UInt64 = 4
    private static let isInactive: UInt64 = 2

    /// The `pool_workqueue` of queued work: its address is aligned to 256 bytes, or to 512 with more flags.
    private func poolQueue(_ data: UInt64) -> Value? {
        for mask in [0xff, 0x1ff] as [UInt64] {
            guard let value = try? model.object(.structure, "pool_workqueue", at: VirtualAddress(data & ~mask)),
                let queue = try? value["wq"].pointee(), (try? value["pool"].pointer().isNull) == false,
                (try? queue["pwqs"].address) != nil,
                let next = try? value["pwqs_node"]["next"].pointer(),
                (try? model.space.word(next.advanced(by: UInt64(8))))
                    == (try? value["pwqs_node"].address.rawValue)
            else { continue }
            return value
        }
        return nil
    }

    /// Whom work waits for that has not begun: those that run other work of a queue that lets no more run at a time, or
    /// those that keep its pool busy.
    func before(_ work: VirtualAddress) -> [Holder] {
        guard
            let data = try? model.object(.structure, "work_struct", at: work).path("data", "counter").unsigned(),
            data & Self.hasQueue != 0, let own = poolQueue(data), let address = try? own.address,
            let queue = try? own["wq"].pointer(), let pool = try? own["pool"].pointer()
        else { return [] }
        if data & Self.isInactive != 0 {
            // Since 6.9 a queue of unbound work counts for a node of memory, not for a pool.
            var others = running.filter { $0.poolQueue == address }
            if others.isEmpty { others = running.filter { $0.queue == queue } }
            return others.map {
                Holder(
                    task: $0.task, relation: .obliged, grade: others.count == 1 ? .derived : .possible,
                    because: "worker of the queue, which lets no more work run at a time",
                    isOneOfAll: others.count > 1)
            }
        }
        return running.filter { $0.pool == pool && isRunning($0.task) }.map {
            Holder(task: $0.task, relation: .obliged, grade: .possible, because: "worker that keeps its pool busy")
        }
    }

    private func isRunning(_ task: VirtualAddress) -> Bool {
        guard let value = try? model.object(.structure, "task_struct", at: task) else { return false }
        return (try? Task(value).state.letter) == "R"
    }

    // MARK: Workqueues

    /// The workqueue that a flusher waits for: the one whose first flusher or list of flushers leads to it.
    func queue(ofFlusher flusher: VirtualAddress) -> VirtualAddress? {
        guard let queues = try? Globals.structure(model, "workqueues", "list_head"),
            let link = model.offset(of: "list", in: "wq_flusher")
        else { return nil }
        // The ring of flushers, as far as it goes.
        var ring: Set<VirtualAddress> = []
        var here = flusher.advanced(by: link)
        while ring.count < Self.mostQueues, ring.insert(here).inserted {
            guard let next = try? model.space.word(here) else { break }
            here = VirtualAddress(next)
        }
        var found: VirtualAddress?
        var left = Self.mostQueues
        try? ListWalk.entries(queues, "workqueue_struct", "list", anomaly: { _ in }) { queue in
            left -= 1
            guard found == nil, left > 0 else { return }
            let isFirst = (try? queue["first_flusher"].pointer()) == flusher
            let isQueued = ["flusher_queue", "flusher_overflow"].contains { name in
                (try? queue[name].address).map { ring.contains($0) } ?? false
            }
            if isFirst || isQueued { found = try? queue.address }
        }
        return found
    }

    /// The workers that run work of a queue that its first flusher waits for: all of them have to end.
    func flushed(_ queue: VirtualAddress) -> [Holder] {
        let value = try? model.object(.structure, "workqueue_struct", at: queue)
        let first = try? value?["first_flusher"].pointee()
        let colour = try? first?["flush_color"].unsigned()
        return running.filter { $0.queue == queue && ($0.colour == nil || colour == nil || $0.colour == colour) }.map {
            Holder(
                task: $0.task, relation: .runs, grade: .derived, because: "worker that runs work of the queue")
        }
    }
}

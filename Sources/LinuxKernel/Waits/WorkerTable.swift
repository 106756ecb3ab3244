// Workers and the barriers behind the work that they run: whom a task waits for that flushes a work item.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// The workers of all pools. `flush_work` puts a `struct wq_barrier` behind the work that runs, on the worker's list
/// `scheduled`, and waits for the barrier's completion.
struct WorkerTable {
    struct Running {
        /// The worker's task, and the `work_struct` that it runs.
        let task: VirtualAddress
        let work: VirtualAddress
    }

    private var byList: [VirtualAddress: Running] = [:]
    private let kernel: LinuxKernel
    private static let mostBarriers = 100_000

    init(_ kernel: LinuxKernel) {
        self.kernel = kernel
        let model = kernel.model
        guard let pools = try? Globals.structure(model, "worker_pool_idr", "idr").member("idr_rt") else { return }
        try? XArrayWalk.walk(pools, isIDR: true, anomaly: { _ in }) { _, address in
            guard let pool = try? model.object(.structure, "worker_pool", at: address),
                let workers = try? pool["workers"]
            else { return }
            try? ListWalk.entries(workers, "worker", "node", anomaly: { _ in }) { worker in
                guard let work = try? worker["current_work"].pointer(), !work.isNull,
                    let task = try? worker["task"].pointer(), let list = try? worker["scheduled"].address
                else { return }
                byList[list] = Running(task: task, work: work)
            }
        }
    }

    /// The worker behind whose work the barrier stands of which this is the completion; nil when it is no barrier's, or
    /// when the work has not begun.
    func worker(ofBarrier completion: VirtualAddress) -> Running? {
        guard !byList.isEmpty, let type = (try? kernel.model.types.lookup(.structure, "wq_barrier")).flatMap({ $0 }),
            let done = (try? kernel.model.types.offset(ofPath: "done", in: type)).flatMap({ $0 }),
            let entry = (try? kernel.model.types.offset(ofPath: "work.entry", in: type)).flatMap({ $0 })
        else { return nil }
        let node = completion.advanced(by: 0 &- done).advanced(by: entry)
        var here = node
        for _ in 0..<Self.mostBarriers {
            guard let next = try? kernel.model.space.word(here) else { return nil }
            let place = VirtualAddress(next)
            guard place != node, (try? kernel.model.space.word(place.advanced(by: UInt64(8)))) == here.rawValue else {
                return nil
            }
            if let worker = byList[place] { return worker }
            here = place
        }
        return nil
    }
}

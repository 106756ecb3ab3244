// Which tasks wait for I/O, on what, and which tasks are at work on it.

internal import Bytes
internal import DebugModel
internal import Target
internal import Unwind

/// A task that sleeps until I/O is done.
struct IOWait {
    let task: Task
    /// Nanoseconds since it last ran; nil when unknown.
    let since: UInt64?
    /// Nil when nothing on its stack tells.
    let place: IOPlace?
    /// Where it stands: the function that wanted the I/O.
    let function: String?
    /// The task cannot be killed out of it.
    let isUnkillable: Bool
}

/// A kernel thread that has a request or its disk in hand, and what that thread does.
struct IOWorker {
    let task: Task
    let since: UInt64?
    let function: String?
    /// The file that it reads or writes for that.
    let place: IOPlace?
}

/// Finds both on the stacks of tasks, by the parameters of the functions there.
struct IOWaitSearch {
    private let kernel: LinuxKernel
    private let places: IOPlaces
    private let clock: SchedulerClock
    private let reader: StackReader

    /// Stacks looked at; the longest waits first.
    private static let mostStacks = 200
    /// `PF_WQ_WORKER`, `TASK_WAKEKILL` (include/linux/sched.h).
    private static let isWorker: UInt64 = 0x20
    private static let wakeKill: UInt64 = 0x100

    init(_ kernel: LinuxKernel, _ places: IOPlaces) {
        self.kernel = kernel
        self.places = places
        clock = SchedulerClock(kernel.cpus)
        reader = StackReader(kernel)
    }

    /// Tasks in uninterruptible sleep that the scheduler counts as waiting for I/O (`in_iowait`), the longest first;
    /// those that sleep for less than `least` nanoseconds left out. `skipped`: how many were not looked at.
    func waits(_ tasks: [Task], least: UInt64) -> (waits: [IOWait], skipped: Int) {
        let waiting = tasks.filter {
            (try? $0.state.isUninterruptible) == true && (try? $0.value["in_iowait"].unsigned()) == 1
        }.map { ($0, clock.sinceLastRun($0)) }.filter { ($0.1 ?? .max) >= least }
            .sorted { ($1.1 ?? 0, $0.0.address) < ($0.1 ?? 0, $1.0.address) }
        let waits = waiting.prefix(Self.mostStacks).compactMap { task, since -> IOWait? in
            guard let listing = listing(task) else {
                return IOWait(task: task, since: since, place: nil, function: nil, isUnkillable: true)
            }
            // Who waits for a lock, in a way that counts as I/O, is not waiting for a disk.
            guard !listing.frames.contains(where: { Self.isLock($0) }) else { return nil }
            let isKillable = (try? task.state.run).map { $0 & Self.wakeKill != 0 } ?? false
            return IOWait(
                task: task, since: since, place: parameters(listing).lazy.compactMap { place($0) }.first,
                function: function(listing), isUnkillable: !isKillable)
        }
        return (waits, max(0, waiting.count - Self.mostStacks))
    }

    /// The workers that sleep and have one of `marks` in hand: a request, what its driver keeps behind it, or what the
    /// driver keeps for the disk.
    func workers(_ tasks: [Task], marks: [UInt64: VirtualAddress]) -> [VirtualAddress: [IOWorker]] {
        var found: [VirtualAddress: [IOWorker]] = [:]
        guard !marks.isEmpty else { return found }
        let sleeping = tasks.filter {
            guard let flags = try? $0.flags, flags & Self.isWorker != 0, let state = try? $0.state else { return false }
            return ["D", "S"].contains(state.letter)
        }
        for task in sleeping.prefix(Self.mostStacks) {
            guard let listing = listing(task) else { continue }
            let known = parameters(listing)
            guard let disk = known.lazy.compactMap({ marks[$0.address.rawValue] }).first else { continue }
            let files = known.lazy.filter { ["kiocb", "file"].contains($0.structure) }
            found[disk, default: []].append(
                IOWorker(
                    task: task, since: clock.sinceLastRun(task), function: function(listing),
                    place: files.compactMap { place($0) }.first))
        }
        return found
    }

    // MARK: Stacks

    private func listing(_ task: Task) -> StackListing? {
        (try? reader.stack(of: task)).map { StackListing($0, kernel.target) }
    }

    private struct Parameter {
        let structure: String
        let address: VirtualAddress
    }

    /// The parameters that point to structures, of the innermost function first; each structure once.
    private func parameters(_ listing: StackListing) -> [Parameter] {
        let values = StackValues(listing, kernel)
        var list: [Parameter] = []
        var seen: Set<VirtualAddress> = []
        for index in listing.stack.stack.frames.indices {
            for parameter in values.values(ofFrame: index).functions.flatMap(\.parameters) {
                guard let graded = parameter.now ?? parameter.atEntry,
                    case .pointer(let pointee, _)? = try? graded.value.strippedType,
                    let address = try? graded.value.pointer(), !address.isNull
                else { continue }
                var name = ""
                if case .aggregate(let type)? = try? graded.value.target.types.stripped(pointee).type {
                    name = type.name
                }
                if seen.insert(address).inserted { list.append(Parameter(structure: name, address: address)) }
            }
        }
        return list
    }

    private func place(_ parameter: Parameter) -> IOPlace? { places.place(parameter.structure, parameter.address) }

    private static func isLock(_ frame: ListedFrame) -> Bool {
        guard let name = frame.symbol else { return false }
        return [
            "__mutex_lock", "mutex_lock_io", "rwsem_down", "__down_common", "__rt_mutex_slowlock", "rt_mutex_slowlock",
            "rtlock_slowlock", "rwbase_", "__rwbase_",
        ].contains { name.hasPrefix($0) }
    }

    /// How functions begin that only wait.
    private static let waiting = [
        "__schedule", "schedule", "context_switch", "__switch_to", "io_schedule", "preempt_schedule", "bit_wait",
        "__wait_on_bit", "out_of_line_wait_on", "wait_on_", "folio_wait_", "folio_put_wait", "__folio_lock",
        "__lock_page",
        "folio_lock", "do_wait_for_common", "__wait_for_common", "wait_for_common", "wait_for_completion",
        "__wait_on_buffer", "blk_wait_io", "__wait_on_page", "__folio_wait",
    ]

    private func function(_ listing: StackListing) -> String? {
        let frame = listing.frames.first { frame in
            guard let name = frame.function ?? frame.symbol else { return false }
            return !Self.waiting.contains { name.hasPrefix($0) }
        }
        return frame.flatMap { frame in
            (frame.function ?? frame.symbol).map { name in
                let file = frame.location?.file.split(separator: "/").last.map(String.init)
                return name + (file.map { " at \($0):\(frame.location?.line ?? 0)" } ?? "")
            }
        }
    }
}

// What a task does that others wait for.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Target
internal import Unwind

/// What ends a chain of waits.
package enum TaskActivity: Sendable {
    case exited
    /// It has exited, and its structure is now that of a task that waits for the lock itself.
    case reused
    case runs(cpu: Int, inUserMode: Bool)
    /// It runs, and does nothing but wait for a lock whose holder is not known.
    case spins(cpu: Int, what: String)
    /// With what it waits for and where, in words, and whether it will wake by itself.
    case waits(String, timed: Bool)
    case waitsForIO(place: String)
    /// State and function.
    case sleeps(state: String, place: String, timed: Bool)
    case ready
    /// Why nothing can be told.
    case unknown(String)

    init(of address: VirtualAddress, _ model: LockModel) {
        guard let task = model.task(address) else {
            self = .unknown("is no task")
            return
        }
        for cpu in model.kernel.cpus.cpus where (try? cpu.current.address) == address {
            if let wait = model.waitOf[address] {
                let place = model.place(of: wait).map { " in \($0)" } ?? ""
                self = .spins(cpu: cpu.number, what: "\(model.name(wait.lockClass, wait.lock))\(place)")
            } else {
                self = .runs(cpu: cpu.number, inUserMode: PreemptCount.isInUserMode(cpu, model.kernel) == true)
            }
            return
        }
        if (try? task.value["in_iowait"].unsigned()) == 1 {
            let place = (try? model.stacks.stack(of: task)).flatMap { Self.place($0, model) }
            self = .waitsForIO(place: place ?? "?")
            return
        }
        if let wait = model.waitOf[address] {
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            self = .waits("\(model.name(wait.lockClass, wait.lock))\(place)", timed: model.hasTimer(task))
            return
        }
        let state = (try? task.state.name) ?? "in an unreadable state"
        guard let stack = try? model.stacks.stack(of: task) else {
            self = .unknown("is \(state)")
            return
        }
        let place = Self.place(stack, model) ?? "?"
        self =
            state == "running" ? .ready : .sleeps(state: state, place: place, timed: model.hasTimer(task))
    }

    /// The innermost function outside the scheduler.
    private static func place(_ stack: TaskStack, _ model: LockModel) -> String? {
        stack.stack.frames.lazy.compactMap { model.kernel.model.symbols.symbol(covering: $0.lookupAddress)?.name }
            .first { !$0.hasPrefix("__switch_to") && !$0.contains("schedule") }
    }

    /// It sleeps until somebody wakes it: for no time, and not for a device.
    package var waitsForSomebody: Bool {
        switch self {
        case .waits(_, let timed), .sleeps(_, _, let timed): !timed
        default: false
        }
    }

    package var isGone: Bool {
        switch self {
        case .exited, .reused: true
        default: false
        }
    }

    package var isUserMode: Bool {
        if case .runs(_, let inUserMode) = self { return inUserMode }
        return false
    }

    /// As the end of a sentence that begins with the task.
    package var text: String {
        switch self {
        case .exited: "has exited"
        case .reused:
            "has exited: its task_struct is now that of this task, which waits for the lock and did not take it"
        case .runs(let cpu, let inUserMode): "runs on CPU \(cpu)\(inUserMode ? " in user mode" : "")"
        case .spins(let cpu, let what): "spins on CPU \(cpu) for \(what)"
        case .waits(let what, _): "waits for \(what)"
        case .waitsForIO(let place): "waits for I/O in \(place)"
        case .sleeps(let state, let place, _): "sleeps (\(state)) in \(place)"
        case .ready: "is ready to run"
        case .unknown(let why): why
        }
    }
}

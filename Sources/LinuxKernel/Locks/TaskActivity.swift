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
    /// With what it waits for and where, in words.
    case waits(String)
    case waitsForIO(place: String)
    /// State and function.
    case sleeps(state: String, place: String)
    case ready
    /// Why nothing can be told.
    case unknown(String)

    init(of address: VirtualAddress, _ model: LockModel) {
        guard let task = model.task(address) else {
            self = .unknown("is no task")
            return
        }
        for cpu in model.kernel.cpus.cpus where (try? cpu.current.address) == address {
            self = .runs(cpu: cpu.number, inUserMode: model.kernel.state(of: cpu)?.isUserMode == true)
            return
        }
        if let wait = model.waitOf[address] {
            let place = model.place(of: wait).map { " in \($0)" } ?? ""
            self = .waits("\(model.name(wait.lockClass, wait.lock))\(place)")
            return
        }
        let state = (try? task.state.name) ?? "in an unreadable state"
        guard let stack = try? model.stacks.stack(of: task) else {
            self = .unknown("is \(state)")
            return
        }
        let frames = stack.stack.frames.compactMap {
            model.kernel.model.symbols.symbol(covering: $0.lookupAddress)?.name
        }
        let place = frames.first { !$0.hasPrefix("__switch_to") && !$0.contains("schedule") } ?? "?"
        if frames.contains("io_schedule") || frames.contains("io_schedule_timeout") {
            self = .waitsForIO(place: place)
        } else {
            self = state == "running" ? .ready : .sleeps(state: state, place: place)
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
        case .waits(let what): "waits for \(what)"
        case .waitsForIO(let place): "waits for I/O in \(place)"
        case .sleeps(let state, let place): "sleeps (\(state)) in \(place)"
        case .ready: "is ready to run"
        case .unknown(let why): why
        }
    }
}

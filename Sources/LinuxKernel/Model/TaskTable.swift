// All tasks, enumerated twice: by the task list and by the pid IDR. A disagreement is a finding.

package import Bytes
internal import DebugModel
package import Target

/// The tasks of the kernel without the idle ones, and what is wrong with how they are linked.
package struct TaskTable: Sendable {
    /// Ascending by pid.
    package let tasks: [Task]
    /// One sentence for each task that only one of the two sources has, naming the pid.
    package let disagreements: [Disagreement]
    /// What the walks met: broken links, unreadable nodes.
    package let anomalies: [WalkAnomaly]

    package struct Disagreement: Sendable {
        package let pid: Int?
        package let task: VirtualAddress
        package let text: String
    }

    private struct Found {
        var task: Task
        var pid: Int?
        var inList = false
        var inIDR = false
    }

    /// Reads both sources. Throws only when neither can be begun.
    package init(_ target: Target) throws {
        var anomalies: [WalkAnomaly] = []
        var found: [VirtualAddress: Found] = [:]
        func add(_ task: Task, list: Bool) {
            var entry = found[task.address] ?? Found(task: task, pid: try? task.pid)
            if list { entry.inList = true } else { entry.inIDR = true }
            found[task.address] = entry
        }
        let first = try target.variable("init_task")
        try Self.walkList(first, { anomalies.append($0) }) { add($0, list: true) }
        var walkedIDR = true
        do {
            try Self.walkIDR(target, { anomalies.append($0) }) { add($0, list: false) }
        } catch {
            walkedIDR = false
            anomalies.append(
                WalkAnomaly("the pid IDR cannot be walked: \(error)", at: (try? first.address) ?? VirtualAddress(0)))
        }
        var disagreements: [Disagreement] = []
        for entry in found.values where walkedIDR && entry.inList != entry.inIDR {
            let who = "task \(entry.task.address) pid \(entry.pid.map { "\($0)" } ?? "unreadable")"
            let comm = (try? entry.task.comm).map { " (\($0))" } ?? ""
            let where_ =
                entry.inList
                ? "is on the task list and not in the pid IDR" : "is in the pid IDR and not on the task list"
            // A task that is being released leaves the IDR first, and is still on the list as dead for a moment.
            disagreements.append(
                Disagreement(pid: entry.pid, task: entry.task.address, text: "\(who)\(comm) \(where_)"))
        }
        self.disagreements = disagreements.sorted { ($0.pid ?? 0, $0.task) < ($1.pid ?? 0, $1.task) }
        self.anomalies = anomalies
        tasks = found.values.sorted { ($0.pid ?? .max, $0.task.address) < ($1.pid ?? .max, $1.task.address) }
            .map(\.task)
    }

    /// Leaders on `init_task.tasks`, and the threads of each. Threads hang on `signal->thread_head` by
    /// `thread_node` (3.14); `thread_group` (gone in 6.7) is not needed.
    private static func walkList(
        _ first: Value, _ anomaly: (WalkAnomaly) -> Void, _ body: (Task) -> Void
    ) throws {
        try ListWalk.entries(try first["tasks"], "task_struct", "tasks", anomaly: anomaly) { leader in
            body(Task(leader))
            do {
                let head = try leader.path("signal", "thread_head")
                try ListWalk.entries(head, "task_struct", "thread_node", anomaly: anomaly) { thread in
                    if try thread.address != leader.address { body(Task(thread)) }
                }
            } catch {
                anomaly(
                    WalkAnomaly(
                        "the threads of task \(Task(leader).address) cannot be walked: \(error)",
                        at: Task(leader).address))
            }
        }
    }

    /// Every `struct pid` of the initial namespace, and the task that has it as its pid (`PIDTYPE_PID`, index 0).
    private static func walkIDR(
        _ target: Target, _ anomaly: (WalkAnomaly) -> Void, _ body: (Task) -> Void
    ) throws {
        let root = try target.variable("init_pid_ns").path("idr", "idr_rt")
        guard let type = try target.types.lookup(.structure, "pid"),
            let taskType = try target.types.lookup(.structure, "task_struct")
        else { throw ValueError.noType("struct pid") }
        // `pids[].node` until 4.18, `pid_links[]` since (2c4704756cab).
        guard let links = try target.types.member("pid_links", of: taskType) else {
            throw ValueError.noMember("pid_links", of: "struct task_struct")
        }
        try XArrayWalk.walk(root, isIDR: true, anomaly: anomaly) { _, address in
            do {
                let pid = Value(target: target, type: type, place: .memory(address))
                let node = try pid["tasks"].element(0)["first"].pointer()
                // A pid that is only a process group's or a session's has no task of its own.
                guard !node.isNull else { return }
                let base = node.advanced(by: 0 &- links.bitOffset / 8)
                body(Task(Value(target: target, type: taskType, place: .memory(base))))
            } catch {
                anomaly(WalkAnomaly("the struct pid at \(address) cannot be read: \(error)", at: address))
            }
        }
    }
}

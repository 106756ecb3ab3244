// Tasks, processes, threads, children, pids, cgroups, what runs where and what waits where.

internal import Bytes
internal import DebugModel
package import Pipeline
package import Target

/// All tasks of the kernel's two tables; what the tables do not agree on is told.
package enum TaskWalk: NamedWalk {
    package static let name = "task"
    package static let summary = "all tasks, threads included; what task list and pid IDR disagree on"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let table = try linux(context).tasks()
        for task in table.tasks { try emit(.element(task.value)) }
        for anomaly in table.anomalies { try emit(.anomaly(anomaly)) }
        for disagreement in table.disagreements {
            try emit(.anomaly(Anomaly(.other, disagreement.text, at: disagreement.task)))
        }
    }
}

package enum ProcessWalk: NamedWalk {
    package static let name = "proc"
    package static let aliases = ["process"]
    package static let summary = "the processes, each by its first thread"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try TaskWalk.walk(nil, [], context) { step in
            guard let value = step.value else { return try emit(step) }
            let task = Task(value)
            // A task whose numbers cannot be read is not left out.
            guard let pid = try? task.pid, let group = try? task.tgid, pid != group else { return try emit(step) }
        }
    }
}

package enum ThreadWalk: NamedWalk {
    package static let name = "thread"
    package static let summary = "the threads of a task's process; of all processes without one"
    package static let root: String? = "struct task_struct"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        guard let root else { return try TaskWalk.walk(nil, [], context, emit) }
        let task = try WalkRoot(root, words, of: self).value("task_struct")
        // `thread_group` is gone since 6.7; `thread_node` is there since 3.14.
        try KernelList.walk(try task.path("signal", "thread_head"), "task_struct", "thread_node", emit)
    }
}

package enum ChildWalk: NamedWalk {
    package static let name = "child"
    package static let aliases = ["children"]
    package static let summary = "the processes that a task has made and not yet buried"
    package static let root: String? = "struct task_struct"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let task = try WalkRoot(root, words, of: self).value("task_struct")
        try KernelList.walk(try task.member("children"), "task_struct", "sibling", emit)
    }
}

/// Ids of tasks, groups and sessions.
package enum PIDWalk: NamedWalk {
    package static let name = "pid"
    package static let summary = "the numbers in use in a pid namespace, the initial one without a root"
    package static let root: String? = "struct pid_namespace"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let space =
            try root.map { try WalkRoot($0, words, of: self).value("pid_namespace") }
            ?? linux(context).model.variable("init_pid_ns")
        let type = try ElementType(["pid"], of: self, space.target)
        try XArray.walk(try space.path("idr", "idr_rt"), isIDR: true, anomaly: { try emit(.anomaly($0)) }) { entry in
            try emit(.indexed(entry.index, XArrayWalk.value(entry, type, space.target)))
        }
    }
}

package enum CPUWalk: NamedWalk {
    package static let name = "cpu"
    package static let aliases = ["rq", "runqueue"]
    package static let summary = "each CPU by its run queue"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        for cpu in try linux(context).cpus.cpus { try emit(.indexed(StepIndex(UInt64(cpu.number)), cpu.runQueue)) }
    }
}

/// The fair and real-time tasks that wait for a CPU are on red-black trees and lists of `rq`; all of them, whatever their
/// class, have `on_rq`.
package enum RunnableWalk: NamedWalk {
    package static let name = "runnable"
    package static let summary = "the tasks on run queues, by CPU"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let kernel = try linux(context)
        var found: [Int: UInt64] = [:]
        for task in try kernel.tasks().tasks {
            do {
                guard try task.value.member("on_rq").unsigned() != 0 else { continue }
                let cpu = try task.cpu
                found[cpu, default: 0] += 1
                try emit(.indexed(StepIndex(UInt64(clamping: cpu)), task.value))
            } catch let error as ValueError {
                try emit(
                    .anomaly(.unreadable("whether task \(task.address) is on a run queue", error, at: task.address)))
            }
        }
        for cpu in kernel.cpus.cpus {
            guard let count = try? cpu.runQueue.member("nr_running").unsigned() else { continue }
            let seen = found[cpu.number] ?? 0
            guard seen != count else { continue }
            let told = "the run queue of CPU \(cpu.number) counts \(count) tasks, and \(seen) are on it"
            try emit(.anomaly(Anomaly(.shape, told, at: (try? cpu.runQueue.address) ?? VirtualAddress(0))))
        }
    }
}

/// Waiters of a wait queue, of either kind.
package enum WaitQueueWalk: NamedWalk {
    package static let name = "wait_queue"
    package static let aliases = ["waitq"]
    package static let summary = "the entries of a wait queue"
    package static let root: String? = "struct wait_queue_head"
    package static let roots = ["struct wait_queue_head", "struct swait_queue_head"]

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let head = try WalkRoot(root, words, of: self).value("wait_queue_head", "swait_queue_head")
        guard head.has("task_list") else {
            return try KernelList.walk(try head.member("head"), "wait_queue_entry", "entry", emit)
        }
        try KernelList.walk(try head.member("task_list"), "swait_queue", "task_list", emit)
    }
}

/// A control group and all below it, parents before their children.
package enum CgroupWalk: NamedWalk {
    package static let name = "cgroup"
    package static let summary = "the control groups below one, or of the default hierarchy"
    package static let root: String? = "struct cgroup"

    /// Hierarchies are at most `max_depth` deep; nobody comes near this.
    private static let maximumDepth = 256

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let top =
            try root.map { try WalkRoot($0, words, of: self).value("cgroup") }
            ?? defaultHierarchy(linux(context).model)
        try below(top, 0, emit)
    }

    private static func defaultHierarchy(_ model: Target) throws -> Value {
        guard model.symbols.symbol(named: "cgrp_dfl_root") != nil else {
            throw CommandError("there are no control groups: the kernel was built without them")
        }
        return try Globals.structure(model, "cgrp_dfl_root", "cgroup_root").member("cgrp")
    }

    private static func below(_ group: Value, _ depth: Int, _ emit: (Step) throws -> Void) throws {
        guard depth < maximumDepth else {
            let told = "control groups are more than \(maximumDepth) deep at \(try group.address)"
            return try emit(.anomaly(Anomaly(.tooLong, told, at: try group.address)))
        }
        try emit(.element(group))
        let own = try group.member("self").address
        try KernelList.walk(try group.path("self", "children"), "cgroup", "self.sibling") { step in
            guard let child = step.value else { return try emit(step) }
            do {
                let parent = try child.path("self", "parent").pointer()
                guard parent == own else {
                    // Another's child: to go down there might never end.
                    let told = "\(try child.address) is a child of \(own) and says that its parent is \(parent)"
                    return try emit(.anomaly(Anomaly(.backLink, told, at: try child.address)))
                }
            } catch let error as ValueError {
                return try emit(.anomaly(.unreadable("a child of \(own)", error, at: try child.address)))
            }
            try below(child, depth + 1, emit)
        }
    }
}

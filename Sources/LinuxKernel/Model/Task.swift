// A task: `struct task_struct`, whatever the release.

package import Bytes
internal import DebugModel
package import Target

/// One thread of a process, or a thread of the kernel.
package struct Task: Sendable {
    /// The `struct task_struct`.
    package let value: Value

    package init(_ value: Value) { self.value = value }

    package var address: VirtualAddress {
        guard case .memory(let address, _) = value.place else { return VirtualAddress(0) }
        return address
    }
    package var pid: Int { get throws { Int(try value["pid"].signed()) } }
    package var tgid: Int { get throws { Int(try value["tgid"].signed()) } }
    /// The thread group of the real parent, as `getppid` tells.
    package var parentPID: Int { get throws { Int(try value.path("real_parent", "tgid").signed()) } }
    /// As the kernel has it: any bytes but NUL.
    package var comm: String { get throws { try value["comm"].text() } }
    package var flags: UInt64 { get throws { try value["flags"].unsigned() } }
    /// `PF_KTHREAD` (include/linux/sched.h).
    package var isKernelThread: Bool { get throws { try flags & 0x0020_0000 != 0 } }

    /// The CPU it runs on or ran on last. `task_struct.cpu` until 5.15, `thread_info.cpu` since (bcf9033e5449);
    /// enterprise kernels have both and keep the older one.
    package var cpu: Int {
        get throws {
            if value.has("cpu") { return Int(try value["cpu"].unsigned()) }
            return Int(try value.path("thread_info", "cpu").unsigned())
        }
    }

    package var state: TaskState {
        get throws {
            // `state` (long) became `__state` (unsigned int) in 5.14 (2f064a59a11f).
            let run = try value[value.has("__state") ? "__state" : "state"].unsigned()
            return TaskState(run: run, exit: try value["exit_state"].unsigned())
        }
    }

    /// `task->stack`: the lowest address of its kernel stack; null once a zombie's was freed.
    package var stack: VirtualAddress { get throws { try value["stack"].pointer() } }
    /// Its `struct mm_struct`; nil for a kernel thread and after exit.
    package var memory: Value? {
        get throws {
            let mm = try value["mm"]
            return try mm.pointer().isNull ? nil : mm
        }
    }
}

/// What a task is doing, as its state bits say (include/linux/sched.h).
package struct TaskState: Sendable, Equatable {
    /// `__state`.
    package let run: UInt64
    /// `exit_state`.
    package let exit: UInt64

    private static let interruptible: UInt64 = 0x1
    private static let uninterruptible: UInt64 = 0x2
    private static let stopped: UInt64 = 0x4
    private static let traced: UInt64 = 0x8
    private static let exitDead: UInt64 = 0x10
    private static let exitZombie: UInt64 = 0x20
    private static let parked: UInt64 = 0x40
    private static let dead: UInt64 = 0x80
    private static let wakeKill: UInt64 = 0x100
    private static let waking: UInt64 = 0x200
    private static let noLoad: UInt64 = 0x400
    private static let new: UInt64 = 0x800
    private static let lockWait: UInt64 = 0x1000
    private static let frozen: UInt64 = 0x8000

    /// One letter, as /proc/PID/stat prints it: R S D T t X Z P I.
    package var letter: String {
        if exit & Self.exitDead != 0 { return "X" }
        if exit & Self.exitZombie != 0 { return "Z" }
        if run & Self.parked != 0 { return "P" }
        if run & (Self.uninterruptible | Self.noLoad) == Self.uninterruptible | Self.noLoad { return "I" }
        if run & Self.traced != 0 { return "t" }
        if run & Self.stopped != 0 { return "T" }
        if run & (Self.uninterruptible | Self.lockWait | Self.frozen) != 0 { return "D" }
        if run & Self.interruptible != 0 { return "S" }
        if run & Self.dead != 0 { return "X" }
        return "R"
    }

    /// The state in words, with what the letter leaves out.
    package var name: String {
        if exit & Self.exitDead != 0 { return "dead" }
        if exit & Self.exitZombie != 0 { return "zombie" }
        if run & Self.parked != 0 { return "parked" }
        if run & Self.frozen != 0 { return "frozen" }
        if run & Self.new != 0 { return "new" }
        if run & Self.waking != 0 { return "waking" }
        if run & Self.lockWait != 0 { return "waiting for a PREEMPT_RT lock" }
        if run & (Self.uninterruptible | Self.noLoad) == Self.uninterruptible | Self.noLoad { return "idle" }
        if run & Self.traced != 0 { return "traced" }
        if run & Self.stopped != 0 { return "stopped" }
        if run & Self.uninterruptible != 0 { return run & Self.wakeKill != 0 ? "killable" : "uninterruptible" }
        if run & Self.interruptible != 0 { return "interruptible" }
        if run & Self.dead != 0 { return "dead" }
        return "running"
    }

    /// Waits in a way that signals do not end, and counts as load: what hangs are made of.
    package var isUninterruptible: Bool { letter == "D" }
}

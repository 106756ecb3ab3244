// Tasks that sleep, or run in user mode, within a read-side section of RCU: no grace period ends as long as they do.

internal import Analysis
internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Target

/// Told by `task_struct.rcu_read_lock_nesting`, which kernels have whose readers can be preempted (CONFIG_PREEMPT_RCU).
/// The kernel itself warns of it once (`rcu_note_context_switch`, kernel/rcu/tree_plugin.h). With PREEMPT_RT a spinlock_t or
/// rwlock_t makes a read-side section as well: who goes back to user mode with one shows here.
struct ReadSideSleep {
    let task: Task
    /// How many sections, one within the other.
    let nesting: UInt64
    /// The CPU on which it runs in user mode; nil when it sleeps.
    let cpu: Int?

    // A negative number is a count in the making (until 5.5).
    private static let most: UInt64 = 0x7fff_ffff

    /// All of a kernel's. Complexity: reads a word of each task.
    static func all(_ kernel: LinuxKernel) -> [ReadSideSleep] {
        guard kernel.model.offset(of: "rcu_read_lock_nesting", in: "task_struct") != nil,
            let tasks = try? kernel.tasks().tasks
        else { return [] }
        var running: [VirtualAddress: CPU] = [:]
        for cpu in kernel.cpus.cpus { if let task = try? cpu.current { running[task.address] = cpu } }
        return tasks.compactMap { task in
            guard let nesting = try? task.value["rcu_read_lock_nesting"].unsigned() & 0xffff_ffff, nesting > 0,
                nesting <= most
            else { return nil }
            if let cpu = running[task.address] {
                guard PreemptCount.isInUserMode(cpu, kernel) == true else { return nil }
                return ReadSideSleep(task: task, nesting: nesting, cpu: cpu.number)
            }
            return sleeps(task) ? ReadSideSleep(task: task, nesting: nesting, cpu: nil) : nil
        }
    }

    /// It gave up the CPU of its own accord. A reader may be preempted, whatever its state is by then, and may wait for a
    /// lock that spins without PREEMPT_RT.
    private static func sleeps(_ task: Task) -> Bool {
        guard let state = try? task.state, ["S", "D", "I", "T", "t", "P"].contains(state.letter),
            (try? task.value["on_rq"].unsigned()) == 0
        else { return false }
        return !state.waitsForRTLock
    }

    func finding(_ model: LockModel?) -> Finding {
        let name = StackOutput.name(task)
        let place = "((struct task_struct*)0x\(hex(task.address.rawValue)))"
        let doing =
            cpu.map { "runs in user mode on CPU \($0)" }
            ?? model.map { TaskActivity(of: task.address, $0).text } ?? "sleeps"
        var evidence = [
            Evidence(
                claim: "task \(name) is in \(nesting) read-side section\(nesting == 1 ? "" : "s")",
                expected: .number(nesting), reproduce: "print \(place)->rcu_read_lock_nesting")
        ]
        if let cpu {
            evidence.append(
                Evidence(
                    claim: "task \(name) is on CPU \(cpu)",
                    expected: .number(UInt64(bitPattern: Int64((try? task.pid) ?? 0))),
                    reproduce: "print per_cpu(runqueues, \(cpu)).curr->pid"))
        } else {
            evidence.append(
                Evidence(
                    claim: "it waits for no CPU", expected: .number(0), reproduce: "print \(place)->on_rq"))
        }
        let waiters = model?.waits.filter { $0.holder?.task == task.address && $0.lockClass == .rcu } ?? []
        return Finding(
            rule: AtomicSleepRule.rule, confidence: .certain,
            summary:
                "task \(name) \(doing) in a read-side section of RCU: what ran for it in the kernel has not left the "
                + "section, or a lock that makes one",
            parties: ["task \(name)"] + waiters.prefix(12).map { "\(StackOutput.name($0.task)) waits for it" },
            evidence: evidence)
    }
}

extension TaskState {
    /// TASK_RTLOCK_WAIT (include/linux/sched.h): sleeps for what spins without PREEMPT_RT.
    var waitsForRTLock: Bool { run & 0x1000 != 0 }
}

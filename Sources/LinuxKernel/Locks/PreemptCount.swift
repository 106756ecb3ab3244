// What a CPU's preempt_count says of the locks that the code on it has taken (include/linux/preempt.h).

internal import Bytes
internal import DebugModel
internal import Machine
internal import Target
internal import Unwind

/// The count of the CPU on which a task runs. Each spinlock, rwlock and preempt_disable adds 1 to its lowest byte.
struct PreemptCount {
    let cpu: CPU
    let task: Task
    /// The lowest byte as a number with a sign: less than 0 when more was given back than taken.
    let count: Int

    /// The command that shows the count.
    let expression: String

    private static let mask: UInt64 = 0xff

    /// The functions in which a CPU is stopped for a panic or a reboot: they hold nothing.
    static let stopping: Set<String> = [
        "stop_this_cpu", "crash_nmi_callback", "machine_crash_nonpanic_core", "native_halt", "__sysvec_reboot",
        "sysvec_reboot", "asm_sysvec_reboot", "instr_sysvec_reboot",
    ]

    /// Whether what a CPU runs is user mode, also where it was stopped there; nil without its registers.
    static func isInUserMode(_ cpu: CPU, _ kernel: LinuxKernel) -> Bool? {
        guard let state = kernel.state(of: cpu) else { return nil }
        if state.isUserMode == true { return true }
        guard let stack = try? StackReader(kernel).stack(of: cpu).stack, case .userMode = stack.end else {
            return false
        }
        return stack.frames.allSatisfy { frame in
            SpinFunctions.name(frame, kernel).map { stopping.contains($0) } ?? false
        }
    }

    /// The tasks in user mode whose CPU's count is not 0: code that ran for them has not given back what it took.
    static func leftInUserMode(_ kernel: LinuxKernel) -> [PreemptCount] {
        kernel.cpus.cpus.compactMap { cpu in
            guard isInUserMode(cpu, kernel) == true, let task = try? cpu.current,
                let (value, expression) = read(cpu.number, kernel),
                case let count = Int(Int8(truncatingIfNeeded: value & mask)), count != 0
            else { return nil }
            return PreemptCount(cpu: cpu, task: task, count: count, expression: expression)
        }
    }

    /// A variable of its own, from 6.2 to 6.14 in `pcpu_hot` (e57ef2ed97c1).
    private static func read(_ cpu: Int, _ kernel: LinuxKernel) -> (value: UInt64, expression: String)? {
        if let value = try? kernel.model.perCPUVariable("__preempt_count", cpu: cpu).unsigned() {
            return (value, "per_cpu(__preempt_count, \(cpu)) & 0xff")
        }
        if let value = try? kernel.model.perCPUVariable("pcpu_hot", cpu: cpu)["preempt_count"].unsigned() {
            return (value, "per_cpu(pcpu_hot, \(cpu)).preempt_count & 0xff")
        }
        return nil
    }
}

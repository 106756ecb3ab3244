// How long a task may wait before the kernel calls it hung.

internal import Bytes
internal import Target

/// `sysctl_hung_task_timeout_secs` (kernel/hung_task.c).
struct HungLimit {
    let nanoseconds: UInt64
    /// Nil when the kernel has none or was told to have none: then it is Linux's default of 120 s.
    let isOwn: Bool

    init(_ kernel: LinuxKernel) {
        let seconds = (try? kernel.model.variable("sysctl_hung_task_timeout_secs").unsigned()) ?? 0
        isOwn = seconds > 0 && seconds < 1 << 32
        nanoseconds = (isOwn ? seconds : 120) &* 1_000_000_000
    }

    var seconds: UInt64 { nanoseconds / 1_000_000_000 }
}

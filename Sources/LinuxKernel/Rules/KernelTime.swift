// When a dump was taken, as the kernel's own clocks tell, for rules that ask how long something has lasted.

internal import Bytes
internal import DebugModel
internal import Target

/// The clocks of a dump. All of them stand still somewhere: an idle CPU's, all after a panic but the panicking CPU's.
struct KernelTime {
    /// The CPU whose run queue has the latest clock, and that clock: nanoseconds of `sched_clock`. Never later than the
    /// moment of the dump, nor than that of the panic where other CPUs were stopped then. Nil when none can be read.
    let latest: (cpu: Int, clock: UInt64)?
    let hasPanicked: Bool
    /// Ticks a second; nil when the kernel does not say.
    let ticks: UInt64?

    init(_ kernel: LinuxKernel) {
        let panicked = kernel.panicCPU?.number
        hasPanicked = panicked != nil
        var known: [(cpu: Int, clock: UInt64)] = []
        for cpu in kernel.cpus.cpus {
            if let clock = try? cpu.runQueue["clock"].unsigned(), clock != 0 { known.append((cpu.number, clock)) }
        }
        // The clock of a CPU that panicked goes on while it waits for its reboot.
        let stopped = known.filter { $0.cpu != panicked }
        latest = (stopped.isEmpty ? known : stopped).max { $0.clock < $1.clock }
        // NSEC_PER_SEC / HZ, rounded.
        ticks = Self.tickLength(kernel).map { tick in (1_000_000_000 + tick / 2) / tick }
    }

    /// Nanoseconds of a tick: `tick_nsec`, which became part of `struct ntp_data` in 6.14 (kernel/time/ntp.c) and went later;
    /// what the timekeeper adds each tick is the same within one in two thousand. Nil when neither is there.
    static func tickLength(_ kernel: LinuxKernel) -> UInt64? {
        let told = (try? kernel.model.variable("tick_nsec").unsigned()) ?? (try? Timekeeper(kernel.model).tick)
        // HZ is 24 at least and 1200 at most on any machine that Linux runs on.
        return told.flatMap { $0 > 500_000 && $0 < 100_000_000 ? $0 : nil }
    }

    /// Seconds after which the kernel calls an uninterruptible wait a hang (kernel/hung_task.c). `own`: what this kernel says,
    /// 0 when it was told to have no limit, nil when it has none. `seconds`: that, or what Linux has unless configured
    /// otherwise.
    static func hungTaskLimit(_ kernel: LinuxKernel) -> (own: UInt64?, seconds: UInt64) {
        let own = try? kernel.model.variable("sysctl_hung_task_timeout_secs").unsigned()
        let seconds = own.flatMap { $0 == 0 ? nil : min($0, 1_000_000) } ?? 120
        return (own, seconds)
    }

    /// CLOCK_MONOTONIC at the dump, in nanoseconds; nil when it cannot be read. The timekeeper's stands still while all CPUs are idle; the run queues' clocks then
    /// are later, by `__gtod_offset` ahead of it (kernel/sched/clock.c).
    static func monotonic(_ kernel: LinuxKernel) -> UInt64? {
        guard let kept = try? Timekeeper(kernel.model).monotonic else { return nil }
        guard let ahead = try? Globals.word(kernel.model, "__gtod_offset"),
            let clock = KernelTime(kernel).latest?.clock
        else { return kept }
        let later = Int64(bitPattern: clock &- ahead &- kept)
        // An offset from another time would move it by anything.
        return later > 0 && later < 3_600_000_000_000 ? kept &+ UInt64(later) : kept
    }

    /// Seconds as the watchdog counts them: 2^30 ns (kernel/watchdog.c).
    static func watchdogSeconds(_ nanoseconds: UInt64) -> UInt64 { nanoseconds >> 30 }
}

/// What a CPU was doing, for people.
struct CPUActivity {
    /// "task 98 (watch)".
    let task: String
    let pid: Int?
    let isIdle: Bool
    /// Function names from the innermost one; empty without registers.
    let functions: [String]
    /// "func at file.c:12", of the innermost function outside the locking code.
    let place: String?
    /// Why there is no stack.
    let failure: String?

    init(_ cpu: CPU, _ kernel: LinuxKernel) {
        let current = try? cpu.current
        task = current.map { "task \(StackOutput.name($0))" } ?? "a task that cannot be read"
        pid = try? current?.pid
        isIdle = (try? cpu.idle.address) == current?.address
        do {
            let frames = StackListing(try StackReader(kernel).stack(of: cpu), kernel.model).frames
            functions = frames.compactMap { Self.name($0) }
            // What a watchdog interrupted stands below the interrupt.
            let interrupted = frames.lastIndex { $0.wasInterrupted } ?? 0
            let own = frames[interrupted...]
            let busy = own.first { frame in Self.name(frame).map { !Self.isWaiting($0) } ?? false }
            // A module's function says more than what it calls.
            let telling =
                own.first { $0.module != nil && !$0.isInlined && Self.name($0).map { !Self.isWaiting($0) } == true }
                ?? busy
            place = telling.flatMap { frame in
                Self.name(frame).map { name in
                    name + (frame.module.map { " [\($0)]" } ?? "")
                        + (frame.location.map { " at \($0.file):\($0.line)" } ?? "")
                }
            }
            failure = nil
        } catch {
            functions = []
            place = nil
            failure = "\(error)"
        }
    }

    /// Without what compilers append: "watchdog_timer_fn.cold", "f.isra.0".
    private static func name(_ frame: ListedFrame) -> String? {
        (frame.function ?? frame.symbol).map { String($0.prefix { $0 != "." }) }
    }

    /// The innermost function that waits for a lock by spinning, below any interrupt.
    var spinning: String? { functions.first { Self.isWaiting($0) && $0.contains("lock") } }

    /// A function that does nothing but wait for a lock.
    private static func isWaiting(_ function: String) -> Bool {
        ["queued_spin_lock_slowpath", "queued_read_lock_slowpath", "queued_write_lock_slowpath", "virt_spin_lock"]
            .contains { function.contains($0) }
            || [
                "_raw_spin_lock", "_raw_read_lock", "_raw_write_lock", "__raw_spin_lock", "do_raw_spin_lock", "pv_wait",
            ]
            .contains { function.hasPrefix($0) }
            || ["arch_atomic_read", "atomic_read", "cpu_relax", "rep_nop", "queued_spin_lock", "spin_lock"]
                .contains(function)
    }
}

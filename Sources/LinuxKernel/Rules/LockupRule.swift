// Soft and hard lockups: a CPU that lets nothing else run.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import Target

/// The kernel's own measure (kernel/watchdog.c): the most urgent task of a CPU, which sets `watchdog_touch_ts`, has not
/// run for twice `watchdog_thresh` seconds; or no timer interrupt came for `watchdog_thresh`. Until 5.13 a report of the
/// watchdog's started that time anew, and what prints on a slow console does so still: that task itself tells since when it
/// is to run.
enum LockupRule: Analysis {
    static let rule = "lockup"
    static let question = "Does a CPU run one thing for so long that nothing else gets to run there?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        guard kernel.cpus.failure == nil else { return .undecided("what runs on the CPUs cannot be read") }
        let clocks = KernelTime(kernel)
        guard let latest = clocks.latest else { return .undecided("no CPU's clock can be read") }
        let model = kernel.model
        let own = (try? model.variable("watchdog_thresh").unsigned()).flatMap { $0 > 0 && $0 < 100_000 ? $0 : nil }
        let search = Search(
            kernel: kernel, latest: latest, hasPanicked: clocks.hasPanicked, threshold: own ?? 10, isOwn: own != nil,
            watched: watched(kernel), locks: LazyLocks(kernel))
        return .findings(kernel.cpus.cpus.compactMap { search.look(at: $0) })
    }

    /// The CPUs on which the soft-lockup watchdog runs; nil when it runs on none or cannot be asked.
    private static func watched(_ kernel: LinuxKernel) -> Set<Int>? {
        // SOFT_WATCHDOG_ENABLED is bit 1 in every release (kernel/watchdog.c, include/linux/nmi.h).
        guard let enabled = try? kernel.model.variable("watchdog_enabled").unsigned(), enabled & 2 != 0 else {
            return nil
        }
        let online = Set(kernel.cpus.online)
        guard let mask = try? Globals.structure(kernel.model, "watchdog_cpumask", "cpumask"),
            let bits = try? mask["bits"].bytes()
        else { return online }
        return online.filter { number in
            let (byte, bit) = number.quotientAndRemainder(dividingBy: 8)
            return (bits[byte] ?? 0) >> UInt8(bit) & 1 == 1
        }
    }

    /// The locks of a kernel, read when a CPU hangs.
    private final class LazyLocks {
        private let kernel: LinuxKernel
        private(set) lazy var model = try? LockModel(kernel)

        init(_ kernel: LinuxKernel) { self.kernel = kernel }
    }

    private struct Search {
        let kernel: LinuxKernel
        let latest: (cpu: Int, clock: UInt64)
        let hasPanicked: Bool
        /// Seconds.
        let threshold: UInt64
        let isOwn: Bool
        let watched: Set<Int>?
        let locks: LazyLocks

        func look(at cpu: CPU) -> Finding? {
            if hasPanicked {
                // Later on the clocks tell how long the kernel has been dead, not what killed it.
                return kernel.panicCPU?.number == cpu.number ? judged(cpu) : nil
            }
            guard let clock = try? cpu.runQueue["clock"].unsigned() else { return nil }
            let activity = CPUActivity(cpu, kernel)
            guard !activity.isIdle else { return nil }
            let silent = latest.clock > clock ? (latest.clock - clock) / 1_000_000_000 : 0
            if clock != 0, silent > threshold { return hard(cpu, activity, silent) }
            return soft(cpu, activity) ?? starved(cpu, activity)
        }

        /// What the kernel itself found, when it panicked for that: its watchdog stands on the stack below the panic.
        private func judged(_ cpu: CPU) -> Finding? {
            let activity = CPUActivity(cpu, kernel)
            let soft = activity.functions.first { $0 == "watchdog_timer_fn" }
            let hard = activity.functions.first {
                $0 == "watchdog_overflow_callback" || $0 == "watchdog_hardlockup_check"
            }
            guard let watchdog = soft ?? hard, activity.functions.contains(where: { $0 == "panic" || $0 == "vpanic" })
            else { return nil }
            let name = soft == nil ? "hard-lockup" : "soft-lockup"
            return finding(
                name, .certain, cpu, activity, "when the kernel's watchdog ended it by a panic",
                [
                    Evidence(
                        claim: "the panic on CPU \(cpu.number) came from \(watchdog)", expected: .contains(watchdog),
                        reproduce: "bt -N -c \(cpu.number)")
                ])
        }

        private func soft(_ cpu: CPU, _ activity: CPUActivity) -> Finding? {
            guard watched?.contains(cpu.number) == true,
                let touched = try? kernel.model.perCPUVariable("watchdog_touch_ts", cpu: cpu.number).unsigned(),
                // 0 and the largest number stand for "do not report".
                touched != 0, touched < UInt64(UInt32.max)
            else { return nil }
            let now = KernelTime.watchdogSeconds(latest.clock)
            guard now > touched, now - touched > 2 * threshold else { return nil }
            return finding(
                "soft-lockup", .certain, cpu, activity, "for \(now - touched) s",
                [
                    Evidence(
                        claim: "the watchdog's task last ran on CPU \(cpu.number) in second \(touched)",
                        expected: .number(touched), reproduce: "print per_cpu(watchdog_touch_ts, \(cpu.number))"),
                    Evidence(
                        claim: "CPU \(latest.cpu)'s clock says second \(now)", expected: .number(now),
                        reproduce: "print per_cpu(runqueues, \(latest.cpu)).clock / 1073741824"),
                    limit,
                ])
        }

        /// The CPU's stop task, before which no other comes, is queued and has not run since.
        private func starved(_ cpu: CPU, _ activity: CPUActivity) -> Finding? {
            guard let stop = try? cpu.runQueue["stop"].pointee(), (try? stop["on_rq"].unsigned()) == 1,
                let address = try? stop.address, address != (try? cpu.current.address),
                let queued = try? stop["sched_info"]["last_queued"].unsigned(), queued != 0, latest.clock > queued,
                case let seconds = (latest.clock - queued) / 1_000_000_000, seconds > 2 * threshold
            else { return nil }
            let task = "per_cpu(runqueues, \(cpu.number)).stop"
            return finding(
                "soft-lockup", .certain, cpu, activity, "for \(seconds) s",
                [
                    Evidence(
                        claim: "the most urgent task of CPU \(cpu.number), \(StackOutput.name(Task(stop))), is to run",
                        expected: .number(1), reproduce: "print \(task)->on_rq"),
                    Evidence(
                        claim: "and has waited for \(seconds) s", expected: .number(seconds),
                        reproduce: "print (per_cpu(runqueues, \(latest.cpu)).clock - \(task)->sched_info.last_queued)"
                            + " / 1000000000"),
                    limit,
                ].filter { isOwn || $0.reproduce != limit.reproduce })
        }

        private func hard(_ cpu: CPU, _ activity: CPUActivity, _ silent: UInt64) -> Finding {
            finding(
                "hard-lockup", .probable, cpu, activity, "and has taken no timer interrupt for \(silent) s",
                [
                    Evidence(
                        claim: "CPU \(cpu.number)'s clock is \(silent) s behind CPU \(latest.cpu)'s",
                        expected: .number(silent),
                        reproduce: "print (per_cpu(runqueues, \(latest.cpu)).clock - "
                            + "per_cpu(runqueues, \(cpu.number)).clock) / 1000000000"),
                    limit,
                ].filter { isOwn || $0.reproduce != limit.reproduce })
        }

        private var limit: Evidence {
            Evidence(
                claim: "the kernel's watchdog has a threshold of \(threshold) s", expected: .number(threshold),
                reproduce: "print watchdog_thresh")
        }

        private func finding(
            _ rule: String, _ confidence: Confidence, _ cpu: CPU, _ activity: CPUActivity, _ since: String,
            _ evidence: [Evidence]
        ) -> Finding {
            var evidence = evidence
            let spin = locks.model.flatMap { SpinText(cpu, $0) }
            let doing = spin?.doing ?? activity.spinning.map { "spins in \($0)" } ?? "runs"
            let place =
                spin?.place
                ?? activity.place.map { activity.spinning == nil ? " in \($0)" : " called from \($0)" } ?? ""
            if let pid = activity.pid {
                evidence.append(
                    Evidence(
                        claim: "\(activity.task) is on CPU \(cpu.number)",
                        expected: .number(UInt64(bitPattern: Int64(pid))),
                        reproduce: "print per_cpu(runqueues, \(cpu.number)).curr->pid"))
            }
            if let function = activity.spinning {
                evidence.append(
                    Evidence(
                        claim: "it spins in \(function)", expected: .contains(function),
                        reproduce: "bt -N -c \(cpu.number)"))
            }
            evidence += spin?.evidence ?? []
            var inside = ""
            let nesting = (try? cpu.current.value["rcu_read_lock_nesting"].signed()) ?? 0
            if nesting > 0 {
                inside = ", inside rcu_read_lock, so that no RCU grace period can end"
                evidence.append(
                    Evidence(
                        claim: "it is inside \(nesting) rcu_read_lock", expected: .number(UInt64(nesting)),
                        reproduce: "print per_cpu(runqueues, \(cpu.number)).curr->rcu_read_lock_nesting"))
            }
            return Finding(
                rule: rule, confidence: confidence,
                summary: "CPU \(cpu.number) \(doing)\(place) \(since): \(activity.task)\(inside)"
                    + (spin?.holders.map { "; \($0)" } ?? ""),
                parties: ["CPU \(cpu.number)", activity.task] + (activity.place.map { [$0] } ?? [])
                    + (spin?.parties ?? []),
                evidence: evidence,
                contradictions: isOwn
                    ? [] : ["this kernel has no watchdog of its own; measured with Linux's default of \(threshold) s"],
                unread: activity.failure.map { ["the stack of CPU \(cpu.number): \($0)"] } ?? [])
        }
    }
}

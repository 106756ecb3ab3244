// What the kernel itself said was wrong: the lines that say why it died.

internal import Bytes

/// A record by which the kernel reports trouble.
package struct LogTrouble: Sendable, Equatable {
    /// From the worst to the mildest.
    package enum Kind: Int, Sendable, Comparable {
        case panic
        /// Oops, BUG, general protection fault: a task was killed, or would have been.
        case oops
        /// A checker found memory overwritten, a list broken, a page in a state that it cannot be in.
        case corruption
        case hardLockup
        case softLockup
        case rcuStall
        case hungTask
        case outOfMemory
        case warning

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

        package var name: String {
            switch self {
            case .panic: "panic"
            case .oops: "oops"
            case .corruption: "memory corruption"
            case .hardLockup: "hard lockup"
            case .softLockup: "soft lockup"
            case .rcuStall: "RCU stall"
            case .hungTask: "hung task"
            case .outOfMemory: "out of memory"
            case .warning: "warning"
            }
        }
    }

    package let kind: Kind
    package let record: LogRecord

    /// The record's first line, harmless to print.
    package let line: String
}

/// The lines that say why a kernel died.
package struct PanicMessage: Sendable, Equatable {
    /// The first report of a fault that the kernel could not go on from: what began it.
    package let firstOops: LogTrouble?
    /// The last panic: what ended it.
    package let lastPanic: LogTrouble?
    /// Without an oops the latest corruption, lockup, stall or hung task before the panic; without a panic as well: the
    /// kernel did not die, it complained.
    package let complaint: LogTrouble?

    /// In the order in which they were logged, each once.
    package var troubles: [LogTrouble] {
        [firstOops, lastPanic, complaint].compactMap { $0 }.sorted { $0.record.sequence < $1.record.sequence }
    }

    /// The one line to quote: the first oops, because the panic after it often says only "Fatal exception".
    package var headline: String? { (firstOops ?? lastPanic ?? complaint)?.line }
}

extension KernelLog {
    /// Every record with which the kernel reports trouble, in order. Only records of the kernel's own facility (0)
    /// are looked at, and only how they begin: user space can write any text, and a kernel message may quote it.
    package var troubles: [LogTrouble] {
        records.compactMap { record in
            guard record.facility == 0, let first = record.lines.first,
                let kind = Self.kind(String(decoding: first, as: UTF8.self), record)
            else { return nil }
            return LogTrouble(kind: kind, record: record, line: logText(first))
        }
    }

    /// Why the kernel died, as far as the log says; nil when it reports nothing worse than warnings.
    package var panicMessage: PanicMessage? {
        let troubles = self.troubles
        let panic = troubles.last { $0.kind == .panic }
        let oops = troubles.first { $0.kind == .oops }
        var complaint: LogTrouble?
        if panic == nil, oops == nil {
            complaint = troubles.last { (.corruption ... .hungTask).contains($0.kind) }
        } else if oops == nil {
            // "softlockup: hung tasks" does not say which: the lockup before it does.
            complaint = troubles.last {
                (.corruption ... .hungTask).contains($0.kind) && $0.record.sequence < panic?.record.sequence ?? 0
            }
        }
        guard panic != nil || oops != nil || complaint != nil else { return nil }
        return PanicMessage(firstOops: oops, lastPanic: panic, complaint: complaint)
    }

    /// How messages begin (arch/x86/mm/fault.c, arch/x86/kernel/{dumpstack,traps}.c, lib/bug.c, kernel/panic.c,
    /// kernel/{hung_task,watchdog,watchdog_hld}.c, kernel/rcu/tree_stall.h, mm/{oom_kill,slub,kasan/report}.c).
    private static let beginnings: [(String, LogTrouble.Kind)] = [
        ("Kernel panic - not syncing", .panic),
        ("BUG: workqueue lockup", .softLockup),
        ("BUG: soft lockup", .softLockup),
        ("watchdog: BUG: soft lockup", .softLockup),
        ("NMI watchdog: BUG: soft lockup", .softLockup),
        ("watchdog: Watchdog detected hard LOCKUP", .hardLockup),
        ("NMI watchdog: Watchdog detected hard LOCKUP", .hardLockup),
        ("Watchdog detected hard LOCKUP", .hardLockup),
        ("Oops", .oops),
        ("kernel BUG at ", .oops),
        ("general protection fault", .oops),
        ("PANIC: double fault", .oops),
        ("traps: PANIC: double fault", .oops),
        ("double fault: ", .oops),
        ("invalid opcode: ", .oops),
        ("divide error: ", .oops),
        ("stack segment: ", .oops),
        ("int3: ", .oops),
        ("Unable to handle kernel ", .oops),
        ("Internal error: ", .oops),
        ("rcu: INFO: ", .rcuStall),
        ("INFO: rcu", .rcuStall),
        ("list_add corruption", .corruption),
        ("list_del corruption", .corruption),
        ("BUG: Bad page", .corruption),
        ("BUG: Bad rss", .corruption),
        ("BUG: non-zero pgtables", .corruption),
        ("Out of memory: Kill", .outOfMemory),
        ("WARNING: ", .warning),
    ]

    /// What `BUG:` begins and what does not stop the machine: the report of a checker that goes on afterwards.
    private static let checkers = [
        "BUG: sleeping function called", "BUG: scheduling while atomic", "BUG: using ", "BUG: MAX_", "BUG: key ",
        "BUG: spinlock", "BUG: rwlock",
        "BUG: atomic", "BUG: KCSAN",
    ]

    private static func kind(_ line: String, _ record: LogRecord) -> LogTrouble.Kind? {
        if line.hasPrefix("rcu: INFO: ") || line.hasPrefix("INFO: rcu") {
            // "rcu: INFO: rcu_sched self-detected stall on CPU", "INFO: rcu_preempt detected stalls on CPUs/tasks:".
            return line.utf8.containsSequence("stall") ? .rcuStall : nil
        }
        if line.hasPrefix("INFO: task ") {
            // The task's name stands between: it may hold anything but the end of the line.
            return line.utf8.containsSequence(" blocked ") && line.hasSuffix(" seconds.") ? .hungTask : nil
        }
        // Later kernels: "watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1".
        if line.hasPrefix("watchdog: CPU"), line.utf8.containsSequence(": Watchdog detected hard LOCKUP") {
            return .hardLockup
        }
        if let known = beginnings.first(where: { line.hasPrefix($0.0) }) { return known.1 }
        guard line.hasPrefix("BUG: ") || line.hasPrefix("BUG ") else { return nil }
        // SLUB's "BUG kmalloc-64 (Tainted: G  O ): Left Redzone overwritten" goes on as well.
        if line.hasPrefix("BUG ") { return .corruption }
        return checkers.contains { line.hasPrefix($0) } ? .warning : .oops
    }
}

extension Collection where Element == UInt8 {
    /// Whether the bytes of `text` stand somewhere in a row.
    fileprivate func containsSequence(_ text: StaticString) -> Bool {
        let wanted = Array(text.description.utf8)
        let bytes = Array(self)
        guard bytes.count >= wanted.count else { return wanted.isEmpty }
        return (0...(bytes.count - wanted.count)).contains { start in
            bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
    }
}

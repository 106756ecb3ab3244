// How long ago a task last ran.

internal import Bytes
internal import DebugModel
internal import Memory
package import Target

/// The scheduler's clock of a dump, against which tasks' times are held.
package struct SchedulerClock: Sendable {
    /// The latest `rq.clock_task` of all CPUs: that of an idle CPU stands still.
    private let latest: UInt64
    private let perCPU: [Int: UInt64]

    package init(_ cpus: CPUTable) {
        var perCPU: [Int: UInt64] = [:]
        for cpu in cpus.cpus { perCPU[cpu.number] = try? cpu.clockTask }
        self.perCPU = perCPU
        latest = perCPU.values.max() ?? 0
    }

    /// Nanoseconds since the task was last on a CPU, nil when that cannot be read. `se.exec_start` holds the clock
    /// when the task's time was last accounted, which is when it left the CPU; for scheduling classes that do not
    /// keep it, `sched_info.last_arrival` tells when it last came to one.
    package func sinceLastRun(_ task: Task) -> UInt64? {
        var last = (try? task.value.path("se", "exec_start").unsigned()) ?? 0
        if last == 0 { last = (try? task.value.path("sched_info", "last_arrival").unsigned()) ?? 0 }
        guard last != 0, latest != 0 else { return nil }
        return latest >= last ? latest - last : 0
    }
}

/// `1 04:05:06.789` days, hours, minutes, seconds of a time in nanoseconds, as crash prints it with `ps -m`.
package func elapsed(_ nanoseconds: UInt64) -> String {
    let milliseconds = nanoseconds / 1_000_000
    let seconds = milliseconds / 1000
    func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = milliseconds % 1000
    let three = String(repeating: "0", count: 3 - "\(fraction)".utf8.count) + "\(fraction)"
    return "\(seconds / 86400) \(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60)).\(three)"
}

/// A time in nanoseconds for sentences, to three digits or so: `0.15 s`, `3.1 s`, `4 min 5 s`, `2 h 7 min`, `3 d 4 h`.
package func span(_ nanoseconds: UInt64) -> String {
    let hundredths = nanoseconds / 10_000_000
    let seconds = nanoseconds / 1_000_000_000
    switch seconds {
    case 0..<1: return "0.\(hundredths < 10 ? "0" : "")\(hundredths) s"
    case 1..<60: return "\(seconds).\(hundredths / 10 % 10) s"
    case 60..<3600: return "\(seconds / 60) min \(seconds % 60) s"
    case 3600..<86400: return "\(seconds / 3600) h \(seconds / 60 % 60) min"
    default: return "\(seconds / 86400) d \(seconds / 3600 % 24) h"
    }
}

/// Pages of memory of a process.
package struct TaskMemory: Sendable {
    /// `mm->total_vm`, in pages.
    package let virtualPages: UInt64
    /// Pages in memory: of files, anonymous, and shared.
    package let residentPages: UInt64

    /// Nil for a task without user memory. `mm->rss_stat` is an array of counters since 6.2 (f1a7941243c1), before
    /// that a structure with the array `count`, to which threads add what they have not yet handed over.
    package static func of(_ task: Task) throws -> TaskMemory? {
        guard let memory = try task.memory else { return nil }
        let total = try memory["total_vm"].unsigned()
        var resident: Int64 = 0
        // MM_FILEPAGES, MM_ANONPAGES, MM_SHMEMPAGES; index 2 counts swap entries (include/linux/mm_types_task.h).
        for index in [Int64(0), 1, 3] {
            let counters = try memory["rss_stat"]
            if counters.has("count") {
                resident &+= try counters["count"].element(index)["counter"].signed()
            } else {
                resident &+= try PerCPUSum.read(try counters.element(index))
            }
        }
        return TaskMemory(virtualPages: total, residentPages: UInt64(max(resident, 0)))
    }
}

/// `struct percpu_counter`: a total and what each CPU has not yet added to it.
package struct PerCPUSum: Sendable {
    package static func read(_ counter: Value) throws -> Int64 {
        var sum = try counter["count"].signed()
        let pointer = try counter["counters"].pointer()
        guard !pointer.isNull else { return sum }
        for offset in counter.target.perCPU.offsets.compactMap({ $0 }) {
            let raw = try counter.target.space.unsigned(pointer.advanced(by: offset), size: 4)
            sum &+= Int64(Int32(truncatingIfNeeded: raw))
        }
        return sum
    }
}

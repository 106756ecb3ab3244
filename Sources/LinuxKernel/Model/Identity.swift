// Which machine and kernel this is, and when.

internal import Bytes
internal import DebugModel
internal import Memory
package import Target

/// What `sys` and the report say first. Each part is read on its own: one that cannot be read is a gap.
package struct Identity: Sendable {
    package let release: Result<String, any Error>
    /// `UTS_VERSION`: build number and date.
    package let version: Result<String, any Error>
    package let machine: Result<String, any Error>
    package let nodename: Result<String, any Error>
    /// Online and possible CPUs.
    package let cpus: (online: Int, possible: Int)
    /// Bytes of memory that the kernel manages.
    package let memory: UInt64?
    /// Seconds since 1970, and what said so.
    package let time: (seconds: UInt64, source: String)?
    /// Nanoseconds since boot.
    package let uptime: UInt64?
    /// 1, 5 and 15 minutes, in hundredths.
    package let loadAverage: [UInt64]?

    package init(_ kernel: LinuxKernel) {
        let target = kernel.model
        let untyped = Self.untypedNames(target)
        func name(_ member: String) -> Result<String, any Error> {
            let typed = Result { try target.variable("init_uts_ns").path("name", member).text() }
            if case .failure = typed, let text = untyped[member] { return .success(text) }
            return typed
        }
        // What VMCOREINFO said stands in for a page that is gone.
        let read = name("release")
        release = if case .failure = read, let said = kernel.release { .success(said) } else { read }
        version = name("version")
        machine = name("machine")
        nodename = name("nodename")
        cpus = (kernel.cpus.online.count, kernel.cpus.possible.count)
        memory = kernel.totalPages.map { $0 &* 4096 }
        let clock = try? Timekeeper(target)
        uptime = clock?.uptime
        if let crash = kernel.info?.crashTime {
            time = (crash, "VMCOREINFO's CRASHTIME")
        } else if let taken = kernel.facts.dumpTime, taken != 0 {
            time = (taken, "the dump's header")
        } else {
            time = clock.map { ($0.wallSeconds, "the kernel's clock") }
        }
        loadAverage = Self.load(target)
    }

    /// The names of `init_uts_ns` where no type tells where they are: `struct new_utsname` is six arrays of 65 characters (it is
    /// what uname(2) fills in), and the first says Linux.
    private static func untypedNames(_ target: Target) -> [String: String] {
        guard (try? target.types.lookup(.structure, "uts_namespace")).flatMap({ $0 }) == nil,
            let place = target.symbols.symbol(named: "init_uts_ns")?.address,
            let bytes = try? target.space.read(place, count: 64 + 6 * 65),
            let start = (0..<64).first(where: { bytes.hasBytes(Array("Linux\0".utf8), at: $0) })
        else { return [:] }
        var names: [String: String] = [:]
        for (index, member) in ["sysname", "nodename", "release", "version", "machine"].enumerated() {
            let text = bytes.clamped(UInt64(start + index * 65), 65).array.prefix { $0 != 0 }
            names[member] = String(decoding: text, as: UTF8.self)
        }
        return names
    }

    /// `avenrun`: fixed point with 11 bits (FSHIFT).
    private static func load(_ target: Target) -> [UInt64]? {
        guard let value = try? target.variable("avenrun") else { return nil }
        let loads = (0..<3).compactMap { try? value.element($0).unsigned() }
        return loads.count == 3 ? loads.map { ($0 &* 100 &+ 1024) >> 11 } : nil
    }
}

/// `struct timekeeper`: the kernel's clocks at their last update.
package struct Timekeeper: Sendable {
    /// Seconds since 1970.
    package let wallSeconds: UInt64
    /// Nanoseconds since that second began.
    package let wallPart: UInt64
    /// Nanoseconds since boot, time asleep included.
    package let uptime: UInt64
    /// The same without time asleep: CLOCK_MONOTONIC.
    package let monotonic: UInt64
    /// Nanoseconds of a tick as NTP has adjusted it; nil when the timekeeper does not say.
    package let tick: UInt64?

    package init(_ target: Target) throws {
        let keeper = try Self.find(target)
        wallSeconds = try keeper["xtime_sec"].unsigned()
        // The base is of the last whole second; what has come since, in nanoseconds shifted left, stands beside it.
        let clock = try keeper["tkr_mono"]
        wallPart = (try? clock["xtime_nsec"].unsigned() >> min(clock["shift"].unsigned(), 63)) ?? 0
        let base = try clock["base"].unsigned() &+ wallPart
        let asleep = (try? keeper["offs_boot"].unsigned()) ?? 0
        uptime = base &+ asleep
        monotonic = base
        // Shifted by NTP_SCALE_SHIFT (include/linux/timex.h).
        tick = (try? keeper["ntp_tick"].unsigned()).map { $0 >> 32 }
    }

    /// `tk_core.timekeeper` until 6.16, `timekeeper_data[TIMEKEEPER_CORE]` since (22c62b9a84b8).
    private static func find(_ target: Target) throws -> Value {
        if let core = try? target.variable("tk_core") { return try core["timekeeper"] }
        if let data = try? target.variable("timekeeper_data") { return try data.element(0)["timekeeper"] }
        // BTF has no name for the structure of tk_core, until it became `struct tk_data` (6.13): a sequence counter,
        // then the timekeeper at the next multiple of its alignment, 8.
        guard let core = target.symbols.symbol(named: "tk_core")?.address else {
            throw ValueError.noVariable("tk_core")
        }
        if let data = try? target.object(.structure, "tk_data", at: core) { return try data["timekeeper"] }
        let counter =
            try ["seqcount_raw_spinlock", "seqcount"].lazy
            .compactMap { try target.types.lookup(.structure, $0) }.first.flatMap { try target.types.size($0) } ?? 4
        return try target.object(.structure, "timekeeper", at: core.advanced(by: (counter &+ 7) & ~7))
    }
}

/// `2026-11-21 04:00:05 UTC` of seconds since 1970 (the proleptic Gregorian calendar, days counted from March).
package func utcTime(_ seconds: UInt64) -> String {
    let days = Int64(clamping: seconds / 86400)
    let rest = seconds % 86400
    let shifted = days &+ 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
    func two(_ value: some BinaryInteger) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(year)-\(two(civilMonth))-\(two(day)) \(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) UTC"
}

/// `48.0 MiB` of a number of bytes.
package func byteSize(_ bytes: UInt64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    var tenths = bytes &* 10
    if bytes > UInt64.max / 10 {
        tenths = bytes / 1024 &* 10
        unit = 1
    }
    while tenths >= 10240, unit < units.count - 1 {
        tenths = (tenths + 512) / 1024
        unit += 1
    }
    return unit == 0 ? "\(bytes) bytes" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
}

/// What makedumpfile's level leaves out.
package func filteredKinds(_ level: UInt32) -> [String] {
    [(UInt32(1), "zero"), (2, "cache"), (4, "private cache"), (8, "user"), (16, "free")]
        .filter { level & $0.0 != 0 }.map(\.1)
}

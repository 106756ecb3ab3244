// log: the kernel's messages, as dmesg prints them.

internal import Bytes
package import Pipeline
internal import Target

/// A piece of a log line, harmless to print: tabs stay, what is not text is spelled out.
func logText(_ bytes: some Sequence<UInt8>) -> String { Escaping.text(bytes, keepingTabs: true) }

package struct Log: Stage {
    package static let manual = Manual(
        name: "log", aliases: ["dmesg"], synopsis: "[-m] [-t|-T] [-c] [-l LEVEL] [-p]",
        summary: "the kernel's log",
        text: """
            The records of the log buffer, the oldest first, of either format: the ring buffer of 5.10 and later, \
            and the byte ring before it. The lines of a record that has several are indented under its first one.

            A damaged descriptor costs its own record only, and is reported below the log. A record that was still \
            being written ends with "..."; one whose text is gone says so. LEVEL is a number from 0 to 7 or a name \
            (emerg alert crit err warn notice info debug): records at least as urgent are shown. With -T the time \
            is the boot time plus the record's time, in UTC; it drifts by what the clocks differ.
            """,
        options: [
            .init("-m", nil, "the level of each record, as <6>"), .init("-t", nil, "no timestamps"),
            .init("-T", nil, "wall-clock time"), .init("-c", nil, "who called printk: C1 is a CPU, T45 a thread"),
            .init("-l", "LEVEL", "records of this level and more urgent ones only"),
            .init("-p", nil, "only the lines by which the kernel reports trouble"),
        ],
        examples: [
            .init("log", "the whole log"), .init("log -l warn", "warnings and worse"),
            .init("log -m -c", "with levels and callers"), .init("log -p", "what the kernel said was wrong"),
        ])

    private static let levels = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"]

    private let style: LogStyle
    private let limit: UInt8
    private let onlyTrouble: Bool
    private let wallClock: Bool

    package init(_ arguments: Arguments) throws {
        guard arguments.operands.isEmpty else { throw UsageError("log takes no operand; see: help log") }
        limit = try arguments.value("-l").map { try Self.level($0) } ?? 7
        onlyTrouble = arguments.has("-p")
        wallClock = arguments.has("-T")
        guard !wallClock || !arguments.has("-t") else { throw UsageError("log: -t and -T exclude each other") }
        style = LogStyle(
            levels: arguments.has("-m"), timestamps: !arguments.has("-t"), callers: arguments.has("-c"), boot: nil)
    }

    private static func level(_ word: String) throws -> UInt8 {
        let name = word.lowercased()
        let aliases = ["error": "err", "warning": "warn", "panic": "emerg"]
        if let index = levels.firstIndex(of: aliases[name] ?? name) { return UInt8(index) }
        guard let number = UInt8(word), number <= 7 else {
            throw UsageError("log: no level is called \(word); they are \(levels.joined(separator: " "))")
        }
        return number
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let log: KernelLog
        do { log = try KernelLog(try linux(context).model) } catch {
            throw CommandError("the log cannot be read: \(error)")
        }
        var style = self.style
        if wallClock {
            do { style.boot = try bootTime(try linux(context).model) } catch {
                throw CommandError("log -T: the time of boot is unknown: \(error)")
            }
        }
        let troubles = Set(onlyTrouble ? log.troubles.map(\.record.sequence) : [])
        for record in log.records where record.level <= limit {
            if onlyTrouble, !troubles.contains(record.sequence) { continue }
            try emit(.record(style.record(record)))
        }
        try Self.remains(log, context, emit)
    }

    /// What follows the records: text that did not get into the log, and what was wrong with it.
    private static func remains(_ log: KernelLog, _ context: Context, _ emit: Emit) throws {
        for piece in log.unflushed {
            var lines = piece.text.split(separator: UInt8(ascii: "\n")).map { "[unflushed] " + logText($0) }
            if piece.lost > 0 { lines.append("[unflushed] \(piece.lost) more messages did not fit") }
            try emit(
                .record(
                    Record(
                        "log_unflushed",
                        [
                            Field("cpu", nil, .signed(Int64(piece.cpu))), Field("buffer", nil, .text(piece.buffer)),
                            Field("text", nil, .text(jsonText(piece.text))), Field("lost", nil, .unsigned(piece.lost)),
                        ], presentation: .block(lines))))
        }
        for anomaly in log.anomalies {
            context.gaps.note(Gap("part of the log", why: anomaly.description))
            try emit(
                .record(
                    Record(
                        "anomaly",
                        [
                            Field("node", nil, .address(anomaly.node.rawValue)),
                            Field("text", nil, .text(anomaly.description)),
                        ], presentation: .none)))
        }
    }
}

/// Nanoseconds since 1970 at which the kernel's boot clock was 0.
func bootTime(_ target: Target) throws -> UInt64 {
    let clock = try Timekeeper(target)
    let (now, overflow) = clock.wallSeconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow, now &+ clock.wallPart >= clock.uptime, clock.wallSeconds > 0 else {
        throw ValueError.absent("the kernel's clock says \(clock.wallSeconds) s, \(clock.uptime) ns after boot")
    }
    return now &+ clock.wallPart &- clock.uptime
}

/// Bytes for a field that JSON escapes by itself: as they are when they are UTF-8.
func jsonText(_ bytes: [UInt8]) -> String { String(validating: bytes, as: UTF8.self) ?? logText(bytes) }

/// How records are shown.
struct LogStyle: Sendable {
    var levels: Bool
    var timestamps: Bool
    var callers: Bool
    /// Nanoseconds since 1970; timestamps are times of day when it is there.
    var boot: UInt64?

    /// `[    0.734770] `: what stands before the first line.
    func prefix(_ record: LogRecord) -> String {
        var text = levels ? "<\(record.level)>" : ""
        if timestamps { text += "[" + time(record.timestamp) + "] " }
        if callers, let caller = record.caller {
            let name = caller.description
            text += "[" + String(repeating: " ", count: max(6 - name.utf8.count, 0)) + name + "] "
        }
        return text
    }

    private func time(_ nanoseconds: UInt64) -> String {
        if let boot { return utcTime((boot &+ nanoseconds) / 1_000_000_000) }
        let seconds = "\(nanoseconds / 1_000_000_000)"
        let micro = "\(nanoseconds / 1000 % 1_000_000)"
        return String(repeating: " ", count: max(5 - seconds.utf8.count, 0)) + seconds + "."
            + String(repeating: "0", count: 6 - micro.utf8.count) + micro
    }

    /// The record's lines: the first with the prefix, the others indented by its width.
    func lines(_ record: LogRecord) -> [String] {
        let prefix = prefix(record)
        let indent = String(repeating: " ", count: prefix.utf8.count)
        var lines = record.lines.enumerated().map { ($0.offset == 0 ? prefix : indent) + logText($0.element) }
        let remark: String? =
            switch record.completeness {
            case .whole: nil
            case .unfinished: "..."
            case .lost(let why): "(the text is lost: \(why))"
            case .truncated(let why): "(the text is cut: \(why))"
            }
        if let remark, let last = lines.popLast() { lines.append(last + remark) }
        return lines
    }

    func record(_ record: LogRecord) -> Record {
        let completeness: String =
            switch record.completeness {
            case .whole: "whole"
            case .unfinished: "unfinished"
            case .lost: "lost"
            case .truncated: "truncated"
            }
        var fields = [
            Field("seq", nil, .unsigned(record.sequence)), Field("timestamp_ns", nil, .unsigned(record.timestamp)),
            Field("level", nil, .unsigned(UInt64(record.level))),
            Field("facility", nil, .unsigned(UInt64(record.facility))),
            Field("caller", nil, record.caller.map { .text($0.description) } ?? .none),
            Field("text", nil, .text(jsonText(record.text))),
            Field("continuation", nil, .boolean(record.isContinuation)),
            Field("completeness", nil, .text(completeness)),
        ]
        for key in ["SUBSYSTEM", "DEVICE"] {
            guard let value = record.dictionary.first(where: { $0.key == key })?.value else { continue }
            fields.append(Field(key.lowercased(), nil, .text(value)))
        }
        return Record("log", fields, presentation: .block(lines(record)))
    }
}

// The stacks that the kernel itself wrote into its log, and whether ours agrees.
//
// The kernel's own unwinder ran at the moment of the fault. Its "Call Trace:" names function, offset and size of each return
// address. The outermost frames of the panicked task have not changed since, so that the two are compared from there inwards;
// inwards the kernel went on after it had printed: into panic, into the crash kernel.

internal import Bytes
internal import DebugModel
internal import Target

/// One trace of the log.
struct LogTrace: Sendable {
    struct Entry: Sendable, Equatable {
        let symbol: String
        let offset: UInt64
    }
    /// The task that was current, as the line "CPU: 0 PID: 45 Comm: sh" above it says.
    let pid: Int?
    /// Innermost first, without those that the kernel marked as unreliable (`?`).
    var entries: [Entry]
}

extension KernelLog {
    /// Every "Call Trace:" of the log, in order (arch/x86/kernel/dumpstack.c, show_trace_log_lvl).
    var traces: [LogTrace] {
        var traces: [LogTrace] = []
        var pid: Int?
        var isInside = false
        for record in records where record.facility == 0 {
            for bytes in record.lines {
                let line = String(decoding: bytes.prefix(512), as: UTF8.self)
                if let found = Self.pid(line) { pid = found }
                if line.contains("Call Trace:") {
                    traces.append(LogTrace(pid: pid, entries: []))
                    isInside = true
                } else if isInside, !traces.isEmpty {
                    // Other lines (stack names, registers of an interrupted frame) stand between entries. A new report
                    // or its end ends the trace.
                    if line.contains("---[") || line.hasPrefix("Modules linked in") || line.hasPrefix("Kernel panic") {
                        isInside = false
                    } else if let entry = Self.entry(line) {
                        traces[traces.count - 1].entries.append(entry)
                    }
                }
            }
        }
        return traces
    }

    /// `CPU: 0 PID: 45 Comm: sh`, with `UID: 0` between since 6.11.
    private static func pid(_ line: String) -> Int? {
        guard line.hasPrefix("CPU: ") else { return nil }
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "PID:"), index + 1 < words.count else { return nil }
        return Int(words[index + 1])
    }

    /// ` vfs_write+0xa4/0x2f0 [ext4]`, and `RIP: 0010:vfs_write+0xa4/0x2f0` for a function that was interrupted; nil for
    /// anything else.
    private static func entry(_ line: String) -> LogTrace.Entry? {
        let interrupted = "RIP: 0010:"
        let isInterrupted = line.hasPrefix(interrupted)
        let words = line.dropFirst(isInterrupted ? interrupted.utf8.count : 0).split(separator: " ")
        guard let first = words.first, words.count <= 3, let slash = first.lastIndex(of: "/"),
            let plus = first[..<slash].lastIndex(of: "+")
        else { return nil }
        let digits = first[first.index(after: plus)..<slash]
        guard digits.hasPrefix("0x"), let offset = UInt64(digits.dropFirst(2), radix: 16) else { return nil }
        return LogTrace.Entry(symbol: String(first[..<plus]), offset: offset)
    }
}

/// Whether a stack is the one that the kernel printed.
enum TraceAgreement: Sendable, Equatable {
    /// The log has no trace of that task.
    case none
    /// So many frames are the same; where they part, the kernel had gone on within the same function.
    case agrees(frames: Int)
    /// The first frame, from the outermost inwards, that differs.
    case differs(String)

    /// `frames`: innermost first.
    static func compare(_ frames: [ListedFrame], with trace: LogTrace, _ target: Target) -> Self {
        let ours = Array(frames.filter { !$0.isInlined }.reversed())
        let theirs = Array(trace.entries.reversed())
        guard !theirs.isEmpty else { return .none }
        var index = 0
        while index < ours.count, index < theirs.count, same(ours[index], theirs[index], target) { index += 1 }
        if index == theirs.count { return .agrees(frames: index) }
        let their = theirs[index]
        guard index < ours.count else {
            return .differs("the log's trace goes on with \(Self.text(their)), the stack is at its end")
        }
        let our = ours[index]
        // Still the same function, at a later place: it called something else since.
        if index > 0, our.symbol == their.symbol { return .agrees(frames: index) }
        let name = our.symbol.map { "\($0)+0x\(hex(our.offset ?? 0))" } ?? "\(our.programCounter)"
        return .differs(
            "after \(index) equal frames from the outermost, the log's trace has \(Self.text(their)), the stack \(name)"
        )
    }

    private static func text(_ entry: LogTrace.Entry) -> String { "\(entry.symbol)+0x\(hex(entry.offset))" }

    /// By address: one place can have several symbols.
    private static func same(_ frame: ListedFrame, _ entry: LogTrace.Entry, _ target: Target) -> Bool {
        if frame.symbol == entry.symbol, frame.offset == entry.offset { return true }
        return target.symbols.symbols(named: entry.symbol).contains {
            $0.address.advanced(by: entry.offset) == frame.programCounter
        }
    }
}

// The kernel's log: its records, whatever the format of the buffer.

internal import Bytes
internal import DebugModel
internal import Memory
package import Target

/// One record of the log.
package struct LogRecord: Sendable, Equatable {
    /// Who called printk.
    package enum Caller: Sendable, Equatable {
        case cpu(UInt32)
        case thread(UInt32)

        /// `C1` or `T45`, as printk writes it.
        package var description: String {
            switch self {
            case .cpu(let number): "C\(number)"
            case .thread(let number): "T\(number)"
            }
        }

        /// `caller_id`: bit 31 set for a CPU (kernel/printk/printk.c, printk_caller_id).
        init(raw: UInt32) {
            self = raw >> 31 == 1 ? .cpu(raw & 0x7fff_ffff) : .thread(raw)
        }
    }

    package enum Completeness: Sendable, Equatable {
        case whole
        /// Written and not closed: the next printk may have continued it.
        case unfinished
        /// The record's text is gone; its other fields are there.
        case lost(String)
        /// The text ends early.
        case truncated(String)
    }

    package var sequence: UInt64
    /// Nanoseconds of the scheduler's clock, which begins near boot.
    package let timestamp: UInt64
    /// 0 (emergency) to 7 (debug).
    package let level: UInt8
    /// 0 for the kernel itself; what user space writes to /dev/kmsg has another one.
    package let facility: UInt8
    /// Nil when the format does not keep it.
    package let caller: Caller?
    /// A piece of the line before it.
    package let isContinuation: Bool
    /// As the kernel has them: any bytes. Escape them before they are shown.
    package let text: [UInt8]
    /// What the record says of the device it is about: SUBSYSTEM, DEVICE.
    package let dictionary: [(key: String, value: String)]
    package let completeness: Completeness

    package static func == (left: Self, right: Self) -> Bool {
        left.sequence == right.sequence && left.timestamp == right.timestamp && left.text == right.text
    }

    /// The lines of the text, at least one.
    package var lines: [ArraySlice<UInt8>] {
        text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }
}

/// Text that an interrupt wrote and that did not get into the log any more (until 5.14).
package struct UnflushedText: Sendable {
    package let cpu: Int
    /// The per-CPU buffer: `nmi_print_seq` or `safe_print_seq`.
    package let buffer: String
    package let text: [UInt8]
    /// Messages that did not fit.
    package let lost: UInt64
}

/// All records that can be read, the oldest first, and what was wrong.
package struct KernelLog: Sendable {
    package enum Format: Sendable, Equatable {
        /// `struct printk_ringbuffer` (5.10, 896fbe20b4e2).
        case ringBuffer
        /// A byte ring of `struct printk_log` (until 5.9).
        case byteRing
    }

    package let format: Format
    package internal(set) var records: [LogRecord]
    /// Damaged descriptors and blocks, missing pages: each has cost its own record only.
    package private(set) var anomalies: [WalkAnomaly] = []
    /// Records that a writer had reserved and not written when the machine stopped.
    package internal(set) var reserved = 0
    package internal(set) var unflushed: [UnflushedText] = []

    /// Reads the log. Throws only when the buffer itself cannot be found or read at all.
    package init(_ target: Target) throws {
        // 5.10 brought `prb`; `log_buf` remained as a symbol, so that the newer one is asked for first.
        if target.symbols.symbol(named: "prb") != nil {
            self = try PrintkRing(target).log()
        } else if target.symbols.symbol(named: "log_first_idx") != nil {
            self = try PrintkByteRing(target).log()
        } else {
            throw ValueError.absent("the kernel has no log buffer: neither prb nor log_first_idx is a symbol of it")
        }
        unflushed = Self.unflushed(target)
    }

    init(format: Format) {
        self.format = format
        records = []
    }

    /// A ring that is nothing but damage would give a sentence for each of a million descriptors.
    private static let maximumAnomalies = 1000

    mutating func note(_ anomaly: WalkAnomaly) {
        guard anomalies.count < Self.maximumAnomalies else { return }
        anomalies.append(anomaly)
        if anomalies.count == Self.maximumAnomalies {
            anomalies.append(WalkAnomaly("there is more damage than this in the log", at: anomaly.node))
        }
    }

    /// `nmi_print_seq` and `safe_print_seq`: `struct printk_safe_seq_buf` of each CPU; gone in 5.15 (93d102f094be).
    private static func unflushed(_ target: Target) -> [UnflushedText] {
        guard let layout = try? StructLayout(target, "printk_safe_seq_buf"), let length = try? layout.field("len"),
            let lost = try? layout.field("message_lost"), let buffer = try? layout.field("buffer")
        else { return [] }
        var found: [UnflushedText] = []
        for name in ["nmi_print_seq", "safe_print_seq"] {
            guard let symbol = target.symbols.symbol(named: name) else { continue }
            for (cpu, offset) in target.perCPU.offsets.enumerated() {
                guard let offset, let bytes = try? layout.read(symbol.address.advanced(by: offset)) else { continue }
                let count = length.read(bytes) ?? 0
                guard count > 0 else { continue }
                let text = bytes.clamped(UInt64(buffer.offset), count).array
                found.append(UnflushedText(cpu: cpu, buffer: name, text: text, lost: lost.read(bytes) ?? 0))
            }
        }
        return found
    }
}

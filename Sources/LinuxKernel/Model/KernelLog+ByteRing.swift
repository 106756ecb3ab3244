// The log until 5.9: records of varying length, one after another in a ring of bytes (kernel/printk/printk.c).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// `log_buf`. A record is a `struct printk_log` with the text and a dictionary behind it; a length of 0 says that
/// the next one is at the start of the buffer. A damaged length breaks the chain; it is taken up again at the next
/// place from which two records in a row make sense.
struct PrintkByteRing {
    private let buffer: PatchyBytes
    private let first: Int
    private let next: Int
    private let firstSequence: UInt64
    private let nextSequence: UInt64?
    private let header: Header

    /// `struct printk_log`; when no debug information has it, as 5.4 to 5.9 lay it out.
    private struct Header {
        var size = 16
        var timestamp = FieldPlace(offset: 0, bit: 0, width: 64)
        var length = FieldPlace(offset: 8, bit: 0, width: 16)
        var textLength = FieldPlace(offset: 10, bit: 0, width: 16)
        var dictionaryLength = FieldPlace(offset: 12, bit: 0, width: 16)
        var facility = FieldPlace(offset: 14, bit: 0, width: 8)
        var flags = FieldPlace(offset: 15, bit: 0, width: 5)
        var level = FieldPlace(offset: 15, bit: 5, width: 3)
        /// 5.1 (15ff2069cb7f), with CONFIG_PRINTK_CALLER.
        var caller: FieldPlace?

        init(_ target: Target) throws {
            guard let layout = try? StructLayout(target, "printk_log") else { return }
            size = layout.size
            timestamp = try layout.field("ts_nsec")
            length = try layout.field("len")
            textLength = try layout.field("text_len")
            dictionaryLength = try layout.field("dict_len")
            facility = try layout.field("facility")
            flags = try layout.field("flags")
            level = try layout.field("level")
            caller = try layout.find("caller_id")
        }
    }

    /// Records begin at multiples of this: `LOG_ALIGN` is the alignment of a u64, or of a u32 where those need none.
    private static let step = 4

    init(_ target: Target) throws {
        let size = try Globals.word(target, "log_buf_len", size: 4)
        let start = VirtualAddress(try Globals.word(target, "log_buf"))
        guard size >= 64, size <= UInt64(PatchyBytes.maximum) else {
            throw ValueError.absent("log_buf_len is \(size)")
        }
        header = try Header(target)
        buffer = try PatchyBytes(target.space, start, count: Int(size))
        first = Int(try Globals.word(target, "log_first_idx", size: 4))
        next = Int(try Globals.word(target, "log_next_idx", size: 4))
        firstSequence = (try? Globals.word(target, "log_first_seq")) ?? 0
        nextSequence = try? Globals.word(target, "log_next_seq")
    }

    func log() -> KernelLog {
        var log = KernelLog(format: .byteRing)
        guard first < buffer.bytes.count, next <= buffer.bytes.count else {
            log.note(
                WalkAnomaly("the log begins at \(first) and ends at \(next) of \(buffer.bytes.count)", at: buffer.base))
            return log
        }
        var index = first
        var wrapped = first <= next
        // The records before the last break are counted from the first number, those after it from the last one.
        var sinceBreak = 0
        var isBroken = false
        // The bound is for a chain that a damaged buffer could bend into a circle: indices only grow.
        while index != next {
            if wrapped, index > next { break }
            let length =
                buffer.fault(index..<min(index + header.size, buffer.bytes.count)) == nil
                ? header.length.read(buffer.bytes, at: index) : nil
            if length == 0 || index > buffer.bytes.count - header.size, !wrapped {
                wrapped = true
                index = 0
                continue
            }
            guard isPlausible(index, until: wrapped ? next : buffer.bytes.count) else {
                let fault = buffer.fault(index..<min(index + header.size, buffer.bytes.count))
                log.note(
                    WalkAnomaly(
                        "the log record at offset \(index) is damaged"
                            + (fault.map { ": \($0)" } ?? ": its length is \(length ?? 0)"),
                        at: buffer.base.advanced(by: UInt64(index))))
                isBroken = true
                sinceBreak = 0
                index = resume(after: index, &wrapped)
                continue
            }
            let record = record(index, number: UInt64(log.records.count))
            if case .lost(let why) = record.completeness {
                log.note(
                    WalkAnomaly(
                        "the text of the log record at offset \(index) is missing: \(why)",
                        at: buffer.base.advanced(by: UInt64(index))))
            }
            log.records.append(record)
            sinceBreak += 1
            index += Int(length ?? 0)
        }
        if isBroken, let nextSequence {
            for offset in 0..<sinceBreak {
                log.records[log.records.count - 1 - offset].sequence = nextSequence &- UInt64(offset) &- 1
            }
        }
        return log
    }

    /// Whether a record can begin at `index`: its parts fit into its length, and its length before `limit`.
    private func isPlausible(_ index: Int, until limit: Int) -> Bool {
        guard index >= 0, index <= buffer.bytes.count - header.size,
            buffer.fault(index..<index + header.size) == nil,
            let length = header.length.read(buffer.bytes, at: index),
            let text = header.textLength.read(buffer.bytes, at: index),
            let dictionary = header.dictionaryLength.read(buffer.bytes, at: index)
        else { return false }
        let used = UInt64(header.size) + text + dictionary
        // The padding is less than LOG_ALIGN; the header may be 16 or 20 bytes with alignment 4 or 8.
        return length >= used && length - used < 8 && length % UInt64(Self.step) == 0
            && index + Int(length) <= limit
    }

    /// Where the chain can be taken up again; the end when nowhere.
    private func resume(after broken: Int, _ wrapped: inout Bool) -> Int {
        var index = broken + Self.step
        while true {
            let limit = wrapped ? next : buffer.bytes.count
            while index <= limit - header.size {
                if isPlausible(index, until: limit) {
                    let length = Int(header.length.read(buffer.bytes, at: index) ?? 0)
                    let after = index + length
                    let endsRound =
                        !wrapped && after <= buffer.bytes.count - header.size
                        && header.length.read(buffer.bytes, at: after) == 0
                    if after == next || endsRound || isPlausible(after, until: limit) { return index }
                }
                index += Self.step
            }
            if wrapped { return next }
            wrapped = true
            index = 0
        }
    }

    private func record(_ index: Int, number: UInt64) -> LogRecord {
        func read(_ field: FieldPlace) -> UInt64 { field.read(buffer.bytes, at: index) ?? 0 }
        let length = read(header.textLength)
        let start = index + header.size
        var completeness = LogRecord.Completeness.whole
        var text: [UInt8] = []
        if let fault = buffer.fault(start..<start + Int(length)) {
            completeness = .lost("\(fault)")
        } else {
            text = buffer.bytes.clamped(UInt64(start), length).array
        }
        let dictionary = buffer.bytes.clamped(UInt64(start) + length, read(header.dictionaryLength)).array
        return LogRecord(
            sequence: firstSequence &+ number, timestamp: read(header.timestamp),
            level: UInt8(truncatingIfNeeded: read(header.level)),
            facility: UInt8(truncatingIfNeeded: read(header.facility)),
            caller: header.caller.map { .init(raw: UInt32(truncatingIfNeeded: read($0))) },
            isContinuation: read(header.flags) & 8 != 0, text: text, dictionary: Self.pairs(dictionary),
            completeness: completeness)
    }

    /// `KEY=value` strings with NULs between them.
    private static func pairs(_ bytes: [UInt8]) -> [(key: String, value: String)] {
        bytes.split(separator: 0).compactMap { part in
            guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return (
                String(decoding: part[..<equals], as: UTF8.self),
                String(decoding: part[(equals + 1)...], as: UTF8.self)
            )
        }
    }
}

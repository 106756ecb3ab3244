// The log of 5.10 and later: descriptors, their infos, and a ring of text (kernel/printk/printk_ringbuffer.c).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// `struct printk_ringbuffer`, read in three pieces: descriptors, infos, text.
///
/// A descriptor's `state_var` holds its id in the low 62 bits and its state above them. Text lies in blocks that
/// begin with the id of their descriptor; a position counts bytes since boot, so that its high bits tell how often
/// the ring has come round. A block never wraps: one that would not fit at the end lies whole at the start.
struct PrintkRing {
    private let descriptors: PatchyBytes
    private let infos: PatchyBytes
    private let text: PatchyBytes
    private let head: UInt64
    private let tail: UInt64
    private let count: UInt64
    private let textBits: UInt64
    private let fields: Fields

    private static let idMask: UInt64 = (1 << 62) - 1
    /// Rings above this are broken: 2^26 descriptors are 1.5 GiB of infos.
    private static let maximumBits: UInt64 = 20

    /// Where the members are in a descriptor and in an info.
    private struct Fields {
        let descriptor: StructLayout
        let state, begin, next: FieldPlace
        let info: StructLayout
        let sequence, timestamp, length, facility, flags, level: FieldPlace
        let caller, subsystem, device: FieldPlace?

        init(_ target: Target) throws {
            descriptor = try StructLayout(target, "prb_desc")
            state = try descriptor.field("state_var.counter")
            begin = try descriptor.field("text_blk_lpos.begin")
            next = try descriptor.field("text_blk_lpos.next")
            info = try StructLayout(target, "printk_info")
            sequence = try info.field("seq")
            timestamp = try info.field("ts_nsec")
            length = try info.field("text_len")
            facility = try info.field("facility")
            flags = try info.field("flags")
            level = try info.field("level")
            caller = try info.find("caller_id")
            subsystem = try info.find("dev_info.subsystem")
            device = try info.find("dev_info.device")
        }
    }

    init(_ target: Target) throws {
        let ring = try Globals.pointee(target, "prb", "printk_ringbuffer")
        fields = try Fields(target)
        let bits = try ring.path("desc_ring", "count_bits").unsigned()
        textBits = try ring.path("text_data_ring", "size_bits").unsigned()
        guard bits <= Self.maximumBits, textBits >= 4, textBits <= 28 else {
            throw ValueError.absent(
                "the log's ring at \(try ring.address) is broken: 2^\(bits) descriptors, 2^\(textBits) bytes of text")
        }
        count = 1 << bits
        head = try ring.path("desc_ring", "head_id", "counter").unsigned() & Self.idMask
        tail = try ring.path("desc_ring", "tail_id", "counter").unsigned() & Self.idMask
        func part(_ names: String..., bytes: Int) throws -> PatchyBytes {
            let pointer = try names.reduce(ring) { try $0.member($1) }.pointer()
            return try PatchyBytes(target.space, pointer, count: bytes)
        }
        descriptors = try part("desc_ring", "descs", bytes: Int(count) * fields.descriptor.size)
        infos = try part("desc_ring", "infos", bytes: Int(count) * fields.info.size)
        text = try part("text_data_ring", "data", bytes: 1 << Int(textBits))
    }

    /// What a descriptor turned out to be.
    private enum Outcome {
        case record(LogRecord)
        case reserved
        /// Nothing was ever written there, or it waits to be used again.
        case empty
        case damaged(WalkAnomaly)
    }

    func log() -> KernelLog {
        var log = KernelLog(format: .ringBuffer)
        var ids: [UInt64] = []
        for id in identifiers(&log) {
            switch outcome(id, &log) {
            case .record(let record):
                log.records.append(record)
                ids.append(id)
            case .reserved: log.reserved += 1
            case .empty: break
            case .damaged(let anomaly): log.note(anomaly)
            }
        }
        repairSequences(&log, ids)
        return log
    }

    /// The ids from the tail to the head; when those two cannot be true, the ids of all descriptors.
    private func identifiers(_ log: inout KernelLog) -> [UInt64] {
        let distance = (head &- tail) & Self.idMask
        if distance < count { return (0...distance).map { (tail &+ $0) & Self.idMask } }
        log.note(
            WalkAnomaly(
                "the log's ring of \(count) descriptors has its tail at id 0x\(hex(tail)) and its head at 0x\(hex(head)): all descriptors are read",
                at: descriptors.base))
        var ids: [UInt64] = []
        for index in 0..<count {
            let base = Int(index) * fields.descriptor.size
            guard descriptors.fault(base..<base + fields.descriptor.size) == nil,
                let word = fields.state.read(descriptors.bytes, at: base)
            else { continue }
            let id = word & Self.idMask
            // State 0 with id 0 is a descriptor that was never used.
            if id & (count - 1) == index, word != 0 { ids.append(id) }
        }
        // The oldest first, counted from some id so that the wrap at 2^62 does not matter.
        let origin = ids.first ?? 0
        return ids.sorted { Self.signedDistance(origin, $0) < Self.signedDistance(origin, $1) }
    }

    private static func signedDistance(_ from: UInt64, _ to: UInt64) -> Int64 {
        Int64(bitPattern: ((to &- from) & idMask) << 2) >> 2
    }

    private func outcome(_ id: UInt64, _ log: inout KernelLog) -> Outcome {
        let index = Int(id & (count - 1))
        let base = index * fields.descriptor.size
        let place = descriptors.base.advanced(by: UInt64(base))
        if let fault = descriptors.fault(base..<base + fields.descriptor.size) {
            return .damaged(WalkAnomaly("log descriptor 0x\(hex(id)) cannot be read: \(fault)", at: place))
        }
        guard let word = fields.state.read(descriptors.bytes, at: base) else { return .empty }
        let found = word & Self.idMask
        let state = word >> 62
        guard found == id else {
            // A writer moves the head before it takes the descriptor, and takes it again after pushing the tail.
            if found == (id &- count) & Self.idMask && state == 3 || found == (id &+ count) & Self.idMask {
                return .empty
            }
            // A descriptor that was never used has a state word of 0: the writer had only just moved the head.
            if word == 0, id == head { return .empty }
            return .damaged(
                WalkAnomaly("log descriptor 0x\(hex(id)) is damaged: its state word is 0x\(hex(word))", at: place))
        }
        switch state {
        case 0: return .reserved
        case 3: return .empty
        default: return record(id, index, base, isFinal: state == 2, &log)
        }
    }

    /// A committed (1) or finalized (2) record.
    private func record(
        _ id: UInt64, _ index: Int, _ descriptor: Int, isFinal: Bool, _ log: inout KernelLog
    ) -> Outcome {
        let base = index * fields.info.size
        let place = infos.base.advanced(by: UInt64(base))
        if let fault = infos.fault(base..<base + fields.info.size) {
            return .damaged(WalkAnomaly("the info of log record 0x\(hex(id)) cannot be read: \(fault)", at: place))
        }
        func read(_ field: FieldPlace?) -> UInt64? { field.flatMap { $0.read(infos.bytes, at: base) } }
        let length = read(fields.length) ?? 0
        let block = self.block(
            id, begin: fields.begin.read(descriptors.bytes, at: descriptor) ?? 1,
            next: fields.next.read(descriptors.bytes, at: descriptor) ?? 1, length: length)
        if let anomaly = block.anomaly { log.note(anomaly) }
        var completeness = block.completeness
        if !isFinal, completeness == .whole { completeness = .unfinished }
        return .record(
            LogRecord(
                sequence: read(fields.sequence) ?? 0, timestamp: read(fields.timestamp) ?? 0,
                level: UInt8(truncatingIfNeeded: read(fields.level) ?? 0),
                facility: UInt8(truncatingIfNeeded: read(fields.facility) ?? 0),
                caller: read(fields.caller).map { .init(raw: UInt32(truncatingIfNeeded: $0)) },
                isContinuation: (read(fields.flags) ?? 0) & 8 != 0, text: block.text,
                dictionary: device(base), completeness: completeness))
    }

    /// `struct dev_printk_info`: two NUL-terminated strings; empty when the message is about no device.
    private func device(_ base: Int) -> [(key: String, value: String)] {
        [("SUBSYSTEM", fields.subsystem, 16), ("DEVICE", fields.device, 48)].compactMap { key, field, size in
            guard let field else { return nil }
            let value = infos.bytes.clamped(UInt64(base + field.offset), UInt64(size)).cString
            return value.isEmpty ? nil : (key, value)
        }
    }

    private struct Block {
        var text: [UInt8] = []
        var completeness = LogRecord.Completeness.whole
        var anomaly: WalkAnomaly?
    }

    /// The text of a record. Its block is checked: both positions, the id it begins with, its length.
    private func block(_ id: UInt64, begin: UInt64, next: UInt64, length: UInt64) -> Block {
        // Bit 0 marks a record without a block: both 3 for an empty line, else the text did not fit.
        if begin & 1 == 1 {
            return begin == 3 && next & 1 == 1
                ? Block() : Block(completeness: .lost("the kernel had no room for its text"))
        }
        let size = UInt64(1) << textBits
        func damaged(_ what: String) -> Block {
            Block(
                completeness: .lost(what),
                anomaly: WalkAnomaly(
                    "the text of log record 0x\(hex(id)) is damaged: \(what)",
                    at: text.base.advanced(by: begin & (size - 1))))
        }
        let start: UInt64
        let end: UInt64
        let sameRound = begin >> textBits == next >> textBits
        // A block that ends with the ring has its next position in the next round, at 0.
        let endsWithRing = next & (size - 1) == 0 && next >> textBits == (begin >> textBits) &+ 1
        if sameRound || endsWithRing {
            start = begin & (size - 1)
            end = endsWithRing ? size : next & (size - 1)
        } else {
            guard next >> textBits == (begin >> textBits) &+ 1 else {
                return damaged("it reaches from 0x\(hex(begin)) to 0x\(hex(next))")
            }
            start = 0
            end = next & (size - 1)
        }
        guard start < end, end <= size, end - start >= 8 else {
            return damaged("it reaches from 0x\(hex(begin)) to 0x\(hex(next))")
        }
        let range = Int(start)..<Int(min(end, start &+ 8 &+ length))
        if let fault = text.fault(range) { return damaged("\(fault)") }
        let owner = text.bytes.withBytes { $0.little(Int(start), as: UInt64.self) } ?? 0
        guard owner & Self.idMask == id else { return damaged("the block at its place belongs to id 0x\(hex(owner))") }
        var block = Block(text: text.bytes.clamped(start + 8, min(length, end - start - 8)).array)
        if length > end - start - 8 {
            block.completeness = .truncated("\(length) bytes were written, its block has \(end - start - 8)")
            block.anomaly = WalkAnomaly(
                "log record 0x\(hex(id)) claims \(length) bytes of text in a block of \(end - start - 8)",
                at: text.base.advanced(by: start))
        }
        return block
    }

    /// Sequence numbers and ids count in step. A record whose number does not is damaged: it gets the number of its id.
    private func repairSequences(_ log: inout KernelLog, _ ids: [UInt64]) {
        guard let origin = ids.first else { return }
        var votes: [UInt64: Int] = [:]
        for (index, id) in ids.enumerated() {
            votes[log.records[index].sequence &- ((id &- origin) & Self.idMask), default: 0] += 1
        }
        guard let (first, _) = votes.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return }
        for (index, id) in ids.enumerated() {
            let expected = first &+ ((id &- origin) & Self.idMask)
            let found = log.records[index].sequence
            guard found != expected else { continue }
            log.records[index].sequence = expected
            log.note(
                WalkAnomaly(
                    "log record 0x\(hex(id)) says that it is number \(found), between its neighbours it is \(expected)",
                    at: infos.base.advanced(by: (id & (count - 1)) &* UInt64(fields.info.size))))
        }
    }
}

// A flattened file (makedumpfile -F, QEMU): records in the order in which they were written, read in the order of
// the file that they make.
//
// A pipe cannot seek, so each record says where its bytes belong; a later one overwrites an earlier one. Nothing is
// rewritten here: an index says for each offset of the meant file where its bytes stand in the real one.

internal import Bytes

struct FlatFile: Sendable {
    /// Bytes [start, start + count) of the meant file stand at `position` of the real one.
    struct Extent: Sendable, Equatable {
        var start: UInt64
        var count: UInt64
        var position: UInt64
        var end: UInt64 { start + count }
    }

    private let bytes: ByteSlice
    /// Sorted, not overlapping. What no record covers reads as zeros, as in the sparse file that rearranging makes.
    private let extents: [Extent]
    let count: UInt64
    /// The size of the real file.
    var stored: UInt64 { UInt64(bytes.count) }

    private static let headerSize: UInt64 = 4096

    static func matches(_ bytes: ByteSlice) -> Bool {
        bytes.hasBytes(Array("makedumpfile".utf8)) && bytes[12] == 0
    }

    /// Reads every record's header. A file cut short keeps what it has, with a remark.
    init(_ bytes: ByteSlice, _ limits: Limits, _ remarks: inout [String]) throws(ParseFault) {
        var cursor = Cursor(bytes, order: .big, at: 16)
        let type = try cursor.u64("flattened header type")
        let version = try cursor.u64("flattened header version")
        guard type == 1, version == 1 else {
            throw cursor.fault(
                "flattened header", .unsupported("type \(type), version \(version), expected 1 and 1"), back: 16)
        }
        try cursor.seek(Self.headerSize, "first flattened record")
        self.bytes = bytes
        extents = Self.flatten(try Self.records(cursor, limits, &remarks))
        count = extents.last?.end ?? 0
    }

    private static func records(
        _ start: Cursor, _ limits: Limits, _ remarks: inout [String]
    ) throws(ParseFault) -> [Extent] {
        var cursor = start
        var records: [Extent] = []
        while true {
            guard cursor.remaining >= 16 else {
                remarks.append("\(cursor.slice.name): the flattened file is cut short: its end mark is missing")
                return records
            }
            let offset = try cursor.s64("offset of a flattened record")
            let size = try cursor.s64("size of a flattened record")
            if offset == -1 { return records }
            guard offset >= 0, size >= 0, !offset.addingReportingOverflow(size).overflow else {
                remarks.append(
                    "\(cursor.fault("flattened record", .invalid("offset \(offset), size \(size)"), back: 16))")
                return records
            }
            guard records.count < limits.flatRecords else {
                throw cursor.fault("flattened record", .limit("\(records.count) records"))
            }
            let present = min(UInt64(size), UInt64(cursor.remaining))
            if present > 0 {
                records.append(Extent(start: UInt64(offset), count: present, position: UInt64(cursor.position)))
            }
            if present < UInt64(size) {
                remarks.append(
                    "\(cursor.slice.name): the flattened file is cut short: its last record has \(present) of \(size) bytes"
                )
                return records
            }
            try cursor.skip(present, "flattened record")
        }
    }

    /// The records without their overlaps, sorted: of two that cover a byte, the later one has it. O(n log n).
    ///
    /// Records are painted last to first over the elementary intervals between all their borders; `next` leads from
    /// an interval to the nearest one that is not painted yet (a union-find), so that each is painted once.
    static func flatten(_ records: [Extent]) -> [Extent] {
        let sorted = records.sorted { $0.start < $1.start }
        guard zip(sorted, sorted.dropFirst()).contains(where: { $0.end > $1.start }) else { return sorted }
        var borders = records.flatMap { [$0.start, $0.end] }
        borders.sort()
        var unique: [UInt64] = []
        for border in borders where border != unique.last { unique.append(border) }
        borders = unique
        var next = Array(0...borders.count)
        var painted = [UInt64?](repeating: nil, count: borders.count)
        for record in records.reversed() {
            var index = find(borders.partitioningIndex { $0 >= record.start }, &next)
            while index < borders.count, borders[index] < record.end {
                painted[index] = record.position + (borders[index] - record.start)
                next[index] = index + 1
                index = find(index + 1, &next)
            }
        }
        var result: [Extent] = []
        for index in borders.indices.dropLast() {
            guard let position = painted[index] else { continue }
            let count = borders[index + 1] - borders[index]
            if let last = result.last, last.end == borders[index], last.position + last.count == position {
                result[result.count - 1].count += count
            } else {
                result.append(Extent(start: borders[index], count: count, position: position))
            }
        }
        return result
    }

    private static func find(_ index: Int, _ next: inout [Int]) -> Int {
        var root = index
        while root < next.count, next[root] != root { root = next[root] }
        var at = index
        while at < root { (at, next[at]) = (next[at], root) }
        return root
    }

    func clamped(_ offset: UInt64, _ wanted: UInt64) -> ByteSlice {
        let from = min(offset, count)
        // No piece is larger than the file itself: records may claim any offset, and holes cost their author nothing.
        let size = min(wanted, count - from, stored)
        guard size > 0, let length = Int(exactly: size) else { return bytes.clamped(0, 0) }
        var index = extents.partitioningIndex { $0.end > from }
        if index < extents.count, extents[index].start <= from, from + size <= extents[index].end {
            return bytes.clamped(extents[index].position + (from - extents[index].start), size)
        }
        let storage = ByteStorage(name: bytes.name, count: length) { output in
            while index < extents.count, extents[index].start < from + size {
                let extent = extents[index]
                let begin = max(extent.start, from)
                let part = bytes.clamped(
                    extent.position + (begin - extent.start), min(extent.end, from + size) - begin)
                part.withBytes { _ = output.copy($0, from: 0, count: $0.byteCount, at: Int(begin - from)) }
                index += 1
            }
            return length
        }
        return ByteSlice(storage)
    }
}

extension Array {
    /// The first index whose element satisfies `predicate`, which holds for no element before one that it holds for.
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

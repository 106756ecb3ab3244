// Memory that stands uncompressed in its files, range by range: ELF cores and raw images.

internal import Bytes
internal import Memory

/// Physical ranges and where their bytes are. Pages are parts of the mapping; nothing is copied but where a page
/// crosses ranges. A lookup is a binary search; safe to share between threads.
struct ExtentMemory: ContiguousMemory {
    /// Physical [start, start + count): its bytes begin at `position` of the source of that index.
    struct Extent: Sendable {
        var start: UInt64
        var count: UInt64
        var position: UInt64
        var source: Int
        var end: UInt64 { start + count }
    }

    /// What the headers say, in any order and overlapping as they like.
    struct Ranges {
        /// With bytes in a file.
        var saved: [Extent] = []
        /// The file should have them, and ends before.
        var lost: [Range<UInt64>] = []
        /// Memory of the machine whose bytes were left out.
        var filtered: [Range<UInt64>] = []
    }

    let pageSize = 4096
    /// Sorted by start, not overlapping.
    private let saved: [Extent]
    private let lost: [Range<UInt64>]
    private let filtered: [Range<UInt64>]
    private let sources: [DumpBytes]
    /// The only source, when it is a mapping: `search` lives on the page lookup, and this way is the shortest.
    private let mapping: ByteSlice?

    /// Where ranges overlap (/proc/vmcore describes the kernel's text twice), the one that starts first has the
    /// bytes; saved beats lost, and lost beats filtered.
    init(_ ranges: Ranges, _ sources: [DumpBytes]) {
        var result: [Extent] = []
        for var extent in ranges.saved.sorted(by: { $0.start < $1.start }) {
            extent.count = min(extent.count, .max - extent.start)
            if let covered = result.last?.end, covered > extent.start {
                let over = covered - extent.start
                guard over < extent.count else { continue }
                extent.start += over
                extent.position = extent.position.addingReportingOverflow(over).partialValue
                extent.count -= over
            }
            if extent.count > 0 { result.append(extent) }
        }
        saved = result
        lost = Self.union(ranges.lost)
        filtered = Self.union(ranges.filtered)
        self.sources = sources
        mapping = sources.count == 1 ? sources[0].mapping : nil
    }

    private static func union(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var result: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = result.last, last.upperBound >= range.lowerBound {
                result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        let base = address.pageStart(pageSize)
        let index = saved.partitioningIndex { $0.end > base.rawValue }
        if index < saved.count {
            let extent = saved[index]
            if extent.start <= base.rawValue, extent.end - base.rawValue >= UInt64(pageSize) {
                let position = extent.position &+ (base.rawValue - extent.start)
                let bytes =
                    mapping?.clamped(position, UInt64(pageSize))
                    ?? sources[extent.source].clamped(position, UInt64(pageSize))
                if bytes.count == pageSize {
                    bytes.noteUse()
                    return Page(base: base, bytes: bytes)
                }
            }
        }
        return try partialPage(base, containing: address.rawValue)
    }

    func piece(at address: PhysicalAddress, limit: Int) -> ByteSlice? {
        let index = saved.partitioningIndex { $0.end > address.rawValue }
        guard let mapping, index < saved.count, saved[index].start <= address.rawValue else { return nil }
        let room = min(saved[index].end - address.rawValue, UInt64(max(limit, 0))) & ~UInt64(pageSize - 1)
        let bytes = mapping.clamped(saved[index].position &+ (address.rawValue - saved[index].start), room)
        bytes.noteUse()
        return room > 0 && UInt64(bytes.count) == room ? bytes : nil
    }

    /// A page that no single range covers. Its bytes end where the run of saved bytes that holds `address` ends, and
    /// are zeros before it begins: whoever reads on from `address` meets the end, never made-up bytes.
    private func partialPage(_ base: PhysicalAddress, containing address: UInt64) throws(MemoryFault) -> Page {
        let last = base.rawValue | UInt64(pageSize - 1)
        var index = saved.partitioningIndex { $0.end > address }
        guard index < saved.count, saved[index].start <= address else { throw .notSaved(.init(address), why(address)) }
        while index > 0, saved[index - 1].end == saved[index].start, saved[index].start > base.rawValue { index -= 1 }
        var bytes = [UInt8](repeating: 0, count: Int(max(saved[index].start, base.rawValue) - base.rawValue))
        while index < saved.count, bytes.count < pageSize {
            let extent = saved[index]
            let at = base.rawValue + UInt64(bytes.count)
            guard extent.start <= at, at < extent.end else { break }
            let count = min(extent.end - 1, last) - at + 1
            let part = sources[extent.source].clamped(extent.position &+ (at - extent.start), count)
            bytes += part.array
            guard UInt64(part.count) == count else { break }
            index += 1
        }
        guard base.rawValue + UInt64(bytes.count) > address else { throw .notSaved(.init(address), .truncated) }
        return Page(base: base, bytes: ByteSlice(bytes, name: "memory"))
    }

    private func why(_ address: UInt64) -> MemoryFault.Reason {
        if Self.contains(lost, address) { return .truncated }
        return Self.contains(filtered, address) ? .filtered : .hole
    }

    private static func contains(_ ranges: [Range<UInt64>], _ address: UInt64) -> Bool {
        let index = ranges.partitioningIndex { $0.upperBound > address }
        return index < ranges.count && ranges[index].lowerBound <= address
    }

    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? {
        let index = saved.partitioningIndex { $0.end > address.rawValue }
        guard index < saved.count else { return nil }
        let start = max(saved[index].start, address.pageStart(pageSize).rawValue)
        var end = saved[index].end
        for extent in saved[(index + 1)...] {
            guard extent.start == end else { break }
            end = extent.end
        }
        return PhysicalAddress(start)..<PhysicalAddress(end)
    }
}

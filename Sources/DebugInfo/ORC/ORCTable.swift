// The x86 kernel's own unwind tables: two arrays, of addresses and of what to do there.

package import Bytes
package import DebugModel

/// An ORC table (arch/x86/include/asm/orc_types.h): of the kernel image, from file or memory, or of one module.
package struct ORCTable: UnwindSource {
    /// `s32` each, relative to the place where it stands.
    private let places: ByteSlice
    /// The address of the first of them in the running kernel.
    private let placesAddress: UInt64
    /// Six bytes each.
    private let entries: ByteSlice
    private let format: ORCFormat
    /// The order by address, when the arrays are not in it already: a module's file is sorted when it is loaded.
    private let order: [UInt32]?
    package let count: Int
    /// In a table that must be in order: the rows that are not, ascending. They are not in `order`.
    private let misplaced: [UInt32]

    /// What is damaged, a sentence.
    package var remark: String? {
        let all = count + misplaced.count
        let parts = [
            misplaced.count == unread ? nil : "\(misplaced.count - unread) of \(all) ORC entries are out of order",
            unread == 0 ? nil : "\(unread) of \(all) ORC entries cannot be read",
        ]
        let said = parts.compactMap { $0 }.joined(separator: "; ")
        return said.isEmpty ? nil : said
    }
    /// How many of `misplaced` could not be read.
    private let unread: Int

    /// `places` is `.orc_unwind_ip` (relocated, if it comes from a relocatable file), `address` where its first byte
    /// is in the running kernel; `entries` is `.orc_unwind`. Arrays of different lengths are cut to the shorter one.
    /// `isFinal` says that the kernel has sorted it (in its memory), so that entries out of order are damage: those
    /// are left out, with what they may have said, as are those that lie in holes of either array.
    /// Complexity: linear; sorts when necessary.
    package init(
        places: ByteSlice, at address: VirtualAddress, entries: ByteSlice, format: ORCFormat, isFinal: Bool = false,
        placeHoles: Holes = Holes(), entryHoles: Holes = Holes()
    ) {
        self.places = places
        placesAddress = address.rawValue
        self.entries = entries
        self.format = format
        let count = min(places.count / 4, entries.count / 6, Int(UInt32.max))
        let start = address.rawValue
        var unread: Set<Int> = []
        for (holes, width) in [(placeHoles, 4), (entryHoles, 6)] {
            for hole in holes.ranges {
                unread.formUnion(hole.lowerBound / width..<min((hole.upperBound + width - 1) / width, count))
            }
        }
        self.unread = unread.count
        (order, misplaced) = places.withBytes { span -> ([UInt32]?, [UInt32]) in
            var previous: UInt64 = 0
            var sorted = true
            for index in 0..<count {
                let place = Self.place(span, index, start)
                if place < previous { sorted = false }
                previous = place
            }
            if sorted, unread.isEmpty { return (nil, []) }
            if isFinal || !unread.isEmpty {
                return Self.longestRise(count, without: unread) { Self.place(span, $0, start) }
            }
            return (entries.withBytes { entries in Self.sort(span, entries, count, start, format) }, [])
        }
        self.count = count - misplaced.count
    }

    /// The most rows that ascend, and the others: what is left when a few rows were overwritten.
    /// Complexity: n log n (patience sorting).
    private static func longestRise(
        _ count: Int, without unread: Set<Int>, place: (Int) -> UInt64
    ) -> ([UInt32], [UInt32]) {
        // By length: the row with the lowest place that ends a rise of that length; by row: the one before it.
        var ends: [UInt32] = []
        var before = [UInt32](repeating: .max, count: count)
        for row in 0..<count where unread.isEmpty || !unread.contains(row) {
            let here = place(row)
            var low = 0
            var high = ends.count
            while low < high {
                let middle = (low + high) / 2
                if place(Int(ends[middle])) <= here { low = middle + 1 } else { high = middle }
            }
            if low > 0 { before[row] = ends[low - 1] }
            let number = UInt32(truncatingIfNeeded: row)
            if low == ends.count { ends.append(number) } else { ends[low] = number }
        }
        var kept: [UInt32] = []
        var current = ends.last ?? .max
        while current != .max {
            kept.append(current)
            current = before[Int(current)]
        }
        kept.reverse()
        var isKept = [Bool](repeating: false, count: count)
        for row in kept { isKept[Int(row)] = true }
        return (kept, (0..<count).filter { !isKept[$0] }.map { UInt32(truncatingIfNeeded: $0) })
    }

    @inline(__always)
    private static func place(_ span: borrowing RawSpan, _ index: Int, _ start: UInt64) -> UInt64 {
        let offset = Int64(span.little(index &* 4, as: Int32.self) ?? 0)
        return start &+ UInt64(truncatingIfNeeded: index &* 4) &+ UInt64(bitPattern: offset)
    }

    /// By address; of two entries at one address the one that knows nothing first, so that the other is found
    /// (as the kernel's orc_sort_cmp does for the ends of sections and for overridden weak functions).
    private static func sort(
        _ span: borrowing RawSpan, _ entries: borrowing RawSpan, _ count: Int, _ start: UInt64, _ format: ORCFormat
    ) -> [UInt32] {
        var keys: [UInt64] = []
        var rows: [UInt32] = []
        for knowing in [false, true] {
            for index in 0..<count {
                let bits = entries.little(index &* 6 &+ 4, as: UInt16.self) ?? 0
                guard ORCEntry(spOffset: 0, bpOffset: 0, bits: bits, format).isKnown == knowing else { continue }
                keys.append(place(span, index, start))
                rows.append(UInt32(truncatingIfNeeded: index))
            }
        }
        return ascendingOrder(of: keys).map { rows[Int($0)] }
    }

    /// The addresses that the table speaks of: from its first entry to its last. Nil when it is empty.
    package var range: ClosedRange<UInt64>? {
        guard count > 0 else { return nil }
        return places.withBytes { span in
            let first = Self.place(span, row(0), placesAddress)
            let last = Self.place(span, row(count - 1), placesAddress)
            return first <= last ? first...last : nil
        }
    }

    private func row(_ position: Int) -> Int { order.map { Int($0[position]) } ?? position }

    /// Complexity: logarithmic. Beyond the last entry the last one holds; it ends the text and knows nothing.
    package func row(at address: VirtualAddress) throws -> UnwindRow? {
        let index = places.withBytes { span in
            lastIndex(atMost: address.rawValue, count: count) { Self.place(span, row($0), placesAddress) }
        }
        guard let index else { return nil }
        try checkOrder(after: index)
        var cursor = Cursor(entries, order: .little, at: row(index) * 6)
        let entry = ORCEntry(
            spOffset: try cursor.s16("sp_offset"), bpOffset: try cursor.s16("bp_offset"),
            bits: try cursor.u16("ORC entry"), format)
        guard let row = entry.unwindRow() else {
            if !entry.isKnown { return nil }
            throw cursor.fault("ORC entry", .invalid("register or type of bits 0x\(hex(UInt64(entry.bits)))"), back: 6)
        }
        return row
    }

    /// Throws when rows were left out between this position and the next: one of them may have said what holds here.
    private func checkOrder(after position: Int) throws(ParseFault) {
        guard !misplaced.isEmpty else { return }
        let next = position + 1 < count ? UInt32(truncatingIfNeeded: row(position + 1)) : .max
        let here = UInt32(truncatingIfNeeded: row(position))
        let first =
            lastIndex(atMost: UInt64(here), count: misplaced.count) { UInt64(misplaced[$0]) }.map { $0 + 1 } ?? 0
        guard first < misplaced.count, misplaced[first] < next else { return }
        throw ParseFault(
            "ORC entry \(misplaced[first])", in: places.name, at: UInt64(misplaced[first]) * 4,
            .invalid("it is out of order, or cannot be read"))
    }
}

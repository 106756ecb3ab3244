// The table `.debug_aranges`: which unit an address belongs to.

internal import Bytes

/// DWARF 5, section 6.1.2. Producers may leave units out of it (clang does by default), so that a unit it names is
/// believed and one that it does not name is asked itself.
enum Aranges {
    struct Entry: Sendable, Equatable {
        let low: UInt64
        let high: UInt64
        /// The offset of the unit's header in `.debug_info`.
        let unit: UInt64
    }

    /// All tuples, in the order of the section. A damaged set ends the reading; what was read is kept.
    static func read(_ section: ByteSlice, order: ByteOrder) -> (entries: [Entry], fault: ParseFault?) {
        var entries: [Entry] = []
        var cursor = Cursor(section, order: order)
        do throws(ParseFault) {
            while cursor.remaining >= 12 { try set(&cursor, &entries) }
        } catch {
            return (entries, error)
        }
        return (entries, nil)
    }

    private static func set(_ cursor: inout Cursor, _ entries: inout [Entry]) throws(ParseFault) {
        let start = cursor.position
        var length = UInt64(try cursor.u32("unit_length"))
        let is64 = length == 0xffff_ffff
        if is64 { length = try cursor.u64("unit_length") }
        guard length <= UInt64(cursor.remaining) else {
            throw cursor.fault("address ranges", .truncated(needed: length, available: UInt64(cursor.remaining)))
        }
        let end = cursor.position + Int(length)
        var body = Cursor(cursor.slice.clamped(0, UInt64(end)), order: cursor.order, at: cursor.position)
        try cursor.skip(length, "address ranges")
        guard try body.u16("version") == 2 else {
            throw body.fault("version", .unsupported("a version of .debug_aranges that is not 2"), back: 2)
        }
        let unit = try body.unsigned(size: is64 ? 8 : 4, "debug_info_offset")
        let size = Int(try body.u8("address_size"))
        guard size == 4 || size == 8, try body.u8("segment_selector_size") == 0 else {
            throw body.fault("address_size", .unsupported("addresses of \(size) bytes, or segments"))
        }
        // The tuples are aligned to their own size, counted from the start of the set.
        let over = (body.position - start) % (size * 2)
        if over != 0 { try body.skip(UInt64(size * 2 - over), "padding") }
        while body.remaining >= size * 2 {
            let low = try body.unsigned(size: size, "address")
            let count = try body.unsigned(size: size, "length")
            if low == 0, count == 0 { break }
            let (high, overflow) = low.addingReportingOverflow(count)
            if low != 0, count != 0, !overflow { entries.append(Entry(low: low, high: high, unit: unit)) }
        }
    }
}

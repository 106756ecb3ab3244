// Location lists: which expression describes a variable at which addresses.

internal import Bytes

/// The location lists of one unit (DWARF 5, section 7.29; DWARF 4, section 2.6.2). Views are passed over: of the places
/// that share an address the last is meant, and nothing of a stack lies between them.
struct LocationLists {
    let unit: Unit
    /// `DW_AT_low_pc` of the unit: what offsets count from until a list says otherwise.
    private let base: UInt64

    /// Longer lists are no compiler's: the longest of a stock kernel has some 2 000 entries.
    private static let mostEntries = 1 << 16

    init(_ unit: Unit) throws(ParseFault) {
        self.unit = unit
        base = try unit.lowPC() ?? 0
    }

    /// The expressions that hold at `address` and at `entry`, each nil where the list is silent. At the entry a range
    /// without extent counts: it is what holds before the first instruction.
    func expressions(
        _ value: AttributeValue, at address: UInt64, entry: UInt64?
    ) throws(ParseFault) -> (here: ByteSlice?, atEntry: ByteSlice?) {
        var here: ByteSlice?
        var atEntry: ByteSlice?
        var byDefault: ByteSlice?
        func take(_ low: UInt64, _ high: UInt64, _ expression: ByteSlice) {
            if low <= address, address < high, here == nil { here = expression }
            if let entry, low <= entry, entry < high || low == entry, atEntry == nil { atEntry = expression }
        }
        if unit.header.version >= 5 {
            var cursor = Cursor(try unit.sections[.loclists], order: unit.header.order)
            try cursor.seek(try offset(value), "location list")
            try read(&cursor, take) { byDefault = $0 }
        } else {
            var cursor = Cursor(try unit.sections[.loc], order: unit.header.order)
            try cursor.seek(try offset(value), "location list")
            try readOld(&cursor, take)
        }
        return (here ?? byDefault, atEntry ?? byDefault)
    }

    private func offset(_ value: AttributeValue) throws(ParseFault) -> UInt64 {
        guard case .listIndex(let index) = value else { return value.unsigned ?? .max }
        let width: UInt64 = unit.header.is64 ? 8 : 4
        // Without a base, the table begins behind the header of the only part that there is.
        let lists = unit.locationListsBase == 0 ? (unit.header.is64 ? 20 : 12) : unit.locationListsBase
        let (product, overflow) = index.multipliedReportingOverflow(by: width)
        let (place, beyond) = product.addingReportingOverflow(lists)
        var cursor = Cursor(try unit.sections[.loclists], order: unit.header.order)
        try cursor.seek(overflow || beyond ? .max : place, "location list index")
        return lists &+ (try cursor.unsigned(size: Int(width), "location list offset"))
    }

    private func read(
        _ cursor: inout Cursor, _ take: (UInt64, UInt64, ByteSlice) -> Void, otherwise: (ByteSlice) -> Void
    ) throws(ParseFault) {
        let size = unit.addressSize
        var base = base
        func expression(_ cursor: inout Cursor) throws(ParseFault) -> ByteSlice {
            try cursor.bytes(try cursor.uleb128("location length"), "location")
        }
        for _ in 0..<Self.mostEntries {
            switch try cursor.u8("location list entry") {
            case 0: return
            case 1: base = try unit.address(try cursor.uleb128("base_addressx"))
            case 2:
                let low = try unit.address(try cursor.uleb128("startx_endx"))
                let high = try unit.address(try cursor.uleb128("startx_endx"))
                take(low, high, try expression(&cursor))
            case 3:
                let low = try unit.address(try cursor.uleb128("startx_length"))
                let length = try cursor.uleb128("startx_length")
                take(low, low &+ length, try expression(&cursor))
            case 4:
                let low = try cursor.uleb128("offset_pair")
                let high = try cursor.uleb128("offset_pair")
                take(base &+ low, base &+ high, try expression(&cursor))
            case 5: otherwise(try expression(&cursor))
            case 6: base = try cursor.unsigned(size: size, "base_address")
            case 7:
                let low = try cursor.unsigned(size: size, "start_end")
                let high = try cursor.unsigned(size: size, "start_end")
                take(low, high, try expression(&cursor))
            case 8:
                let low = try cursor.unsigned(size: size, "start_length")
                let length = try cursor.uleb128("start_length")
                take(low, low &+ length, try expression(&cursor))
            case 9:
                // DW_LLE_view_pair
                _ = try cursor.uleb128("view")
                _ = try cursor.uleb128("view")
            case let other: throw cursor.fault("location list entry", .invalid("kind \(other)"), back: 1)
            }
        }
        throw cursor.fault("location list", .limit("too many entries"))
    }

    private func readOld(
        _ cursor: inout Cursor, _ take: (UInt64, UInt64, ByteSlice) -> Void
    ) throws(ParseFault) {
        let size = unit.addressSize
        let selection: UInt64 = size >= 8 ? .max : (UInt64(1) << UInt64(max(size, 1) * 8)) - 1
        var base = base
        for _ in 0..<Self.mostEntries {
            let low = try cursor.unsigned(size: size, "beginning of a location")
            let high = try cursor.unsigned(size: size, "end of a location")
            if low == 0, high == 0 { return }
            if low == selection {
                base = high
                continue
            }
            take(base &+ low, base &+ high, try cursor.bytes(UInt64(try cursor.u16("location length")), "location"))
        }
        throw cursor.fault("location list", .limit("too many entries"))
    }
}

// The address ranges of a unit, a function or a block.

package import Bytes

/// Where the lists of ranges are, and what a unit says about how to read them.
package struct RangeLists: Sendable {
    /// `.debug_ranges` (up to version 4), `.debug_rnglists` and `.debug_addr` (version 5); empty when absent.
    package let ranges: ByteSlice
    package let rnglists: ByteSlice
    package let addresses: ByteSlice
    package let order: ByteOrder

    package init(ranges: ByteSlice, rnglists: ByteSlice, addresses: ByteSlice, order: ByteOrder) {
        self.ranges = ranges
        self.rnglists = rnglists
        self.addresses = addresses
        self.order = order
    }

    /// What of a unit matters here.
    package struct Context: Sendable {
        package var version: UInt16
        package var addressSize: Int
        package var is64 = false
        /// DW_AT_low_pc of the unit: what offsets count from until a list says otherwise.
        package var base: UInt64 = 0
        /// DW_AT_addr_base and DW_AT_rnglists_base.
        package var addressBase: UInt64 = 0
        package var listsBase: UInt64 = 0

        package init(version: UInt16, addressSize: Int) {
            self.version = version
            self.addressSize = addressSize
        }
    }

    /// How many entries one pass over a unit may read in all: lists can be shared, so that a small hostile file could
    /// ask for the same long list at every DIE. The whole of a stock kernel's lists are less than a million entries.
    package static let budget = 4 << 20

    /// The address that DW_FORM_addrx and its kin name.
    package func address(_ index: UInt64, _ context: Context) throws(ParseFault) -> UInt64 {
        let (product, overflow) = index.multipliedReportingOverflow(by: UInt64(clamping: context.addressSize))
        let (offset, beyond) = product.addingReportingOverflow(context.addressBase)
        var cursor = Cursor(addresses, order: order)
        try cursor.seek(overflow || beyond ? .max : offset, "address index")
        return try cursor.unsigned(size: context.addressSize, "address")
    }

    /// The offset in `.debug_rnglists` that DW_FORM_rnglistx names.
    package func list(_ index: UInt64, _ context: Context) throws(ParseFault) -> UInt64 {
        let width: UInt64 = context.is64 ? 8 : 4
        let (product, overflow) = index.multipliedReportingOverflow(by: width)
        let (place, beyond) = product.addingReportingOverflow(context.listsBase)
        var cursor = Cursor(rnglists, order: order)
        try cursor.seek(overflow || beyond ? .max : place, "range list index")
        return context.listsBase &+ (try cursor.unsigned(size: Int(width), "range list offset"))
    }

    /// The ranges of the list at `offset` (DW_AT_ranges), as [low, high). Empty ones are left out, and those at
    /// address 0, which is where linkers put what they dropped. Each entry read is taken from `budget`.
    package func read(
        at offset: UInt64, _ context: Context, budget: inout Int
    ) throws(ParseFault) -> [Range<UInt64>] {
        var result: [Range<UInt64>] = []
        func add(_ low: UInt64, _ high: UInt64) {
            if low != 0, low < high { result.append(low..<high) }
        }
        if context.version >= 5 {
            try readList(at: offset, context, &budget, add)
        } else {
            try readOld(at: offset, context, &budget, add)
        }
        return result
    }

    /// DWARF 4, section 2.17.3.
    private func readOld(
        at offset: UInt64, _ context: Context, _ budget: inout Int, _ add: (UInt64, UInt64) -> Void
    ) throws(ParseFault) {
        var cursor = Cursor(ranges, order: order)
        try cursor.seek(offset, "DW_AT_ranges")
        let size = context.addressSize
        let selection: UInt64 = size >= 8 ? .max : (UInt64(1) << UInt64(max(size, 1) * 8)) - 1
        var base = context.base
        while budget > 0 {
            budget -= 1
            let low = try cursor.unsigned(size: size, "beginning of a range")
            let high = try cursor.unsigned(size: size, "end of a range")
            if low == 0, high == 0 { return }
            if low == selection { base = high } else if low < high { add(base &+ low, base &+ high) }
        }
        throw cursor.fault("DW_AT_ranges", .limit("too many ranges"))
    }

    /// DWARF 5, section 7.25.
    private func readList(
        at offset: UInt64, _ context: Context, _ budget: inout Int, _ add: (UInt64, UInt64) -> Void
    ) throws(ParseFault) {
        var cursor = Cursor(rnglists, order: order)
        try cursor.seek(offset, "DW_AT_ranges")
        let size = context.addressSize
        var base = context.base
        while budget > 0 {
            budget -= 1
            switch try cursor.u8("range list entry") {
            case 0: return
            case 1: base = try address(try cursor.uleb128("base_addressx"), context)
            case 2:
                let low = try address(try cursor.uleb128("startx_endx"), context)
                add(low, try address(try cursor.uleb128("startx_endx"), context))
            case 3:
                let low = try address(try cursor.uleb128("startx_length"), context)
                add(low, low &+ (try cursor.uleb128("startx_length")))
            case 4:
                let low = try cursor.uleb128("offset_pair")
                let high = try cursor.uleb128("offset_pair")
                if low < high { add(base &+ low, base &+ high) }
            case 5: base = try cursor.unsigned(size: size, "base_address")
            case 6:
                let low = try cursor.unsigned(size: size, "start_end")
                add(low, try cursor.unsigned(size: size, "start_end"))
            case 7:
                let low = try cursor.unsigned(size: size, "start_length")
                add(low, low &+ (try cursor.uleb128("start_length")))
            case let other:
                throw cursor.fault("range list entry", .invalid("kind \(other)"), back: 1)
            }
        }
        throw cursor.fault("DW_AT_ranges", .limit("too many ranges"))
    }
}

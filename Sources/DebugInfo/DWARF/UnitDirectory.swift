// Where the units of a section are.

package import Bytes

/// The starts of all units of one section, found by hopping from length to length.
package struct UnitDirectory: Sendable {
    package let section: DWARFSection
    /// In ascending order.
    package let starts: [UInt64]
    /// Where the last unit ends.
    package let end: UInt64
    /// Why the hopping ended before the section did.
    package let remarks: [ParseFault]

    init(section: DWARFSection, starts: [UInt64], end: UInt64) {
        self.section = section
        self.starts = starts
        self.end = end
        remarks = []
    }

    /// Complexity: linear in the number of units. A damaged length ends it: what follows cannot be found.
    init(_ bytes: ByteSlice, section: DWARFSection, order: ByteOrder) {
        var starts: [UInt64] = []
        var remarks: [ParseFault] = []
        var cursor = Cursor(bytes, order: order)
        var offset: UInt64 = 0
        while offset < UInt64(bytes.count) {
            do throws(ParseFault) {
                let extent = try UnitHeader.extent(&cursor, at: offset)
                // A unit of length 0 is padding between the contributions of object files.
                if extent.end > UInt64(cursor.position) { starts.append(offset) }
                offset = extent.end
            } catch {
                remarks.append(error)
                break
            }
        }
        self.section = section
        self.starts = starts
        end = offset
        self.remarks = remarks
    }

    /// The start of the unit that covers `offset`. Complexity: logarithmic.
    package func start(covering offset: UInt64) -> UInt64? {
        guard offset < end else { return nil }
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low &+ high) / 2
            if starts[middle] <= offset { low = middle &+ 1 } else { high = middle }
        }
        return low > 0 ? starts[low &- 1] : nil
    }
}

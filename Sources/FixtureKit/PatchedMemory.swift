// A copy of a dump's memory in which some bytes are others, or some pages missing.

package import Bytes
package import Memory

/// Any memory with changes laid over it: what a test does to a real dump.
package struct PatchedMemory: PhysicalMemory {
    private let memory: any PhysicalMemory
    private var pages: [PhysicalAddress: [UInt8]] = [:]
    private var missing: [PhysicalAddress: MemoryFault.Reason] = [:]

    package init(_ memory: any PhysicalMemory) { self.memory = memory }

    package var pageSize: Int { memory.pageSize }

    /// Writes a word, which must lie within one page.
    package mutating func write(_ word: UInt64, at address: PhysicalAddress) throws {
        let base = address.pageStart(pageSize)
        var bytes = try pages[base] ?? memory.page(containing: base).bytes.array
        let offset = Int(address.rawValue - base.rawValue)
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: word >> UInt64(8 * index)) }
        pages[base] = bytes
    }

    /// Takes the page at `address` out.
    package mutating func leaveOut(_ address: PhysicalAddress, _ reason: MemoryFault.Reason = .filtered) {
        missing[address.pageStart(pageSize)] = reason
    }

    package func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        let base = address.pageStart(pageSize)
        if let reason = missing[base] { throw .notSaved(address, reason) }
        if let bytes = pages[base] { return Page(base: base, bytes: ByteSlice(bytes, name: "patched memory")) }
        return try memory.page(containing: base)
    }

    /// Without the missing pages.
    package func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? {
        var start = address
        while let range = memory.nextSaved(from: start) {
            var low = max(range.lowerBound, start.pageStart(pageSize))
            while low < range.upperBound, missing[low.pageStart(pageSize)] != nil {
                low = low.pageStart(pageSize).advanced(by: UInt64(pageSize))
            }
            guard low < range.upperBound else {
                start = range.upperBound
                continue
            }
            let holes = missing.keys.filter { $0 > low && $0 < range.upperBound }
            return low..<(holes.min() ?? range.upperBound)
        }
        return nil
    }
}

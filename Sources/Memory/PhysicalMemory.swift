// The one question a dump answers: what bytes are in this page.

package import Bytes

/// The bytes of one page. For an uncompressed dump they are the mapping's own; nothing is copied.
package struct Page: Sendable {
    package let base: PhysicalAddress
    package let bytes: ByteSlice

    package init(base: PhysicalAddress, bytes: ByteSlice) {
        self.base = base
        self.bytes = bytes
    }
}

/// Physical memory of a machine: of a dump, or of something that moves. Three requirements, one page at a time, so
/// that the cost of `any` disappears in the size of a page.
package protocol PhysicalMemory: Sendable {
    /// Bytes of a page; a power of two.
    var pageSize: Int { get }
    /// The page that holds `address`. Its `bytes` are `pageSize` long, unless the dump ends within the page.
    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page
    /// The first run of pages at or after `address` for which the dump holds bytes; nil when there is none left.
    /// Complexity: O(run), so that a whole dump can be walked in the time of its page map.
    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>?
}

/// Memory that can lend more than a page at once, because its pages lie side by side in a mapping: a search over a
/// gigabyte then asks thousands of times, not hundreds of thousands.
package protocol ContiguousMemory: PhysicalMemory {
    /// Whole pages from the page boundary `address` on, as many as lie in one piece and fit into `limit` bytes; nil
    /// when there is not one: ask for the page, which says why.
    func piece(at address: PhysicalAddress, limit: Int) -> ByteSlice?
}

extension PhysicalMemory {
    /// `count` bytes from `address`, which may cross pages. Not copied when they lie in one page.
    package func read(_ address: PhysicalAddress, count: Int) throws(MemoryFault) -> ByteSlice {
        let offset = address.rawValue & (UInt64(pageSize) - 1)
        let first = try page(containing: address)
        if UInt64(count) <= UInt64(pageSize) - offset {
            guard let part = try? first.bytes.sub(offset, UInt64(count), "memory") else {
                throw .notSaved(address, .truncated)
            }
            guard part.isIntact else { throw .notSaved(address, .changed) }
            return part
        }
        guard count <= 1 << 30 else { throw .tooLarge(VirtualAddress(address.rawValue), count: UInt64(count)) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var position = address
        while bytes.count < count {
            let room = UInt64(pageSize) - position.rawValue & (UInt64(pageSize) - 1)
            let part = try read(position, count: Int(min(room, UInt64(count - bytes.count))))
            bytes += part.array
            position = position.advanced(by: room)
        }
        return ByteSlice(bytes, name: "memory")
    }

    /// The little-endian word at `address`; for page-table walks.
    package func word(at address: PhysicalAddress) throws(MemoryFault) -> UInt64 {
        let offset = Int(address.rawValue & (UInt64(pageSize) - 1))
        let bytes = try page(containing: address).bytes
        guard let value = bytes.withBytes({ $0.little(offset, as: UInt64.self) }) else {
            throw .notSaved(address, .truncated)
        }
        guard bytes.isIntact else { throw .notSaved(address, .changed) }
        return value
    }
}

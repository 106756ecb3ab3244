// Keeps pages that were costly to decode.

package import Bytes
internal import Synchronization

/// Any memory, with its latest pages kept: for dumps whose pages are compressed. Bounded; deleting it changes no answer.
package final class PageCache: PhysicalMemory {
    private struct Entry {
        var page: Page?
        /// The round in which it was last asked for.
        var used: UInt64 = 0
    }

    private struct Set {
        var ways: [Entry]
        var clock: UInt64 = 0
    }

    private static let ways = 8
    private let memory: any PhysicalMemory
    private let sets: Mutex<[Set]>
    private let mask: UInt64
    private let shift: UInt64

    /// Room for `pages` pages (rounded to a power of two, at least 64).
    package init(_ memory: any PhysicalMemory, pages: Int = 4096) {
        self.memory = memory
        var count = 8
        while count * Self.ways < pages { count *= 2 }
        mask = UInt64(count - 1)
        shift = UInt64(memory.pageSize.trailingZeroBitCount)
        sets = Mutex([Set](repeating: Set(ways: []), count: count))
    }

    package var pageSize: Int { memory.pageSize }

    package func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? { memory.nextSaved(from: address) }

    package func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        let base = address.pageStart(pageSize)
        let index = Int((base.rawValue >> shift) & mask)
        let known = sets.withLock { sets -> Page? in
            sets[index].clock += 1
            guard let way = sets[index].ways.firstIndex(where: { $0.page?.base == base }) else { return nil }
            sets[index].ways[way].used = sets[index].clock
            return sets[index].ways[way].page
        }
        if let known { return known }
        // Decoded outside the lock: two threads may decode one page twice, which costs time and nothing else.
        let page = try memory.page(containing: base)
        sets.withLock { sets in
            let entry = Entry(page: page, used: sets[index].clock)
            if sets[index].ways.count < Self.ways {
                sets[index].ways.append(entry)
            } else if let oldest = sets[index].ways.indices.min(by: {
                sets[index].ways[$0].used < sets[index].ways[$1].used
            }) {
                sets[index].ways[oldest] = entry
            }
        }
        return page
    }
}

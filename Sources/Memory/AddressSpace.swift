// Virtual memory: translate each page, copy the spans.

package import Bytes
internal import Synchronization

/// Bytes of physical memory that are contiguous in virtual memory too, up to the end of their page.
package struct PhysicalExtent: Sendable, Equatable {
    package let start: PhysicalAddress
    /// Bytes from `start` to the end of the (small, large or huge) page that maps them.
    package let count: UInt64

    package init(start: PhysicalAddress, count: UInt64) {
        self.start = start
        self.count = count
    }
}

/// How virtual addresses become physical ones: page tables, a linear map, a file's program headers.
package protocol AddressTranslation: Sendable {
    func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalExtent
}

/// The virtual memory of the kernel or of one process. Safe to share between threads; copies share one small
/// translation cache, which holds 1024 entries and never changes an answer.
package struct AddressSpace: Sendable {
    package let memory: any PhysicalMemory
    package let translation: any AddressTranslation
    private let cache = TranslationCache()

    package init(memory: any PhysicalMemory, translation: any AddressTranslation) {
        self.memory = memory
        self.translation = translation
    }

    /// Where `address` is in physical memory.
    package func translate(_ address: VirtualAddress) throws(MemoryFault) -> PhysicalAddress {
        let page = address.rawValue & ~0xfff
        if let known = cache.find(page) { return PhysicalAddress(known).advanced(by: address.rawValue & 0xfff) }
        let extent = try translation.translate(address)
        if extent.count >= 0x1000 - (address.rawValue & 0xfff) {
            cache.insert(page, extent.start.rawValue &- (address.rawValue & 0xfff))
        }
        return extent.start
    }

    /// `count` bytes from `address`. Throws the fault of the first byte that cannot be read; at most 1 GiB at once.
    /// Not copied when they lie in one page.
    package func read(_ address: VirtualAddress, count: Int) throws(MemoryFault) -> ByteSlice {
        guard count >= 0, count <= 1 << 30 else { throw .tooLarge(address, count: UInt64(max(count, 0))) }
        let room = 0x1000 - Int(address.rawValue & 0xfff)
        if count <= room { return try memory.read(try translate(address), count: count) }
        // The first page is read before room is made for all: a wild length mostly fails there.
        _ = try memory.read(try translate(address), count: room)
        let storage = try ByteStorage(name: "memory", count: count) { (output) throws(MemoryFault) -> Int in
            var done = 0
            while done < count {
                let position = address.advanced(by: UInt64(done))
                let span = min(0x1000 - Int(position.rawValue & 0xfff), count - done)
                let part = try memory.read(try translate(position), count: span)
                part.withBytes { bytes in
                    _ = output.copy(bytes, from: 0, count: span, at: done)
                }
                done += span
            }
            return count
        }
        return ByteSlice(storage)
    }

    /// The unsigned little-endian integer of `size` (1, 2, 4 or 8) bytes at `address`.
    package func unsigned(_ address: VirtualAddress, size: Int) throws(MemoryFault) -> UInt64 {
        let bytes = try read(address, count: size)
        return bytes.withBytes { span in
            if size == 8, let word = span.little(0, as: UInt64.self) { return word }
            var value: UInt64 = 0
            for index in 0..<min(size, 8) { value |= UInt64(span.u8(index)) << UInt64(8 * index) }
            return value
        }
    }

    /// The pointer-sized word at `address`.
    package func word(_ address: VirtualAddress) throws(MemoryFault) -> UInt64 { try unsigned(address, size: 8) }

    /// The bytes from `address` up to a NUL, at most `limit`; what was read before a fault if that is anything.
    package func cString(_ address: VirtualAddress, limit: Int = 4096) throws(MemoryFault) -> [UInt8] {
        var text: [UInt8] = []
        var position = address
        while text.count < limit {
            let span = min(0x1000 - Int(position.rawValue & 0xfff), limit - text.count)
            let part: [UInt8]
            do {
                part = try read(position, count: span).array
            } catch {
                if text.isEmpty { throw error }
                return text
            }
            if let end = part.firstIndex(of: 0) { return text + part[..<end] }
            text += part
            position = position.advanced(by: UInt64(span))
        }
        return text
    }
}

/// A direct-mapped cache of page translations.
private final class TranslationCache: Sendable {
    private struct Entry {
        var page: UInt64
        var physical: UInt64
    }

    private static let slots = 1024
    /// No page starts at this odd address: the mark of an empty slot.
    private static let empty = Entry(page: 1, physical: 0)
    private let entries = Mutex([Entry](repeating: empty, count: slots))

    private func slot(_ page: UInt64) -> Int {
        let number = page >> 12
        return Int(truncatingIfNeeded: (number ^ number >> 10) & UInt64(Self.slots - 1))
    }

    func find(_ page: UInt64) -> UInt64? {
        let index = slot(page)
        let entry = entries.withLock { $0[index] }
        return entry.page == page ? entry.physical : nil
    }

    func insert(_ page: UInt64, _ physical: UInt64) {
        let index = slot(page)
        entries.withLock { $0[index] = Entry(page: page, physical: physical) }
    }
}

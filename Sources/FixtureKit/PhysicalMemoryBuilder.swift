// Physical memory made of words: write bytes where a test wants them, leave the rest out.

package import Bytes
package import Memory

/// Pages of 4 KiB by number. What is written exists; what is not is a hole, or whatever `leaveOut` said.
package struct PhysicalMemoryBuilder: Sendable {
    package private(set) var pages: [UInt64: [UInt8]] = [:]
    private var reasons: [UInt64: MemoryFault.Reason] = [:]

    package static let pageSize = 4096

    package init() {}

    /// Writes `bytes` from `address`, across pages where need be; new pages begin as zeros.
    package mutating func write(_ bytes: [UInt8], at address: PhysicalAddress) {
        var done = 0
        while done < bytes.count {
            let at = address.advanced(by: UInt64(done)).rawValue
            let offset = Int(at & 4095)
            let count = min(Self.pageSize - offset, bytes.count - done)
            pages[at >> 12, default: [UInt8](repeating: 0, count: Self.pageSize)]
                .replaceSubrange(offset..<offset + count, with: bytes[done..<done + count])
            done += count
        }
    }

    /// Writes a little-endian word of 8 bytes.
    package mutating func write(_ word: UInt64, at address: PhysicalAddress) {
        var output = Output()
        output.u64(word)
        write(output.bytes, at: address)
    }

    /// The word at `address`; 0 where nothing was written.
    package func word(at address: PhysicalAddress) -> UInt64 {
        guard let page = pages[address.rawValue >> 12] else { return 0 }
        let offset = Int(address.rawValue & 4095)
        return (0..<8).reduce(0) { $0 | UInt64(page[offset + $1]) << UInt64(8 * $1) }
    }

    /// Takes the page of `address` away, as a dump tool, a full disk or a bad sector would.
    package mutating func leaveOut(_ address: PhysicalAddress, _ reason: MemoryFault.Reason = .filtered) {
        pages[address.rawValue >> 12] = nil
        reasons[address.rawValue >> 12] = reason
    }

    /// The memory as it is now.
    package func build() -> any PhysicalMemory {
        PagesMemory(
            pages: pages.mapValues { ByteSlice($0, name: "built memory") }, numbers: pages.keys.sorted(),
            reasons: reasons)
    }
}

private struct PagesMemory: PhysicalMemory {
    let pages: [UInt64: ByteSlice]
    let numbers: [UInt64]
    let reasons: [UInt64: MemoryFault.Reason]

    var pageSize: Int { PhysicalMemoryBuilder.pageSize }

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        let number = address.rawValue >> 12
        guard let bytes = pages[number] else { throw .notSaved(address, reasons[number] ?? .hole) }
        return Page(base: PhysicalAddress(number << 12), bytes: bytes)
    }

    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? {
        guard let first = numbers.first(where: { $0 >= address.rawValue >> 12 }) else { return nil }
        var end = first + 1
        while pages[end] != nil { end += 1 }
        return PhysicalAddress(first << 12)..<PhysicalAddress(end << 12)
    }
}

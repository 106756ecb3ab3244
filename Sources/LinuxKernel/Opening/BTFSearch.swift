// Finds the kernel's BTF in its image, when no symbol says where it is.

internal import Bytes
internal import DebugInfo
internal import Memory

/// Looks for a header in what the page tables map as the image: memory beyond it may hold another kernel's.
struct BTFSearch {
    let space: AddressSpace

    /// The image's window (arch/x86/include/asm/page_64_types.h), and what is mapped in it at a time.
    private static let window: UInt64 = 1 << 30
    private static let step: UInt64 = 2 << 20
    /// A kernel has tens of thousands; a BPF program's blob, which may lie in the image too, has few.
    private static let fewest = 1000

    /// The first blob that is sound; else the first one that is of a kernel's size.
    func find() -> (types: BTFTypes, place: VirtualAddress)? {
        var damaged: (BTFTypes, VirtualAddress)?
        for offset in stride(from: UInt64(0), to: Self.window, by: Int(Self.step)) {
            let base = VirtualAddress(LinuxX86_64.imageMap &+ offset)
            guard (try? space.translate(base)) != nil else { continue }
            for page in stride(from: UInt64(0), to: Self.step, by: 4096) {
                guard let bytes = try? space.read(base.advanced(by: page), count: 4096) else { continue }
                for place in Self.hits(bytes) {
                    let address = base.advanced(by: page &+ UInt64(place))
                    guard let types = blob(address), types.count >= Self.fewest else { continue }
                    if types.remarks.isEmpty { return (types, address) }
                    damaged = damaged ?? (types, address)
                }
            }
        }
        return damaged
    }

    /// Offsets of headers: magic, version 1, no flags, 24 or 32 bytes long. They are aligned to 4.
    private static func hits(_ page: ByteSlice) -> [Int] {
        page.withBytes { span in
            stride(from: 0, to: span.byteCount, by: 4).filter {
                guard span.little($0, as: UInt32.self) == 0x0001_eb9f else { return false }
                // At the end of a page the length is on the next; whoever reads the blob checks it.
                let size = span.little($0 + 4, as: UInt32.self) ?? 24
                return size == 24 || size == 32
            }
        }
    }

    /// The blob that a header stands before: its sections follow one another.
    private func blob(_ address: VirtualAddress) -> BTFTypes? {
        guard let header = try? space.read(address, count: 24) else { return nil }
        let words = header.withBytes { span in (0..<6).map { span.little($0 * 4, as: UInt32.self) ?? 0 } }
        guard words[2] == 0, words[3] == words[4], words[3] < 1 << 26, words[5] < 1 << 26 else { return nil }
        let size = UInt64(words[1]) + UInt64(words[4]) + UInt64(words[5])
        guard let bytes = try? space.read(address, count: Int(size)) else { return nil }
        return try? BTFTypes(bytes)
    }
}

// The pages of a kdump-compressed file: bitmaps say which there are, descriptors where, flags how they are packed.

internal import Bytes
internal import Codecs
internal import Memory

/// One file of a kdump: all of it, or a part of a split set.
struct KdumpPart: Sendable {
    let bytes: DumpBytes
    let header: KdumpHeader
    /// The page frames whose descriptors this file has.
    let pages: Range<UInt64>
    let saved: RankedBitmap
    /// The machine's memory; nil where an old dump has a single bitmap.
    let ram: PageBitmap?
    private let descriptors: UInt64
    private let firstRank: UInt64

    static let descriptorSize: UInt64 = 24

    init(_ bytes: DumpBytes, _ header: KdumpHeader, _ limits: Limits) {
        self.bytes = bytes
        self.header = header
        let block = UInt64(header.blockSize)
        let size = header.bitmapBlocks * block
        // Two bitmaps when there is room for two (makedumpfile, QEMU), else the single one of an old diskdump.
        let needed = header.maxPage / (8 * block) + (header.maxPage % (8 * block) == 0 ? 0 : 1)
        let isPair = needed <= header.bitmapBlocks / 2
        let half = isPair ? size / 2 : size
        let second = PageBitmap(
            bytes, offset: header.bitmapOffset + (isPair ? half : 0), size: half, pages: header.maxPage, limits: limits)
        saved = RankedBitmap(second)
        ram =
            isPair
            ? PageBitmap(bytes, offset: header.bitmapOffset, size: half, pages: header.maxPage, limits: limits) : nil
        pages = header.part ?? 0..<UInt64.max
        descriptors = header.bitmapOffset + size
        firstRank = saved.rank(pages.lowerBound)
    }

    /// The number of descriptors that the bitmap promises.
    var savedCount: UInt64 { saved.rank(pages.upperBound) - firstRank }

    struct Descriptor {
        let offset: UInt64
        let size: UInt64
        let flags: UInt32
    }

    /// The descriptor of a page whose bit is set; nil when the file ends before it.
    func descriptor(_ page: UInt64) -> Descriptor? { descriptor(index: saved.rank(page) - firstRank) }

    func descriptor(index: UInt64) -> Descriptor? {
        // An index is below 2^35 (Limits.pageMapBytes) and the table's start below 2^53: no overflow.
        var cursor = Cursor(
            bytes.clamped(descriptors + index * Self.descriptorSize, Self.descriptorSize), order: header.order)
        guard let offset = try? cursor.u64("offset"), let size = try? cursor.u32("size"),
            let flags = try? cursor.u32("flags")
        else { return nil }
        return Descriptor(offset: offset, size: UInt64(size), flags: flags)
    }
}

/// Memory of one kdump, or of the parts of a split set. Safe to share between threads.
struct KdumpMemory: PhysicalMemory {
    /// Sorted by their first page.
    let parts: [KdumpPart]
    let pageSize: Int
    private let shift: UInt64

    /// `parts` is not empty, and all have one block size.
    init(_ parts: [KdumpPart], pageSize: Int) {
        self.parts = parts.sorted { $0.pages.lowerBound < $1.pages.lowerBound }
        self.pageSize = pageSize
        shift = UInt64(pageSize.trailingZeroBitCount)
    }

    func page(containing address: PhysicalAddress) throws(MemoryFault) -> Page {
        let base = address.pageStart(pageSize)
        let number = base.rawValue >> shift
        guard let part = parts.first(where: { $0.pages.contains(number) && $0.saved.bits[number] }) else {
            throw .notSaved(address, why(number))
        }
        guard let descriptor = part.descriptor(number), descriptor.offset != 0 else {
            throw .notSaved(address, .truncated)
        }
        guard descriptor.size > 0, descriptor.size <= UInt64(2 * pageSize) else {
            throw .notSaved(address, .undecodable("its descriptor says \(descriptor.size) bytes"))
        }
        let packed = part.bytes.clamped(descriptor.offset, descriptor.size)
        guard UInt64(packed.count) == descriptor.size else { throw .notSaved(address, .truncated) }
        packed.noteUse()
        let bytes = try decode(packed, descriptor.flags, address)
        guard packed.isIntact else { throw .notSaved(address, .changed) }
        return Page(base: base, bytes: bytes)
    }

    private func decode(
        _ packed: ByteSlice, _ flags: UInt32, _ address: PhysicalAddress
    ) throws(MemoryFault) -> ByteSlice {
        let bytes: ByteSlice
        do throws(CodecFault) {
            switch flags & 0x27 {
            case 0: bytes = packed
            case 1: bytes = try Zlib.decode(packed, count: pageSize, label: "page")
            case 2: bytes = try LZO.decode(packed, count: pageSize, label: "page")
            case 4: bytes = try Snappy.decode(packed, count: pageSize, label: "page")
            case 0x20: bytes = try Zstd.decode(packed, count: pageSize, label: "page")
            default: throw CodecFault("flags", "0x\(hex(UInt64(flags))) name no compression")
            }
        } catch {
            throw .notSaved(address, .undecodable(error.description))
        }
        guard bytes.count == pageSize else {
            throw .notSaved(address, .undecodable("\(bytes.count) bytes where \(pageSize) were expected"))
        }
        return bytes
    }

    /// Why no part has the page: it is in a part that is missing, or was left out, or is not memory.
    private func why(_ number: UInt64) -> MemoryFault.Reason {
        if parts.contains(where: { $0.saved.bits[number] }) { return .truncated }
        return parts.contains { $0.ram?[number] ?? false } ? .filtered : .hole
    }

    func nextSaved(from address: PhysicalAddress) -> Range<PhysicalAddress>? {
        let page = address.rawValue >> shift
        var best: Range<UInt64>?
        for part in parts where part.pages.upperBound > page {
            guard
                let run = part.saved.run(
                    from: max(page, part.pages.lowerBound), before: min(part.pages.upperBound, best?.lowerBound ?? .max)
                )
            else { continue }
            best = run
        }
        // Pages number at most 2^35, and a page has at most 2^20 bytes: the shifts lose nothing.
        return best.map { PhysicalAddress($0.lowerBound << shift)..<PhysicalAddress($0.upperBound << shift) }
    }
}

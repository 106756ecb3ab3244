// The page bitmaps of a kdump, read where they stand in the file.

internal import Bytes

/// One bit for each page frame, the lowest bit of a byte first.
struct PageBitmap: Sendable {
    private let bytes: DumpBytes
    private let offset: UInt64
    /// The page frames that the bitmap speaks of.
    let count: UInt64

    /// Pages of one chunk: what is read at once.
    static let chunk: UInt64 = 4096
    private static let chunkBytes = chunk / 8

    /// `pages` bits at `offset` of `bytes`: fewer when `size` bytes or the file do not hold them.
    init(_ bytes: DumpBytes, offset: UInt64, size: UInt64, pages: UInt64, limits: Limits) {
        self.bytes = bytes
        self.offset = offset
        let there = bytes.count > offset ? min(bytes.count - offset, bytes.stored, size, limits.pageMapBytes) : 0
        count = min(pages, there * 8)
    }

    var chunks: UInt64 { (count + Self.chunk - 1) / Self.chunk }

    /// The bytes of the 4096 pages of that chunk, or fewer at the end.
    func chunk(_ index: UInt64) -> ByteSlice {
        bytes.clamped(offset + index * Self.chunkBytes, Self.chunkBytes)
    }

    /// 64 pages from `page`, a multiple of 64; bits beyond the end are 0.
    func word(_ page: UInt64, in chunk: ByteSlice) -> UInt64 {
        let at = Int(page % Self.chunk / 8)
        let word = chunk.withBytes { span -> UInt64 in
            if let whole = span.little(at, as: UInt64.self) { return whole }
            return (0..<8).reduce(0) { $0 | UInt64(span.u8(at + $1)) << UInt64(8 * $1) }
        }
        if count >= page + 64 { return word }
        return page < count ? word & ((1 << (count - page)) - 1) : 0
    }

    subscript(page: UInt64) -> Bool {
        guard page < count else { return false }
        return word(page & ~63, in: chunk(page / Self.chunk)) >> (page & 63) & 1 != 0
    }
}

/// A bitmap that also says how many pages stand before a page: a count per 4096 pages, made in one pass over the
/// mapping. A terabyte (32 MB of bitmap) takes half a megabyte and some milliseconds.
struct RankedBitmap: Sendable {
    let bits: PageBitmap
    /// Pages that are set before each chunk, and after the last.
    private let before: [UInt64]

    init(_ bits: PageBitmap) {
        self.bits = bits
        var before: [UInt64] = [0]
        before.reserveCapacity(Int(bits.chunks) + 1)
        var total: UInt64 = 0
        for index in 0..<bits.chunks {
            total += Self.population(
                bits, bits.chunk(index), (index * PageBitmap.chunk)..<((index + 1) * PageBitmap.chunk))
            before.append(total)
        }
        self.before = before
    }

    /// The pages set in `pages`, which begins at a multiple of 64 and lies in the chunk.
    private static func population(_ bits: PageBitmap, _ chunk: ByteSlice, _ pages: Range<UInt64>) -> UInt64 {
        var total = 0
        var page = pages.lowerBound
        if pages.upperBound <= bits.count {
            let first = Int(page % PageBitmap.chunk / 8)
            let words = Int(pages.upperBound - page) / 64
            chunk.withBytes { span in
                for index in 0..<words {
                    total &+= (span.little(first &+ index &* 8, as: UInt64.self) ?? 0).nonzeroBitCount
                }
            }
            page += UInt64(words) * 64
        }
        while page < pages.upperBound, page < bits.count {
            let word = bits.word(page, in: chunk)
            let rest = pages.upperBound - page
            total += (rest >= 64 ? word : word & ((1 << rest) - 1)).nonzeroBitCount
            page += 64
        }
        return UInt64(total)
    }

    /// How many pages before `page` are set.
    func rank(_ page: UInt64) -> UInt64 {
        let page = min(page, bits.count)
        let index = page / PageBitmap.chunk
        let start = index * PageBitmap.chunk
        let known = before[Int(index)]
        return page == start ? known : known + Self.population(bits, bits.chunk(index), start..<page)
    }

    /// The first run of set pages at or after `page`, before `end`. O(run), and chunks without any are not read.
    func run(from page: UInt64, before end: UInt64) -> Range<UInt64>? {
        let end = min(end, bits.count)
        guard let start = find(set: true, from: page, before: end) else { return nil }
        return start..<(find(set: false, from: start, before: end) ?? end)
    }

    private func find(set: Bool, from page: UInt64, before end: UInt64) -> UInt64? {
        var page = page
        while page < end {
            let index = page / PageBitmap.chunk
            let next = (index + 1) * PageBitmap.chunk
            let population = before[Int(index) + 1] - before[Int(index)]
            guard population != (set ? 0 : PageBitmap.chunk) else {
                page = next
                continue
            }
            let chunk = bits.chunk(index)
            while page < min(next, end) {
                let word = (set ? bits.word(page & ~63, in: chunk) : ~bits.word(page & ~63, in: chunk)) >> (page & 63)
                if word != 0 {
                    let found = page + UInt64(word.trailingZeroBitCount)
                    return found < end ? found : nil
                }
                page = (page & ~63) + 64
            }
        }
        return nil
    }
}

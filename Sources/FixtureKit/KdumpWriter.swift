// kdump-compressed files of every version, whole or split, as makedumpfile and QEMU write them.

package import Bytes

/// Describes a kdump; `build` makes its bytes. Every oddity is a property, so that a test names the one it means.
package struct KdumpWriter {
    /// Saved pages by page frame number, `blockSize` bytes each.
    package var pages: [UInt64: [UInt8]] = [:]
    /// Page frames that are memory and were left out.
    package var filtered: Set<UInt64> = []
    package var encoder: Encoder = .zlib
    package var version: UInt32 = 6
    package var signature = "KDUMP   "
    package var order: ByteOrder = .little
    package var blockSize = 4096
    package var utsname = ["Linux", "host", "6.1.0", "#1 SMP", "x86_64", "(none)"]
    package var seconds: UInt64 = 1_700_000_000
    package var dumpLevel: UInt32 = 31
    package var physicalBase: UInt64 = 0
    package var cpuCount: UInt32 = 2
    /// Bytes of the notes, as `noteBytes` makes them.
    package var notes: [UInt8] = []
    package var vmcoreinfo = ""
    /// One bitmap, as the oldest dumps have.
    package var hasSingleBitmap = false
    /// The status bit that a dump tool sets when it ran out of space; then also `lost` pages have offset 0.
    package var isIncomplete = false
    package var lost: Set<UInt64> = []
    /// Bytes that stand in place of a page's compressed ones.
    package var damaged: [UInt64: [UInt8]] = [:]
    /// One past the last page frame; nil: the smallest that holds all.
    package var maxPage: UInt64?
    /// Zero pages share one place in the file, as makedumpfile's do.
    package var sharesZeroPages = true

    package init() {}

    /// As QEMU 7.2's dump-guest-memory: utsname blank but for the machine, no time, level 1, notes and no filtering.
    package static func qemu() -> KdumpWriter {
        var writer = KdumpWriter()
        writer.utsname = ["", "", "", "", "x86_64", ""]
        writer.seconds = 0
        writer.dumpLevel = 1
        return writer
    }

    private var limit: UInt64 {
        maxPage ?? ((pages.keys.max() ?? 0).advanced(by: 1)).max(filtered.max().map { $0 + 1 })
    }

    private var bitmapBytes: Int {
        let block = UInt64(blockSize)
        return Int(((limit + 7) / 8 + block - 1) / block * block)
    }

    /// The whole dump in one file.
    package func build() -> [UInt8] { build(part: nil) }

    /// The dump in several files, part `n` from `bounds[n]` to `bounds[n + 1]`.
    package func split(at bounds: [UInt64]) -> [[UInt8]] {
        zip(bounds, bounds.dropFirst()).map { build(part: $0..<$1) }
    }

    private func build(part: Range<UInt64>?) -> [UInt8] {
        // Notes and VMCOREINFO follow the sub-header, in its blocks.
        let tail = blockSize + 104
        let subBlocks = (104 + notes.count + vmcoreinfo.utf8.count + blockSize - 1) / blockSize
        let bitmapBlocks = bitmapBytes * (hasSingleBitmap ? 1 : 2) / blockSize
        var output = Output(order)
        header(subBlocks: subBlocks, bitmapBlocks: bitmapBlocks, &output)
        output.pad(to: blockSize)
        if signature == "KDUMP   " { subHeader(part: part, notesAt: tail, &output) }
        output.pad(to: tail)
        output.append(notes)
        output.append(Array(vmcoreinfo.utf8))
        output.pad(to: (1 + subBlocks) * blockSize)
        if !hasSingleBitmap { output.append(bitmap(Set(pages.keys).union(filtered))) }
        output.append(bitmap(Set(pages.keys)))
        data(pages.keys.filter { part?.contains($0) ?? true }.sorted(), &output)
        return output.bytes
    }

    private func header(subBlocks: Int, bitmapBlocks: Int, _ output: inout Output) {
        output.append(Array(signature.utf8))
        output.u32(version)
        for name in utsname { output.field(name, 65) }
        output.pad(to: 408)
        output.u64(seconds)
        output.u64(0)
        let codec: UInt32 = encoder == .none ? 0 : flags
        output.u32(codec | (isIncomplete ? 8 : 0))
        output.u32(UInt32(blockSize))
        output.u32(UInt32(subBlocks))
        output.u32(UInt32(bitmapBlocks))
        output.u32(UInt32(truncatingIfNeeded: limit))
        for value: UInt32 in [0, 0, 0, 0] { output.u32(value) }
        output.u32(cpuCount)
    }

    private func subHeader(part: Range<UInt64>?, notesAt: Int, _ output: inout Output) {
        output.u64(physicalBase)
        output.u32(version >= 1 ? dumpLevel : 0)
        output.u32(version >= 2 && part != nil ? 1 : 0)
        output.u64(version >= 2 ? part?.lowerBound ?? 0 : 0)
        output.u64(version >= 2 ? part?.upperBound ?? 0 : 0)
        let text = UInt64(vmcoreinfo.utf8.count)
        output.u64(version >= 3 && text > 0 ? UInt64(notesAt + notes.count) : 0)
        output.u64(version >= 3 ? text : 0)
        output.u64(version >= 4 ? UInt64(notesAt) : 0)
        output.u64(version >= 4 ? UInt64(notes.count) : 0)
        output.u64(0)
        output.u64(0)
        output.u64(version >= 6 ? part?.lowerBound ?? 0 : 0)
        output.u64(version >= 6 ? part?.upperBound ?? 0 : 0)
        output.u64(version >= 6 ? limit : 0)
    }

    private func bitmap(_ numbers: Set<UInt64>) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: bitmapBytes)
        for number in numbers where number < limit { bytes[Int(number / 8)] |= 1 << UInt8(number % 8) }
        return bytes
    }

    private var flags: UInt32 {
        switch encoder {
        case .none: 0
        case .zlib: 1
        case .lzo: 2
        case .snappy: 4
        case .zstd: 0x20
        }
    }

    /// The descriptors of those pages, and then their bytes.
    private func data(_ numbers: [UInt64], _ output: inout Output) {
        var position = UInt64(output.count + numbers.count * 24)
        var bytes: [UInt8] = []
        var zero: (offset: UInt64, size: Int)?
        for number in numbers {
            guard let page = pages[number], !lost.contains(number) else {
                output.append([UInt8](repeating: 0, count: 24))
                continue
            }
            let packed = damaged[number] ?? encoder.encode(page)
            // As makedumpfile: a page that does not shrink is stored as it is, and its own flag says so.
            let isPacked = damaged[number] != nil || (encoder != .none && packed.count < page.count)
            let stored = isPacked ? packed : page
            let isZero = sharesZeroPages && damaged[number] == nil && page.allSatisfy { $0 == 0 }
            output.u64(isZero ? zero?.offset ?? position : position)
            output.u32(UInt32(stored.count))
            output.u32(isPacked ? flags : 0)
            output.u64(0)
            if isZero, zero != nil { continue }
            if isZero { zero = (position, stored.count) }
            bytes += stored
            position += UInt64(stored.count)
        }
        output.append(bytes)
    }
}

extension UInt64 {
    fileprivate func max(_ other: UInt64?) -> UInt64 { other.map { $0 > self ? $0 : self } ?? self }
}

// Dumps of a terabyte that take a few pages of disk: for tests of what opening costs.

/// Sparse dumps of a machine with a terabyte of memory. The bytes that nobody wrote are holes, and read as zeros.
package enum SparseTerabyte {
    package static let size: UInt64 = 1 << 40

    /// An ELF core whose memory is in `segments` pieces; `pages` (by page frame number) are really there.
    package static func elfCore(
        segments: Int = 1, pages: [UInt64: [UInt8]], vmcoreinfo: String? = nil
    ) throws -> TemporaryFile {
        let start: UInt64 = 1 << 24
        let piece = size / UInt64(segments)
        var writer = ELFCoreWriter()
        writer.vmcoreinfo = vmcoreinfo
        writer.usesExtendedCount = segments >= 0xffff
        for index in 0..<UInt64(segments) {
            writer.loads.append(
                .init(physical: index * piece, [], offset: start + index * piece, fileSize: piece))
        }
        let file = try TemporaryFile("terabyte.elf")
        let pieces = [(offset: UInt64(0), bytes: writer.build())] + pages.map { (start + $0.key * 4096, $0.value) }
        try TemporaryFile.write(pieces, size: start + size, to: file.path)
        return file
    }

    /// A kdump whose bitmaps have a bit for every page of a terabyte: 64 MB, mostly holes. Only `pages` are saved.
    package static func kdump(pages: [UInt64: [UInt8]], vmcoreinfo: String = "") throws -> TemporaryFile {
        var writer = KdumpWriter()
        writer.vmcoreinfo = vmcoreinfo
        writer.encoder = .none
        writer.maxPage = size / 4096
        let file = try TemporaryFile("terabyte.kdump")
        // The writer makes the header and sub-header, two blocks; bitmaps and pages are written below, sparsely.
        let head = Array(writer.build().prefix(8192))
        let half = size / 4096 / 8
        let second = 8192 + half
        let descriptors = second + half
        var pieces: [(offset: UInt64, bytes: [UInt8])] = [(0, head)]
        var rows = Output()
        var position = descriptors + UInt64(pages.count) * 24
        var bits: [UInt64: UInt8] = [:]
        for (number, bytes) in pages.sorted(by: { $0.key < $1.key }) {
            bits[number / 8, default: 0] |= 1 << UInt8(number % 8)
            rows.u64(position)
            rows.u32(UInt32(bytes.count))
            rows.u32(0)
            rows.u64(0)
            pieces.append((position, bytes))
            position += UInt64(bytes.count)
        }
        for (at, byte) in bits { pieces += [(8192 + at, [byte]), (second + at, [byte])] }
        pieces.append((descriptors, rows.bytes))
        try TemporaryFile.write(pieces, size: position, to: file.path)
        return file
    }
}

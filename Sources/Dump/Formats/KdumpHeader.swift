// The header and sub-header of a kdump-compressed file, versions 0 to 6.

internal import Bytes

/// `struct disk_dump_header` and `struct kdump_sub_header` of makedumpfile (diskdump_mod.h), 64-bit.
struct KdumpHeader: Sendable {
    let order: ByteOrder
    let version: UInt32
    /// sysname, nodename, release, version, machine, domainname.
    let utsname: [String]
    let seconds: UInt64
    let status: UInt32
    let blockSize: Int
    let bitmapBlocks: UInt64
    let bitmapOffset: UInt64
    let cpuCount: UInt32
    /// One past the last page frame, as the newest field says it.
    private(set) var maxPage: UInt64
    private(set) var physicalBase: UInt64?
    private(set) var dumpLevel: UInt32?
    /// The page frames whose descriptors this part of a split set has; nil when the dump is not split.
    private(set) var part: Range<UInt64>?
    private(set) var vmcoreinfo: (offset: UInt64, size: UInt64) = (0, 0)
    private(set) var notes: (offset: UInt64, size: UInt64) = (0, 0)

    /// Bits of `status`.
    static let incomplete: UInt32 = 8
    static let newest: UInt32 = 6

    /// `KDUMP   ` of kdump, `DISKDUMP` of the older diskdump, whose sub-header means something else.
    private static let signatures = (kdump: Array("KDUMP   ".utf8), diskdump: Array("DISKDUMP".utf8))

    static func matches(_ start: ByteSlice) -> Bool {
        start.hasBytes(signatures.kdump) || start.hasBytes(signatures.diskdump)
    }

    init(_ bytes: DumpBytes, _ limits: Limits) throws(ParseFault) {
        let start = try bytes.sub(0, 464, "kdump header")
        // The version is small: read in the wrong order it is not.
        var probe = Cursor(start, order: .little, at: 8)
        order = try probe.u32("header_version") <= 0xffff ? .little : .big
        var cursor = Cursor(start, order: order, at: 8)
        version = try cursor.u32("header_version")
        var names: [String] = []
        for _ in 0..<6 { names.append(try cursor.bytes(65, "utsname").cString) }
        utsname = names
        try cursor.seek(408, "timestamp")
        seconds = try cursor.u64("timestamp.tv_sec")
        _ = try cursor.u64("timestamp.tv_usec")
        status = try cursor.u32("status")
        let size = try cursor.u32("block_size")
        guard size >= 4096, size <= limits.pageBytes, size.nonzeroBitCount == 1, let block = Int(exactly: size) else {
            throw cursor.fault(
                "block_size", .invalid("\(size), expected a power of two from 4096 to \(limits.pageBytes)"), back: 4)
        }
        blockSize = block
        let subBlocks = UInt64(try cursor.u32("sub_hdr_size"))
        bitmapBlocks = UInt64(try cursor.u32("bitmap_blocks"))
        // Both counts are of 32 bits and a block of 20: none of this overflows.
        bitmapOffset = (1 + subBlocks) * UInt64(block)
        guard bitmapBlocks > 0, bitmapOffset < bytes.count else {
            throw cursor.fault(
                "bitmap_blocks",
                .invalid("\(bitmapBlocks) blocks at offset 0x\(hex(bitmapOffset)) of a file of \(bytes.count) bytes"),
                back: 4)
        }
        maxPage = UInt64(try cursor.u32("max_mapnr"))
        for _ in 0..<4 { _ = try cursor.u32("counts of blocks") }
        cpuCount = try cursor.u32("nr_cpus")
        if start.hasBytes(Self.signatures.kdump), subBlocks > 0 {
            try readSubHeader(bytes.clamped(UInt64(block), min(subBlocks, 1) * UInt64(block)))
        }
    }

    private mutating func readSubHeader(_ bytes: ByteSlice) throws(ParseFault) {
        var cursor = Cursor(bytes, order: order)
        physicalBase = try cursor.u64("phys_base")
        guard version >= 1 else { return }
        dumpLevel = try cursor.u32("dump_level")
        guard version >= 2 else { return }
        let isSplit = try cursor.u32("split") != 0
        var start = try cursor.u64("start_pfn")
        var end = try cursor.u64("end_pfn")
        if version >= 3 { vmcoreinfo = (try cursor.u64("offset_vmcoreinfo"), try cursor.u64("size_vmcoreinfo")) }
        if version >= 4 { notes = (try cursor.u64("offset_note"), try cursor.u64("size_note")) }
        if version >= 5 { try cursor.skip(16, "eraseinfo") }
        if version >= 6 {
            start = try cursor.u64("start_pfn_64")
            end = try cursor.u64("end_pfn_64")
            maxPage = try cursor.u64("max_mapnr_64")
        }
        if isSplit {
            guard start <= end else {
                throw cursor.fault("start_pfn", .invalid("a part from page \(start) to page \(end)"))
            }
            part = start..<end
        }
    }

    /// The compressions that the flags of a status or of a page name.
    static func codecs(_ flags: UInt32) -> [String] {
        [(1, "zlib"), (2, "lzo"), (4, "snappy"), (0x20, "zstd")].filter { flags & $0.0 != 0 }.map { $0.1 }
    }
}

// A file with symbols: opened, unpacked where it is packed, and asked whose it is.

internal import Bytes
internal import Codecs
package import ELF

/// An ELF file that was taken for the kernel's or a module's.
package struct SymbolFile: Sendable {
    package let path: String
    package let elf: ELFFile
    /// Whether its build-id is that of the dump; false where one of them has none, or where a difference was forced.
    package let isVerified: Bool
    /// The file of common debug information that dwz took out of this one.
    package let alternate: ELFFile?

    /// Whether it has DWARF, not only symbols.
    package var hasDebugInformation: Bool {
        elf.section(".debug_info") != nil || elf.section(".zdebug_info") != nil
    }

    /// Opens `path`; a name in `.zst` is unpacked. The text says why it could not be.
    static func open(_ path: String, limits: Limits) -> (elf: ELFFile?, problem: String) {
        if path.hasSuffix(".xz") || path.hasSuffix(".gz") {
            return (nil, "\(path): packed with xz or gzip, which is not read; unpack it")
        }
        do {
            var bytes = try ByteSource.map(path)
            if path.hasSuffix(".zst") { bytes = try unpack(bytes, limits: limits) }
            return (try ELFFile(bytes, limits: limits), "")
        } catch {
            return (nil, "\(error)")
        }
    }

    /// One zstd frame. Its header says how large the contents are (RFC 8878, section 3.1.1.1); without that, room
    /// for 32 times the packed size, which no module reaches.
    private static func unpack(_ bytes: ByteSlice, limits: Limits) throws -> ByteSlice {
        var cursor = Cursor(bytes)
        guard try cursor.u32("zstd magic") == 0xfd2f_b528 else {
            throw cursor.fault("zstd magic", .invalid("not a zstd frame"), back: 4)
        }
        let descriptor = try cursor.u8("frame header")
        let isSingle = descriptor & 0x20 != 0
        if !isSingle { try cursor.skip(1, "window descriptor") }
        try cursor.skip([0, 1, 2, 4][Int(descriptor & 3)], "dictionary id")
        var size = UInt64(bytes.count) &* 32
        switch descriptor >> 6 {
        case 0: if isSingle { size = UInt64(try cursor.u8("content size")) }
        case 1: size = UInt64(try cursor.u16("content size")) + 256
        case 2: size = UInt64(try cursor.u32("content size"))
        default: size = try cursor.u64("content size")
        }
        // No module is larger; a vmlinux in zstd would be its whole debug information.
        guard size <= min(limits.sectionBytes, 2 << 30), let count = Int(exactly: size) else {
            throw cursor.fault("content size", .limit("\(size) bytes"))
        }
        guard count / 100_000 <= bytes.count else {
            throw cursor.fault("content size", .invalid("\(size) bytes from \(bytes.count)"))
        }
        return try Zstd.decode(bytes, count: count, label: bytes.name)
    }
}

/// A link to another file, as `objcopy --add-gnu-debuglink` and dwz leave it.
enum DebugLink {
    /// `.gnu_debuglink`: the name of the file with the debug information, and the CRC-32 of its bytes.
    static func separate(_ elf: ELFFile) -> (name: String, checksum: UInt32)? {
        guard let bytes = try? elf.section(".gnu_debuglink")?.contents() else { return nil }
        var cursor = Cursor(bytes, order: elf.order)
        guard let name = try? cursor.cString("debug link") else { return nil }
        cursor.align(4)
        guard let checksum = try? cursor.u32("debug link checksum") else { return nil }
        return (name.clamped(0, 4096).cString, checksum)
    }

    /// `.gnu_debugaltlink`: the name of the common file, and its build-id.
    static func alternate(_ elf: ELFFile) -> (name: String, buildID: BuildID)? {
        guard let bytes = try? elf.section(".gnu_debugaltlink")?.contents() else { return nil }
        var cursor = Cursor(bytes, order: elf.order)
        guard let name = try? cursor.cString("alternate link"), cursor.remaining > 0,
            let id = try? cursor.bytes(UInt64(cursor.remaining), "build-id")
        else { return nil }
        return (name.clamped(0, 4096).cString, BuildID(id.clamped(0, 64).array))
    }

    /// The CRC-32 of IEEE 802.3 (reflected, polynomial edb88320) over all bytes.
    static func checksum(_ bytes: ByteSlice) -> UInt32 {
        let table = (0..<UInt32(256)).map { byte in
            (0..<8).reduce(byte) { value, _ in value & 1 != 0 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        }
        return bytes.withBytes { span in
            var value = ~UInt32(0)
            for index in 0..<span.byteCount {
                value = value >> 8 ^ table[Int((value ^ UInt32(span.u8(index))) & 0xff)]
            }
            return ~value
        }
    }
}

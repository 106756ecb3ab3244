// A section: its header, and its contents, inflated when asked.

package import Bytes
internal import Codecs

/// `Elf32_Shdr` or `Elf64_Shdr` (ELF specification, "Section Header").
struct RawSection {
    let name: UInt32
    let type: UInt32
    let flags: UInt64
    let address: UInt64
    let offset: UInt64
    let size: UInt64
    let link: UInt32
    let info: UInt32
    let entrySize: UInt64

    init(_ cursor: inout Cursor, is64: Bool) throws(ParseFault) {
        let word = is64 ? 8 : 4
        name = try cursor.u32("sh_name")
        type = try cursor.u32("sh_type")
        flags = try cursor.unsigned(size: word, "sh_flags")
        address = try cursor.unsigned(size: word, "sh_addr")
        offset = try cursor.unsigned(size: word, "sh_offset")
        size = try cursor.unsigned(size: word, "sh_size")
        link = try cursor.u32("sh_link")
        info = try cursor.u32("sh_info")
        _ = try cursor.unsigned(size: word, "sh_addralign")
        entrySize = try cursor.unsigned(size: word, "sh_entsize")
    }
}

package struct Section: Sendable {
    package let name: String
    package let index: Int
    /// `sh_type`: 1 PROGBITS, 2 SYMTAB, 3 STRTAB, 4 RELA, 7 NOTE, 8 NOBITS.
    package let type: UInt32
    package let flags: UInt64
    package let address: UInt64
    package let offset: UInt64
    package let size: UInt64
    package let link: UInt32
    package let info: UInt32
    package let entrySize: UInt64
    private let file: ByteSlice
    private let is64: Bool
    private let order: ByteOrder

    package static let symtab: UInt32 = 2
    package static let rela: UInt32 = 4
    package static let note: UInt32 = 7
    package static let nobits: UInt32 = 8
    /// `SHF_ALLOC`: occupies memory in the running image.
    package static let alloc: UInt64 = 2
    private static let compressed: UInt64 = 0x800

    init(_ raw: RawSection, index: Int, names: ByteSlice, file: ByteSlice, elf: ELFHeader) {
        name = names.clamped(UInt64(raw.name), 256).cString
        self.index = index
        type = raw.type
        flags = raw.flags
        address = raw.address
        offset = raw.offset
        size = raw.size
        link = raw.link
        info = raw.info
        entrySize = raw.entrySize
        self.file = file
        is64 = elf.is64
        order = elf.order
    }

    /// Whether the bytes in the file are compressed, in the standard way or the older one of GNU (`.zdebug_*`).
    package var isCompressed: Bool { flags & Self.compressed != 0 || name.hasPrefix(".zdebug_") }

    /// The bytes as they stand in the file; throws when they are not all there. Empty for NOBITS.
    package func stored() throws(ParseFault) -> ByteSlice {
        type == Self.nobits ? .empty : try file.sub(offset, size, "section \(name)")
    }

    /// The contents, inflated where they are compressed (ELF specification, "Compression header"; GNU's "ZLIB" prefix).
    /// An inflated section is new memory each time: keep it.
    package func contents(limits: Limits = Limits()) throws(ParseFault) -> ByteSlice {
        let raw = try stored()
        if flags & Self.compressed != 0 {
            var cursor = Cursor(raw, order: order)
            let kind = try cursor.u32("ch_type")
            if is64 { _ = try cursor.u32("ch_reserved") }
            let size = try cursor.unsigned(size: is64 ? 8 : 4, "ch_size")
            _ = try cursor.unsigned(size: is64 ? 8 : 4, "ch_addralign")
            return try inflate(cursor, kind: kind, size: size, limits)
        }
        if name.hasPrefix(".zdebug_"), raw.hasBytes([0x5a, 0x4c, 0x49, 0x42]) {
            var cursor = Cursor(raw, order: .big, at: 4)
            let size = try cursor.u64("size of a .zdebug section")
            return try inflate(cursor, kind: 1, size: size, limits)
        }
        return raw
    }

    private func inflate(
        _ rest: Cursor, kind: UInt32, size: UInt64, _ limits: Limits
    ) throws(ParseFault) -> ByteSlice {
        guard size <= limits.sectionBytes, let count = Int(exactly: size) else {
            throw rest.fault("ch_size", .limit("\(size) bytes for section \(name)"))
        }
        // Deflate reaches 1032:1, zstd more on zeros; a header that promises more than a million to one lies.
        guard count / 1_000_000 <= rest.remaining else {
            throw rest.fault("ch_size", .invalid("\(size) bytes from \(rest.remaining)"))
        }
        let input = rest.slice.clamped(UInt64(rest.position), UInt64(rest.remaining))
        let label = "\(file.name)(\(name))"
        do throws(CodecFault) {
            let output: ByteSlice
            switch kind {
            case 1: output = try Zlib.decode(input, count: count, label: label)
            case 2: output = try Zstd.decode(input, count: count, label: label)
            default: throw CodecFault("ch_type", "compression type \(kind) is unknown")
            }
            guard output.count == count else {
                throw CodecFault("ch_size", "\(output.count) bytes where \(count) were promised")
            }
            return output
        } catch {
            throw rest.fault("compressed section \(name)", .invalid(error.description))
        }
    }
}

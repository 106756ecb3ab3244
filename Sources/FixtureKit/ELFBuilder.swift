// ELF files from words: sections, segments, notes, symbols.

package import Bytes

/// One note as it stands in a file (ELF specification, "Note Section").
package func noteBytes(_ name: String, _ type: UInt32, _ description: [UInt8], _ order: ByteOrder = .little) -> [UInt8]
{
    var output = Output(order)
    output.u32(UInt32(name.utf8.count + 1))
    output.u32(UInt32(description.count))
    output.u32(type)
    output.cString(name)
    output.align(4)
    output.append(description)
    output.align(4)
    return output.bytes
}

/// Builds an ELF file of either width and order: header, contents, program headers, section headers.
package struct ELFBuilder {
    package var is64 = true
    package var order: ByteOrder = .little
    /// `e_type`: 1 relocatable, 2 executable, 3 shared, 4 core.
    package var type: UInt16 = 2
    package var machine: UInt16 = 62
    package var entry: UInt64 = 0

    package init() {}

    private struct BuiltSection {
        var name: String
        var type: UInt32
        var flags: UInt64 = 0
        var address: UInt64 = 0
        var bytes: [UInt8]
        /// The size in memory of NOBITS.
        var size: UInt64?
        var link: UInt32 = 0
        var info: UInt32 = 0
        var entrySize: UInt64 = 0
        var offset = 0
    }

    private struct BuiltSegment {
        var type: UInt32
        var virtual: UInt64
        var physical: UInt64
        var bytes: [UInt8]
        var memorySize: UInt64
        var offset = 0
    }

    private struct BuiltSymbol {
        var name: String
        var value: UInt64
        var size: UInt64
        var info: UInt8
        var section: UInt16
    }

    private var sections: [BuiltSection] = []
    private var segments: [BuiltSegment] = []
    private var symbols: [BuiltSymbol] = []

    /// Adds a section; the index by which symbols and links name it is returned.
    @discardableResult
    package mutating func section(
        _ name: String, type: UInt32 = 1, flags: UInt64 = 0, address: UInt64 = 0, link: UInt32 = 0, info: UInt32 = 0,
        entrySize: UInt64 = 0, size: UInt64? = nil, _ bytes: [UInt8]
    ) -> UInt16 {
        sections.append(
            BuiltSection(
                name: name, type: type, flags: flags, address: address, bytes: bytes, size: size, link: link,
                info: info,
                entrySize: entrySize))
        return UInt16(sections.count)
    }

    /// Adds a compressed section with the standard header (ELF specification, "Compression header").
    package mutating func compressedSection(_ name: String, _ bytes: [UInt8], _ encoder: Encoder) {
        var output = Output(order)
        output.u32(encoder == .zstd ? 2 : 1)
        if is64 { output.u32(0) }
        output.word(UInt64(bytes.count), is64: is64)
        output.word(1, is64: is64)
        output.append(encoder.encode(bytes))
        section(name, flags: 0x800, output.bytes)
    }

    /// Adds a section in GNU's older way: named `.zdebug_*`, "ZLIB" and a big-endian size before the stream.
    package mutating func zdebugSection(_ name: String, _ bytes: [UInt8]) {
        var output = Output(.big)
        output.append(Array("ZLIB".utf8))
        output.u64(UInt64(bytes.count))
        output.append(Encoder.zlib.encode(bytes))
        section(name, output.bytes)
    }

    /// Adds a section of one note; a build-id is `note("GNU", type: 3, bytes)`.
    package mutating func note(_ name: String, type: UInt32, _ description: [UInt8]) {
        section(".note.\(sections.count)", type: 7, flags: 2, noteBytes(name, type, description, order))
    }

    package mutating func segment(
        type: UInt32 = 1, virtual: UInt64, physical: UInt64, _ bytes: [UInt8], memorySize: UInt64? = nil
    ) {
        segments.append(
            BuiltSegment(
                type: type, virtual: virtual, physical: physical, bytes: bytes,
                memorySize: memorySize ?? UInt64(bytes.count)))
    }

    /// Adds a symbol; `info` is binding * 16 + type: 0x12 a global function, 0x11 a global object.
    package mutating func symbol(
        _ name: String, _ value: UInt64, size: UInt64 = 0, info: UInt8 = 0x12, section: UInt16 = 1
    ) {
        symbols.append(BuiltSymbol(name: name, value: value, size: size, info: info, section: section))
    }

    package func build() -> [UInt8] {
        var all = sections
        if !symbols.isEmpty { appendSymbolTable(&all) }
        var names = Output(order)
        names.u8(0)
        var nameOffsets: [UInt32] = []
        for name in all.map(\.name) + [".shstrtab"] {
            nameOffsets.append(UInt32(names.count))
            names.cString(name)
        }
        all.append(BuiltSection(name: ".shstrtab", type: 3, bytes: names.bytes))

        var body = Output(order)
        let headerSize = is64 ? 64 : 52
        body.pad(to: headerSize + segments.count * (is64 ? 56 : 32))
        var placed = segments
        for index in placed.indices {
            body.align(8)
            placed[index].offset = body.count
            body.append(placed[index].bytes)
        }
        for index in all.indices {
            body.align(8)
            all[index].offset = body.count
            if all[index].type != 8 { body.append(all[index].bytes) }
        }
        body.align(8)
        let sectionTable = body.count
        body.append([UInt8](repeating: 0, count: is64 ? 64 : 40))
        for (index, section) in all.enumerated() { body.append(header(section, name: nameOffsets[index])) }
        body.overwrite(0, header(sectionTable: sectionTable, sectionCount: all.count + 1))
        for (index, segment) in placed.enumerated() {
            body.overwrite(headerSize + index * (is64 ? 56 : 32), header(segment))
        }
        return body.bytes
    }

    private func appendSymbolTable(_ all: inout [BuiltSection]) {
        var strings = Output(order)
        strings.u8(0)
        var rows = Output(order)
        rows.append([UInt8](repeating: 0, count: is64 ? 24 : 16))
        for symbol in symbols {
            rows.u32(UInt32(strings.count))
            strings.cString(symbol.name)
            if is64 {
                rows.append([symbol.info, 0])
                rows.u16(symbol.section)
                rows.u64(symbol.value)
                rows.u64(symbol.size)
            } else {
                rows.u32(UInt32(truncatingIfNeeded: symbol.value))
                rows.u32(UInt32(truncatingIfNeeded: symbol.size))
                rows.append([symbol.info, 0])
                rows.u16(symbol.section)
            }
        }
        let link = UInt32(all.count + 2)
        all.append(
            BuiltSection(name: ".symtab", type: 2, bytes: rows.bytes, link: link, info: 1, entrySize: is64 ? 24 : 16))
        all.append(BuiltSection(name: ".strtab", type: 3, bytes: strings.bytes))
    }

    private func header(sectionTable: Int, sectionCount: Int) -> [UInt8] {
        var output = Output(order)
        output.append([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, order == .little ? 1 : 2, 1])
        output.pad(to: 16)
        output.u16(type)
        output.u16(machine)
        output.u32(1)
        output.word(entry, is64: is64)
        output.word(segments.isEmpty ? 0 : is64 ? 64 : 52, is64: is64)
        output.word(UInt64(sectionTable), is64: is64)
        output.u32(0)
        output.u16(is64 ? 64 : 52)
        output.u16(is64 ? 56 : 32)
        output.u16(UInt16(segments.count))
        output.u16(is64 ? 64 : 40)
        output.u16(UInt16(sectionCount))
        output.u16(UInt16(sectionCount - 1))
        return output.bytes
    }

    private func header(_ section: BuiltSection, name: UInt32) -> [UInt8] {
        var output = Output(order)
        output.u32(name)
        output.u32(section.type)
        output.word(section.flags, is64: is64)
        output.word(section.address, is64: is64)
        output.word(UInt64(section.offset), is64: is64)
        output.word(section.size ?? UInt64(section.bytes.count), is64: is64)
        output.u32(section.link)
        output.u32(section.info)
        output.word(8, is64: is64)
        output.word(section.entrySize, is64: is64)
        return output.bytes
    }

    private func header(_ segment: BuiltSegment) -> [UInt8] {
        var output = Output(order)
        output.u32(segment.type)
        if is64 { output.u32(7) }
        output.word(UInt64(segment.offset), is64: is64)
        output.word(segment.virtual, is64: is64)
        output.word(segment.physical, is64: is64)
        output.word(UInt64(segment.bytes.count), is64: is64)
        output.word(segment.memorySize, is64: is64)
        if !is64 { output.u32(7) }
        output.word(8, is64: is64)
        return output.bytes
    }
}

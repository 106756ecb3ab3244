// Numbers for the files of a unit, equal for equal paths in all units: what tells types of the same name apart.

internal import Bytes

/// The identities of the files that a unit's line program lists (DWARF 5, section 6.2.4). No path is put together:
/// a directory and a name are compared by where their strings are, which the linker has made unique.
struct IndexFiles {
    private var identities: [UInt64] = []
    private var directories: [UInt64] = []
    private var formats: [(content: UInt64, form: UInt64)] = []

    /// What `DW_AT_decl_file` means; the number itself when there is no table to look it up in.
    @inline(__always)
    func identity(_ number: UInt64) -> UInt64 {
        number < UInt64(identities.count) ? identities[Int(truncatingIfNeeded: number)] : number
    }

    mutating func clear() { identities.removeAll(keepingCapacity: true) }

    /// Reads the tables of the line program at `offset`; whatever is wrong with them, what was read before stays.
    mutating func read(_ span: borrowing RawSpan, at offset: UInt64, _ order: ByteOrder) {
        clear()
        directories.removeAll(keepingCapacity: true)
        guard offset < UInt64(span.byteCount) else { return }
        var position = ScanPosition(from: Int(offset), to: span.byteCount)
        let is64 = position.fixed(span, order, as: UInt32.self) == 0xffff_ffff
        if is64 { position.skip(8) }
        let version = position.fixed(span, order, as: UInt16.self)
        guard (2...5).contains(version) else { return }
        // Address and selector sizes, header length, then five bytes of which version 2 and 3 lack the second.
        position.skip(UInt64((version >= 5 ? 2 : 0) + (is64 ? 8 : 4) + (version >= 4 ? 5 : 4)))
        let opcodes = position.u8(span)
        position.skip(UInt64(max(opcodes, 1) &- 1))
        if version >= 5 {
            readTable(span, &position, order, is64, isFiles: false)
            readTable(span, &position, order, is64, isFiles: true)
        } else {
            readOld(span, &position)
        }
    }

    /// Versions 2 to 4: strings up to an empty one. Directory and file numbers start at 1.
    private mutating func readOld(_ span: borrowing RawSpan, _ position: inout ScanPosition) {
        directories.append(0)
        identities.append(0)
        while !position.isAtEnd, span.u8(position.at) != 0 { directories.append(Self.text(span, &position)) }
        _ = position.u8(span)
        while !position.isAtEnd, span.u8(position.at) != 0 {
            let name = Self.text(span, &position)
            let directory = position.uleb128(span)
            _ = position.uleb128(span)
            _ = position.uleb128(span)
            identities.append(IndexKey.mix(name, self.directory(directory)))
        }
    }

    private func directory(_ number: UInt64) -> UInt64 {
        number < UInt64(directories.count) ? directories[Int(truncatingIfNeeded: number)] : ~number
    }

    private mutating func readTable(
        _ span: borrowing RawSpan, _ position: inout ScanPosition, _ order: ByteOrder, _ is64: Bool, isFiles: Bool
    ) {
        formats.removeAll(keepingCapacity: true)
        for _ in 0..<position.u8(span) { formats.append((position.uleb128(span), position.uleb128(span))) }
        var left = position.uleb128(span)
        while left > 0, !position.failed {
            var name: UInt64 = 0
            var directory: UInt64 = 0
            let before = position.at
            for index in formats.indices {
                let value = Self.value(formats[index].form, span, &position, order, is64)
                // DW_LNCT_path, DW_LNCT_directory_index.
                if formats[index].content == 1 { name = value }
                if formats[index].content == 2 { directory = value }
            }
            // An entry of no bytes would repeat for ever.
            guard position.at > before, !position.failed else { return }
            if isFiles {
                identities.append(IndexKey.mix(name, self.directory(directory)))
            } else {
                directories.append(name)
            }
            left &-= 1
        }
    }

    /// A number that stands for the value of a form: itself for numbers, the place for strings in a section.
    @inline(__always)
    private static func value(
        _ form: UInt64, _ span: borrowing RawSpan, _ position: inout ScanPosition, _ order: ByteOrder, _ is64: Bool
    ) -> UInt64 {
        switch form {
        case 0x0e, 0x1f, 0x17, 0x1d: return position.unsigned(span, order, size: is64 ? 8 : 4) | form << 56
        case 0x0b, 0x25: return UInt64(position.u8(span))
        case 0x05, 0x26: return UInt64(position.fixed(span, order, as: UInt16.self))
        case 0x06, 0x28: return UInt64(position.fixed(span, order, as: UInt32.self))
        case 0x07: return position.fixed(span, order, as: UInt64.self)
        case 0x0f, 0x1a, 0x0d: return position.uleb128(span)
        case 0x08: return text(span, &position)
        case 0x1e: position.skip(16)
        case 0x09: position.skip(position.uleb128(span))
        case 0x0a: position.skip(UInt64(position.u8(span)))
        default: position.fail()
        }
        return 0
    }

    /// A number for the string that stands here, by its bytes.
    private static func text(_ span: borrowing RawSpan, _ position: inout ScanPosition) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        while true {
            let byte = position.u8(span)
            if byte == 0 { return hash }
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
    }
}

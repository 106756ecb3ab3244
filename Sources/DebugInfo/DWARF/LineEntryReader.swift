// Reads the self-describing directory and file tables of version 5 line programs.

internal import Bytes

/// DWARF 5, section 6.2.4.1: a list of (content, form) pairs, then that many values an entry.
struct LineEntryReader {
    let strings: LineStrings
    let is64: Bool

    private enum Content {
        static let path: UInt64 = 1
        static let directory: UInt64 = 2
    }

    /// One table. Contents other than the path and the directory (times, sizes, MD5, the vendors') are passed over.
    func entries(_ cursor: inout Cursor, limit: UInt64) throws(ParseFault) -> [LineHeader.File] {
        var formats: [(content: UInt64, form: UInt64)] = []
        for _ in 0..<(try cursor.u8("entry_format_count")) {
            let content = try cursor.uleb128("content type")
            formats.append((content, try cursor.uleb128("form")))
        }
        let count = try cursor.uleb128("entry count")
        // An entry without formats takes no bytes: then a count is a promise of nothing, without end.
        guard count <= limit, !formats.isEmpty || count == 0 else {
            throw cursor.fault("entry count", .limit("\(count) files"))
        }
        var files: [LineHeader.File] = []
        for _ in 0..<count {
            var name = ByteSlice.empty
            var directory: UInt64 = 0
            let before = cursor.position
            for format in formats {
                switch format.content {
                case Content.path: name = try string(&cursor, form: format.form)
                case Content.directory: directory = try number(&cursor, form: format.form)
                default: try skip(&cursor, form: format.form)
                }
            }
            guard cursor.position > before else { throw cursor.fault("file entry", .invalid("an entry of no bytes")) }
            files.append(LineHeader.File(name: name, directory: directory))
        }
        return files
    }

    private func string(_ cursor: inout Cursor, form: UInt64) throws(ParseFault) -> ByteSlice {
        switch form {
        case 0x08: return try cursor.cString("path")
        case 0x0e: return text(strings.debugStr, at: try cursor.unsigned(size: is64 ? 8 : 4, "path"))
        case 0x1f: return text(strings.debugLineStr, at: try cursor.unsigned(size: is64 ? 8 : 4, "path"))
        default:
            // DW_FORM_strx and the like need the unit's string offsets; no producer uses them here.
            try skip(&cursor, form: form)
            return .empty
        }
    }

    private func text(_ section: ByteSlice, at offset: UInt64) -> ByteSlice { section.clamped(offset, 4096) }

    private func number(_ cursor: inout Cursor, form: UInt64) throws(ParseFault) -> UInt64 {
        switch form {
        case 0x0b: return UInt64(try cursor.u8("directory index"))
        case 0x05: return UInt64(try cursor.u16("directory index"))
        case 0x06: return UInt64(try cursor.u32("directory index"))
        case 0x07: return try cursor.u64("directory index")
        case 0x0f: return try cursor.uleb128("directory index")
        default: throw cursor.fault("directory index", .unsupported("form 0x\(hex(form))"))
        }
    }

    private func skip(_ cursor: inout Cursor, form: UInt64) throws(ParseFault) {
        switch form {
        case 0x0b, 0x0c, 0x25: try cursor.skip(1, "file entry")
        case 0x05, 0x26: try cursor.skip(2, "file entry")
        case 0x27: try cursor.skip(3, "file entry")
        case 0x06, 0x28: try cursor.skip(4, "file entry")
        case 0x07: try cursor.skip(8, "file entry")
        case 0x1e: try cursor.skip(16, "MD5")
        case 0x0d: _ = try cursor.sleb128("file entry")
        case 0x0f, 0x1a: _ = try cursor.uleb128("file entry")
        case 0x08: _ = try cursor.cString("file entry")
        case 0x0e, 0x17, 0x1f, 0x1d: try cursor.skip(is64 ? 8 : 4, "file entry")
        case 0x09: try cursor.skip(try cursor.uleb128("block"), "block")
        case 0x0a: try cursor.skip(UInt64(try cursor.u8("block")), "block")
        case 0x03: try cursor.skip(UInt64(try cursor.u16("block")), "block")
        case 0x04: try cursor.skip(UInt64(try cursor.u32("block")), "block")
        default: throw cursor.fault("file entry", .unsupported("form 0x\(hex(form))"))
        }
    }
}

// The debug sections of one file, each fetched when it is first asked for.

package import Bytes
internal import Synchronization

/// The sections of DWARF 2 to 5; the raw value follows ".debug_".
package enum DWARFSection: String, CaseIterable, Sendable {
    case info
    case types
    case abbrev
    case str
    case lineStr = "line_str"
    case strOffsets = "str_offsets"
    case addr
    case line
    case rnglists
    case ranges
    case loclists
    case loc
    case frame
    case aranges

    package var name: String { ".debug_" + rawValue }
}

/// The bytes of a file's debug sections, with those of the file that dwz took out of it.
package final class DWARFSections: Sendable {
    package typealias Loader = @Sendable (DWARFSection) throws(ParseFault) -> ByteSlice

    package let name: String
    package let order: ByteOrder
    package let supplementary: DWARFSections?
    private let load: Loader
    private let loaded = Mutex<[DWARFSection: ByteSlice]>([:])

    init(name: String, order: ByteOrder, supplementary: DWARFSections?, load: @escaping Loader) {
        self.name = name
        self.order = order
        self.supplementary = supplementary
        self.load = load
    }

    /// The contents of a section, empty when the file has none. What was inflated or relocated is kept.
    package subscript(section: DWARFSection) -> ByteSlice {
        get throws(ParseFault) {
            try loaded.withLock { (known) throws(ParseFault) -> ByteSlice in
                if let bytes = known[section] { return bytes }
                let bytes = try load(section)
                known[section] = bytes
                return bytes
            }
        }
    }

    /// The NUL-terminated bytes at `offset` of a section of strings, without the NUL.
    package func string(_ section: DWARFSection, _ offset: UInt64) throws(ParseFault) -> ByteSlice {
        let bytes = try self[section]
        guard let length = bytes.stringLength(at: offset) else {
            throw ParseFault("string", in: "\(name)(\(section.name))", at: offset, .invalid("not within the section"))
        }
        return bytes.clamped(offset, UInt64(length))
    }
}

extension ByteSlice {
    /// The number of bytes from `offset` to the next NUL; nil when there is none.
    func stringLength(at offset: UInt64) -> Int? {
        guard offset < UInt64(count) else { return nil }
        return withBytes { span in
            let start = Int(offset)
            var end = start
            while end < span.byteCount {
                if span.u8(end) == 0 { return end &- start }
                end &+= 1
            }
            return nil
        }
    }

    /// The bytes as text, with U+FFFD for what is not UTF-8.
    package var text: String { String(decoding: array, as: UTF8.self) }
}

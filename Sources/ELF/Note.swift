// Notes: of a core's PT_NOTE segment, of a program's SHT_NOTE sections.

package import Bytes

/// One note (ELF specification, "Note Section").
package struct Note: Sendable {
    /// Without the NUL: "CORE", "GNU".
    package let name: String
    package let type: UInt32
    package let description: ByteSlice

    package static let gnuBuildID: UInt32 = 3
}

/// The notes of a note section or segment, one after another.
package struct Notes: Sendable {
    private var cursor: Cursor
    private let alignment: Int

    /// `alignment`: `p_align` or `sh_addralign` of 8 pads to 8 bytes; everything else, as the kernels write, to 4.
    package init(_ bytes: ByteSlice, order: ByteOrder, alignment: UInt64 = 4) {
        cursor = Cursor(bytes, order: order)
        self.alignment = alignment == 8 ? 8 : 4
    }

    /// The next note, or nil at the end. After a fault it is at the end, so that a caller that ignores it still stops.
    package mutating func next() throws(ParseFault) -> Note? {
        guard cursor.remaining >= 12 else { return nil }
        do throws(ParseFault) {
            let nameSize = try cursor.u32("n_namesz")
            let descriptionSize = try cursor.u32("n_descsz")
            let type = try cursor.u32("n_type")
            let name = try cursor.bytes(UInt64(nameSize), "note name").cString
            cursor.align(alignment)
            let description = try cursor.bytes(UInt64(descriptionSize), "note description")
            cursor.align(alignment)
            // What is left of a note segment after the last note is zeros.
            if nameSize == 0, descriptionSize == 0, type == 0 { cursor = Cursor(.empty) }
            return nameSize == 0 && descriptionSize == 0 && type == 0
                ? nil : Note(name: name, type: type, description: description)
        } catch {
            cursor = Cursor(.empty)
            throw error
        }
    }
}

/// A build-id: what tells which binary debug information belongs to.
package struct BuildID: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// From hexadecimal digits, as VMCOREINFO and file names spell it; nil for anything else.
    package init?(hex text: String) {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0, digits.count >= 2, digits.count <= 128 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            // The sign that UInt8(_:radix:) would accept is no digit of a build-id.
            guard digits[index] != 0x2b, digits[index] != 0x2d,
                let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    package var description: String {
        bytes.map { Bytes.hex(UInt64($0), width: 2) }.joined()
    }
}

extension ELFFile {
    /// The notes of all SHT_NOTE sections, or of the PT_NOTE segments when there are no sections. A damaged note
    /// ends its own section only.
    package func notes() -> [Note] {
        var parts: [ByteSlice] = sections.filter { $0.type == Section.note }.compactMap { try? $0.stored() }
        if parts.isEmpty {
            parts = segments.filter { $0.type == Segment.note }.map { bytes.clamped($0.offset, $0.fileSize) }
        }
        var notes: [Note] = []
        for part in parts {
            var reader = Notes(part, order: order)
            while let note = try? reader.next() { notes.append(note) }
        }
        return notes
    }

    /// The build-id, from the note "GNU" of type `NT_GNU_BUILD_ID`.
    package var buildID: BuildID? {
        notes().first { $0.name == "GNU" && $0.type == Note.gnuBuildID && !$0.description.isEmpty }
            .map { BuildID($0.description.array) }
    }
}

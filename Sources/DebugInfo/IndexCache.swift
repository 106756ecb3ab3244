// Keeps an index in a file, so that the next session need not make it.

internal import Bytes
package import ELF

/// The place of one file's index. Whatever is wrong with the cache, the session goes on without it.
package struct IndexCache: Sendable {
    private let directory: String
    private let name: String

    /// `directory` is made when the first index is stored. Nil for a file without a build-id: nothing else tells its
    /// index from another's.
    package init?(directory: String, of elf: ELFFile, supplementary: ELFFile? = nil) {
        guard let id = elf.buildID, id.bytes.count >= 4 else { return nil }
        // Both files' names are in the index; dwz may have rewritten one of them.
        let other = supplementary.flatMap(\.buildID).map { "+\($0)" } ?? ""
        self.directory = directory
        name = "\(id)\(other).index\(IndexImage.version)"
    }

    package var path: String { "\(directory)/\(name)" }

    /// The stored bytes, not yet checked; nil when there are none.
    func load() -> ByteSlice? {
        // Absent, unreadable and not a file are the same here: the index is made anew, and stored again.
        try? ByteSource.map(path)
    }

    /// Stores an index. Failures are silent: a full disk or a read-only home must not keep anyone from looking at a
    /// dump.
    func store(_ image: ByteSlice) { try? image.replaceFile(at: path) }

    /// Gives an image the checksum of what it holds now: for tests of what the checksum alone would hide. False for
    /// bytes that are shorter than a header.
    package static func forgeChecksum(_ bytes: inout [UInt8]) -> Bool {
        guard bytes.count >= IndexImage.headerSize else { return false }
        let sum = ByteSlice(bytes, name: "index").withBytes { IndexHeader.checksum($0) }
        for index in 0..<8 { bytes[24 + index] = UInt8(truncatingIfNeeded: sum >> UInt64(8 * index)) }
        return true
    }
}

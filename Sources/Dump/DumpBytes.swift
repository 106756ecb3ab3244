// The bytes of a dump file as its format counts them: the file's own, or those of a flattened file put in order.

internal import Bytes

/// What Kdump and ELFCore read from. Offsets are those of the file that the dump tool meant to write.
struct DumpBytes: Sendable {
    private enum Source {
        case file(ByteSlice)
        case flat(FlatFile)
    }

    private let source: Source
    let path: String

    init(_ bytes: ByteSlice, path: String) {
        source = .file(bytes)
        self.path = path
    }

    init(_ flat: FlatFile, path: String) {
        source = .flat(flat)
        self.path = path
    }

    /// The bytes of `file`, put in order when it is flattened; then `remarks` learns what its records lack.
    init(_ file: DumpFile, _ limits: Limits, _ remarks: inout [String]) throws(DumpError) {
        guard FlatFile.matches(file.bytes) else {
            self.init(file.bytes, path: file.path)
            return
        }
        do throws(ParseFault) {
            self.init(try FlatFile(file.bytes, limits, &remarks), path: file.path)
        } catch {
            throw DumpError(error)
        }
    }

    var isFlattened: Bool {
        switch source {
        case .file: false
        case .flat: true
        }
    }

    /// The file itself, unless it is flattened.
    var mapping: ByteSlice? {
        switch source {
        case .file(let bytes): bytes
        case .flat: nil
        }
    }

    /// One past the last byte.
    var count: UInt64 {
        switch source {
        case .file(let bytes): UInt64(bytes.count)
        case .flat(let flat): flat.count
        }
    }

    /// How many bytes the real file has: a flattened one may claim offsets far beyond them.
    var stored: UInt64 {
        switch source {
        case .file(let bytes): UInt64(bytes.count)
        case .flat(let flat): flat.stored
        }
    }

    /// What is there of the `count` bytes from `offset`: all, fewer, or none. Copied only where a flattened file
    /// scattered them; the caller keeps `count` small.
    func clamped(_ offset: UInt64, _ count: UInt64) -> ByteSlice {
        switch source {
        case .file(let bytes): bytes.clamped(offset, count)
        case .flat(let flat): flat.clamped(offset, count)
        }
    }

    /// `count` bytes from `offset`; throws when they are not all there.
    func sub(_ offset: UInt64, _ count: UInt64, _ what: String) throws(ParseFault) -> ByteSlice {
        let bytes = clamped(offset, count)
        guard UInt64(bytes.count) == count else {
            throw ParseFault(
                what, in: path, at: offset, .truncated(needed: count, available: UInt64(bytes.count)))
        }
        return bytes
    }
}

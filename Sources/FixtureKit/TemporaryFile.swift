// Files that tests make: written in one piece, and removed with the object that stands for them.

package import Bytes
internal import Glibc

/// A file in a temporary folder of its own, removed with it.
package final class TemporaryFile: Sendable {
    package let path: String
    private let folder: String

    /// A new file of that name with those bytes.
    package convenience init(_ name: String, _ bytes: [UInt8]) throws(FileError) {
        try self.init(name)
        try Self.write(bytes, to: path)
    }

    /// Only the folder: the file is for the caller to make.
    package init(_ name: String) throws(FileError) {
        // Safe: the template is a NUL-terminated array of ours, which mkdtemp changes in place.
        var template = Array("/tmp/inquest-test-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw FileError(path: name, doing: "make", errno: errno) }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        path = "\(folder)/\(name)"
    }

    /// Another file in the same folder.
    package func beside(_ name: String, _ bytes: [UInt8]) throws(FileError) -> String {
        try Self.write(bytes, to: "\(folder)/\(name)")
        return "\(folder)/\(name)"
    }

    deinit {
        // Safe: plain system calls on names of ours; what is left over is in the temporary folder anyway.
        guard let directory = unsafe opendir(folder) else { return }
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { unsafe unlink("\(folder)/\(name)") }
        }
        unsafe closedir(directory)
        unsafe rmdir(folder)
    }

    /// Makes a file of `bytes`, in place of any that is there.
    package static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        try write([(0, bytes)], size: UInt64(bytes.count), to: path)
    }

    /// Makes a sparse file of `size` bytes that holds `pieces` and is otherwise holes.
    package static func write(
        _ pieces: [(offset: UInt64, bytes: [UInt8])], size: UInt64, to path: String
    ) throws(FileError) {
        // Safe: plain system calls on a descriptor that is closed on every way out, from arrays of ours.
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw FileError(path: path, doing: "make", errno: errno) }
        defer { close(file) }
        guard ftruncate(file, Int(size)) == 0 else { throw FileError(path: path, doing: "size", errno: errno) }
        for piece in pieces {
            var done = 0
            while done < piece.bytes.count {
                let count = unsafe piece.bytes.withUnsafeBytes { raw in
                    unsafe pwrite(
                        file, raw.baseAddress.map { unsafe $0 + done }, raw.count - done, Int(piece.offset) + done)
                }
                guard count > 0 else { throw FileError(path: path, doing: "write", errno: errno) }
                done += count
            }
        }
    }

    /// Cuts the file to `size` bytes while others may have it mapped.
    package func shrink(to size: Int) throws(FileError) {
        // Safe: a system call on a name of ours.
        guard unsafe truncate(path, size) == 0 else { throw FileError(path: path, doing: "cut", errno: errno) }
    }
}

// Opens files: as a mapping where that is possible, else by reading them whole.

internal import Glibc

/// Why a file could not be opened or read: the system's own reason.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let doing: String
    package let errno: Int32

    package init(path: String, doing: String, errno: Int32) {
        self.path = path
        self.doing = doing
        self.errno = errno
    }

    package var description: String {
        // Safe: strerror returns a NUL-terminated string that is copied at once.
        let reason = unsafe String(cString: strerror(errno))
        return "\(path): cannot \(doing) it: \(reason)"
    }
}

package enum ByteSource {
    /// The bytes of the regular file at `path`, mapped. `name` is what errors call it (default: the last path component).
    package static func map(_ path: String, name: String? = nil) throws(FileError) -> ByteSlice {
        // Safe: plain system calls on a descriptor that is closed on every way out.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "open", errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw FileError(path: path, doing: "examine", errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(path: path, doing: "map", errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        let label = name ?? lastComponent(path)
        guard status.st_size > 0 else { return ByteSlice([], name: label) }
        return ByteSlice(try ByteStorage(name: label, mapping: descriptor, length: Int(status.st_size)))
    }

    /// All bytes of what is at `path`, read to its end: also of pipes and devices, which cannot be mapped. Throws past
    /// `limit` bytes: a script is never that long, and a device has no end.
    package static func read(_ path: String, limit: Int = 16 << 20) throws(FileError) -> [UInt8] {
        // Safe: plain system calls; the buffer is ours and as long as read is told.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "open", errno: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(path: path, doing: "read", errno: errno) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= limit else { throw FileError(path: path, doing: "read all of", errno: EFBIG) }
        }
    }

    /// The part of `path` after its last slash.
    package static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}

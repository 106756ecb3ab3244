// Writes a whole file, so that nobody ever sees half of it.

internal import Glibc

extension ByteSlice {
    /// Makes these bytes the contents of the file at `path`: they are written beside it, then renamed. Directories on
    /// the way are made, for the user alone.
    package func replaceFile(at path: String) throws(FileError) {
        Self.makeDirectories(of: path)
        let temporary = "\(path).\(getpid()).tmp"
        // Safe: plain system calls on a descriptor that is closed before it is forgotten.
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "write", errno: errno) }
        var failure = write(to: descriptor)
        if close(descriptor) != 0, failure == 0 { failure = errno }
        if failure == 0, unsafe rename(temporary, path) != 0 { failure = errno }
        guard failure == 0 else {
            unsafe unlink(temporary)
            throw FileError(path: path, doing: "write", errno: failure)
        }
    }

    /// The error number, or 0.
    private func write(to descriptor: Int32) -> Int32 {
        withBytes { span in
            // Safe: the buffer is valid during the call, and its size bounds every write.
            unsafe span.withUnsafeBytes { buffer in
                var done = 0
                while done < buffer.count {
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[done...])
                    let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return count < 0 ? errno : EIO }
                    done += count
                }
                return 0
            }
        }
    }

    /// Makes what is missing of the directories that lead to `path`; whether they are there shows when it is opened.
    private static func makeDirectories(of path: String) {
        var prefix = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/").dropLast() {
            prefix += "/" + part
            unsafe mkdir(prefix, 0o700)
        }
    }
}

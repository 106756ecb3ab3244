// Lists directories: for the search of symbol files.

internal import Glibc

/// What is at a path.
package enum Directory {
    package enum Entry: Sendable, Equatable {
        case file
        case directory
        /// Absent, unreadable, or neither: a device, a socket.
        case other
    }

    /// What `path` is, symbolic links followed.
    package static func kind(of path: String) -> Entry {
        var status = stat()
        // Safe: stat fills the structure that it is given.
        guard unsafe stat(path, &status) == 0 else { return .other }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    /// The names in a directory, sorted, without `.` and `..`; at most `limit`. Empty when it cannot be read.
    package static func names(in path: String, limit: Int) -> [String] {
        guard let stream = unsafe opendir(path) else { return [] }
        // Safe, here and below: the stream is open until the function ends, and each entry is copied before the next.
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while names.count < limit, let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { start in
                unsafe start.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

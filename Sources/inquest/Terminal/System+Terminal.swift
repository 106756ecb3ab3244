// The terminal and the user's directories, as the system tells of them.
//
// Every pointer handed to a system call below lives as long as the call.

internal import Glibc

extension System {
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// A terminal that can do no more than print.
    static var terminalIsDumb: Bool { environment("TERM").map { $0 == "dumb" } ?? true }

    /// Rows and columns of the terminal on standard output, else on standard error; nil where neither tells.
    static var terminalSize: (rows: Int, columns: Int)? {
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            var size = winsize()
            guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
                continue
            }
            return (Int(size.ws_row), Int(size.ws_col))
        }
        return nil
    }

    /// The user's directory of one purpose: what the variable says when that is absolute, as the XDG specification
    /// wants it, else `fallback` in the home directory; nil when the environment has neither.
    static func userDirectory(_ variable: String, _ fallback: String) -> String? {
        if let directory = environment(variable), directory.hasPrefix("/") { return directory }
        guard let home = environment("HOME"), home.hasPrefix("/") else { return nil }
        return home + fallback
    }

    /// Appends to a file that is there; false when that cannot be done.
    static func append(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return write(bytes, to: descriptor)
    }

    /// Whether a program of that name is found along PATH.
    static func isInstalled(_ program: String) -> Bool {
        (environment("PATH") ?? "/bin:/usr/bin").split(separator: ":").contains { directory in
            unsafe access("\(directory)/\(program)", X_OK) == 0
        }
    }

    /// The names in a directory with whether each is one itself; at most `limit` of them, none when it cannot be read.
    static func entries(of directory: String, limit: Int) -> [(name: String, isDirectory: Bool)] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(stream) }
        var entries: [(name: String, isDirectory: Bool)] = []
        // Safe: an entry is valid until the next call; its name is NUL-terminated and copied at once.
        while entries.count < limit, let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            var status = stat()
            let isDirectory =
                unsafe stat("\(directory)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            entries.append((name, isDirectory))
        }
        return entries
    }
}

// Lines of source text out of a tree on this machine.

package import DebugModel
internal import Bytes
internal import Synchronization

/// A tree of sources that may be anywhere: the paths that the compiler recorded are looked up by their ends.
package final class SourceTree: Sendable {
    private let root: String
    private let files: Mutex<[String: [String]?]> = Mutex([:])

    /// A source file of a kernel is at most some MB (generated headers of GPU drivers).
    private static let mostBytes = 32 << 20
    private static let mostFiles = 64

    package init(_ root: String) { self.root = root.hasSuffix("/") ? String(root.dropLast()) : root }

    /// The text of a line; nil when its file is not in the tree or is shorter.
    package func text(_ place: SourceLine) -> String? {
        guard let lines = lines(of: place.file), place.line >= 1, place.line <= lines.count else { return nil }
        return lines[place.line - 1]
    }

    /// All lines of a file, the first one being line 1.
    package func lines(of path: String) -> [String]? {
        if let known = files.withLock({ $0[path] }) { return known }
        let made = read(path)
        files.withLock { files in
            if files.count >= Self.mostFiles { files = [:] }
            files[path] = .some(made)
        }
        return made
    }

    /// The longest end of the path that the tree has: of `/build/linux/fs/inode.c` first `build/linux/fs/inode.c`,
    /// then `linux/fs/inode.c`, ... The path comes from debug information: it cannot lead out of the tree.
    private func read(_ path: String) -> [String]? {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { return read(Self.resolved(parts).joined(separator: "/")) }
        for start in parts.indices {
            let candidate = root + "/" + parts[start...].joined(separator: "/")
            guard let bytes = try? ByteSource.read(candidate, limit: Self.mostBytes) else { continue }
            return String(decoding: bytes, as: UTF8.self)
                .split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        }
        return nil
    }

    private static func resolved(_ parts: [Substring]) -> [Substring] {
        var result: [Substring] = []
        for part in parts {
            if part == ".." { _ = result.popLast() } else { result.append(part) }
        }
        return result
    }
}

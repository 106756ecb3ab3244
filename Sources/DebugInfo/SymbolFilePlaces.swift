// Where the file of a kernel or a module may be.

internal import ELF

/// Paths to look at, in the order of preference. Only names are looked at here, no contents.
struct SymbolFilePlaces {
    /// Prefixed to the standard directories: empty, except in tests.
    let root: String
    let release: String?

    /// `release` comes from the dump: one that is no plain name must not lead elsewhere.
    init(root: String, release: String?) {
        self.root = root
        let isPlain = release.map { !$0.isEmpty && !$0.contains("/") && $0 != "." && $0 != ".." } ?? false
        self.release = isPlain ? release : nil
    }

    /// `.build-id/xx/yyyy.debug`, as gdb and elfutils lay it out.
    static func buildIDPath(_ id: BuildID) -> String? {
        let digits = id.description
        guard digits.utf8.count > 2 else { return nil }
        return ".build-id/\(digits.prefix(2))/\(digits.dropFirst(2)).debug"
    }

    /// Files of the kernel image in the standard directories.
    func kernel(_ id: BuildID?) -> [String] {
        var paths = id.flatMap(Self.buildIDPath).map { ["\(root)/usr/lib/debug/\($0)"] } ?? []
        if let release {
            paths += [
                "/usr/lib/debug/boot/vmlinux-\(release)", "/usr/lib/debug/lib/modules/\(release)/vmlinux",
                "/usr/lib/debug/usr/lib/modules/\(release)/vmlinux",
                "/usr/lib/debug/lib/modules/\(release)/vmlinux.debug",
                "/lib/modules/\(release)/vmlinux", "/lib/modules/\(release)/build/vmlinux",
                "/usr/lib/modules/\(release)/vmlinux", "/boot/vmlinux-\(release)",
            ].map { root + $0 }
        }
        return paths
    }

    /// Directories in which the modules of the release are, those with debug information first.
    func moduleDirectories() -> [String] {
        guard let release else { return [] }
        return ["/usr/lib/debug/lib/modules/", "/usr/lib/debug/usr/lib/modules/", "/lib/modules/", "/usr/lib/modules/"]
            .flatMap { base in
                ["kernel", "updates", "extra", "weak-updates"].map { "\(root)\(base)\(release)/\($0)" }
            }
    }

    /// The names that a file may end with.
    private static let suffixes = [".ko", ".debug", ".zst", ".xz", ".gz"]

    /// The module that a file is of, by its name: `nf-nat.ko.debug` is `nf_nat`. Nil for what is no module.
    static func moduleName(of path: String) -> String? {
        var name = path.split(separator: "/").last.map(String.init) ?? path
        var isModule = false
        while let suffix = suffixes.first(where: { name.hasSuffix($0) }) {
            isModule = isModule || suffix == ".ko"
            name.removeLast(suffix.utf8.count)
        }
        return isModule && !name.isEmpty ? name.replacing("-", with: "_") : nil
    }

    static func isKernelName(_ path: String) -> Bool {
        path.split(separator: "/").last.map { $0.hasPrefix("vmlinux") } ?? false
    }

    /// The kernels and modules below a directory. Symbolic links are followed; depth and number end what is circular.
    static func walk(_ directory: String, depth: Int = 8) -> [String] {
        var found: [String] = []
        // More than a distribution's whole tree of modules (about 6000 files).
        var left = 100_000
        func enter(_ path: String, _ depth: Int) {
            var inner: [String] = []
            for name in Directory.names(in: path, limit: left) {
                left -= 1
                guard left > 0 else { return }
                let full = "\(path)/\(name)"
                if moduleName(of: name) != nil || isKernelName(name) || name.hasSuffix(".debug") {
                    found.append(full)
                } else if depth > 0, Directory.kind(of: full) == .directory {
                    inner.append(full)
                }
            }
            for directory in inner where left > 0 { enter(directory, depth - 1) }
        }
        enter(directory, depth)
        return found
    }
}

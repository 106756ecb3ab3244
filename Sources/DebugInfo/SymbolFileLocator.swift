// Finds the symbol files of a kernel and its modules, and makes sure that they are theirs.

package import Bytes
package import ELF
internal import Synchronization

/// Looks for files by build-id: first where the user said, then beside the dump, then in the standard directories,
/// then through `debuginfod-find`. A file of another build is refused; every decision is told to `journal`.
package final class SymbolFileLocator: Sendable {
    /// Where to look and how strict to be.
    package struct Options: Sendable {
        /// Files and directories that the user named.
        package var given: [String] = []
        /// The directory of the dump.
        package var beside: String?
        /// Whether a file may be taken although its build-id is another.
        package var force = false
        /// Whether `debuginfod-find` may be run: it may ask servers on the network.
        package var usesDebuginfod = false
        /// Prefixed to the standard directories; for tests and for unpacked systems.
        package var root = ""

        package init() {}
    }

    /// What is looked for.
    package struct Wanted: Sendable {
        /// Nil for the kernel image.
        package let module: String?
        /// Nil when the dump does not tell: then a file cannot be verified, and is taken by its name.
        package let buildID: BuildID?
        package let release: String?

        package init(module: String? = nil, buildID: BuildID?, release: String?) {
            self.module = module
            self.buildID = buildID
            self.release = release
        }
    }

    let options: Options
    private let limits: Limits
    let journal: @Sendable (String) -> Void
    /// The files below each directory, walked once.
    private let walked: Mutex<[String: [String]]> = Mutex([:])

    package init(_ options: Options, limits: Limits = Limits(), journal: @escaping @Sendable (String) -> Void) {
        self.options = options
        self.limits = limits
        self.journal = journal
    }

    /// The best file there is: one with debug information, else one with symbols only, else nil.
    package func find(_ wanted: Wanted) -> SymbolFile? {
        var best: SymbolFile?
        var tried: Set<String> = []
        for stage in [given, beside, standard, downloaded] {
            for path in stage(wanted) where tried.insert(path).inserted {
                guard let file = examine(path, wanted, isNamed: options.given.contains(path)) else { continue }
                if file.hasDebugInformation { return taken(file, wanted) }
                if let separate = separate(of: file, wanted) { return taken(separate, wanted) }
                best = best ?? file
            }
        }
        guard let best else {
            journal("\(name(wanted)): no symbol file found")
            return nil
        }
        journal("\(best.path): has symbols but no debug information")
        return taken(best, wanted)
    }

    private func name(_ wanted: Wanted) -> String { wanted.module.map { "module \($0)" } ?? "kernel" }

    private func taken(_ file: SymbolFile, _ wanted: Wanted) -> SymbolFile {
        let why = file.isVerified ? "build-id \(file.elf.buildID?.description ?? "")" : "build-id not verified"
        journal("\(name(wanted)): \(file.path) (\(why))")
        return SymbolFile(
            path: file.path, elf: file.elf, isVerified: file.isVerified, alternate: alternate(of: file))
    }

    // MARK: Places

    private func given(_ wanted: Wanted) -> [String] {
        options.given.flatMap { path -> [String] in
            if Directory.kind(of: path) == .directory { return inside(path, wanted) }
            if rawBTF(path) != nil { return [] }
            // A named file may have any name; one that is clearly another module's is not this one's.
            if let module = SymbolFilePlaces.moduleName(of: path) { return module == wanted.module ? [path] : [] }
            return wanted.module != nil && SymbolFilePlaces.isKernelName(path) ? [] : [path]
        }
    }

    private func beside(_ wanted: Wanted) -> [String] {
        guard let directory = options.beside else { return [] }
        // Not deep: the directory of a dump may be a home directory.
        return inside(directory, wanted, depth: 2)
    }

    private func standard(_ wanted: Wanted) -> [String] {
        let places = SymbolFilePlaces(root: options.root, release: wanted.release)
        guard wanted.module != nil else { return places.kernel(wanted.buildID) }
        let direct = wanted.buildID.flatMap(SymbolFilePlaces.buildIDPath).map { "\(options.root)/usr/lib/debug/\($0)" }
        return [direct].compactMap { $0 } + places.moduleDirectories().flatMap { inside($0, wanted) }
    }

    private func inside(_ directory: String, _ wanted: Wanted, depth: Int = 8) -> [String] {
        let all = walked.withLock { known -> [String] in
            let files = known[directory] ?? SymbolFilePlaces.walk(directory, depth: depth)
            known[directory] = files
            return files
        }
        let byID = wanted.buildID.flatMap(SymbolFilePlaces.buildIDPath).map { $0.dropFirst(".build-id".utf8.count) }
        return all.filter { path in
            if let byID, path.hasSuffix(byID) { return true }
            guard let module = wanted.module else { return SymbolFilePlaces.isKernelName(path) }
            return SymbolFilePlaces.moduleName(of: path) == module
        }
    }

    private func downloaded(_ wanted: Wanted) -> [String] {
        guard options.usesDebuginfod, let id = wanted.buildID else { return [] }
        guard let result = Subprocess.run(["debuginfod-find", "debuginfo", id.description], limit: 64 << 10) else {
            journal("debuginfod-find is not installed")
            return []
        }
        let path = String(decoding: result.output.prefix { $0 != 0x0a }, as: UTF8.self)
        guard result.status == 0, path.hasPrefix("/") else {
            journal("debuginfod-find has nothing for \(id)")
            return []
        }
        return [path]
    }

    // MARK: Verification

    /// Opens a file and compares build-ids. Nil when it is absent, unreadable or another's.
    private func examine(_ path: String, _ wanted: Wanted, isNamed: Bool) -> SymbolFile? {
        guard Directory.kind(of: path) == .file else {
            if isNamed { journal("\(path): no such file") }
            return nil
        }
        let (elf, problem) = SymbolFile.open(path, limits: limits)
        guard let elf else {
            journal(problem)
            return nil
        }
        guard let wantedID = wanted.buildID else {
            journal("\(path): taken unverified, the dump does not tell the build-id of the \(name(wanted))")
            return SymbolFile(path: path, elf: elf, isVerified: false, alternate: nil)
        }
        guard let id = elf.buildID else {
            journal("\(path): it has no build-id, so it cannot be verified\(options.force ? "; taken by force" : "")")
            return options.force ? SymbolFile(path: path, elf: elf, isVerified: false, alternate: nil) : nil
        }
        if id == wantedID { return SymbolFile(path: path, elf: elf, isVerified: true, alternate: nil) }
        journal(
            "\(path): build-id \(id) is not the \(name(wanted))'s, which is \(wantedID): "
                + (options.force ? "taken by force" : "refused (--force takes it)"))
        return options.force ? SymbolFile(path: path, elf: elf, isVerified: false, alternate: nil) : nil
    }

    // MARK: Links

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    /// The file that `.gnu_debuglink` names: beside, in `.debug/`, or in the same place below /usr/lib/debug. Its
    /// build-id must be the same one; without build-ids its checksum must be that of the link.
    private func separate(of file: SymbolFile, _ wanted: Wanted) -> SymbolFile? {
        guard let link = DebugLink.separate(file.elf), !link.name.contains("/"), !link.name.isEmpty else { return nil }
        let directory = Self.directory(of: file.path)
        let paths = [
            "\(directory)/\(link.name)", "\(directory)/.debug/\(link.name)",
            "\(options.root)/usr/lib/debug\(directory)/\(link.name)",
        ]
        for path in paths where path != file.path && Directory.kind(of: path) == .file {
            guard let elf = SymbolFile.open(path, limits: limits).elf else { continue }
            if let id = file.elf.buildID, elf.buildID == id {
                return SymbolFile(path: path, elf: elf, isVerified: file.isVerified, alternate: nil)
            }
            if file.elf.buildID == nil, DebugLink.checksum(elf.bytes) == link.checksum {
                journal("\(path): the checksum of \(file.path)'s debug link agrees")
                return SymbolFile(path: path, elf: elf, isVerified: file.isVerified, alternate: nil)
            }
            journal("\(path): not the file that \(file.path) links to")
        }
        return nil
    }

    private func alternate(of file: SymbolFile) -> ELFFile? {
        guard let link = DebugLink.alternate(file.elf) else { return nil }
        let beside =
            link.name.hasPrefix("/")
            ? options.root + link.name
            : "\(Self.directory(of: file.path))/\(link.name)"
        let byID = SymbolFilePlaces.buildIDPath(link.buildID).map { "\(options.root)/usr/lib/debug/\($0)" }
        for path in [beside, byID].compactMap({ $0 }) where Directory.kind(of: path) == .file {
            guard let elf = SymbolFile.open(path, limits: limits).elf else { continue }
            if elf.buildID == link.buildID {
                journal("\(file.path): common debug information in \(path)")
                return elf
            }
            journal("\(path): build-id is not the one that \(file.path) refers to")
        }
        journal("\(file.path): the common debug information \(link.name) (\(link.buildID)) was not found")
        return nil
    }
}

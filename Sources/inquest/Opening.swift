// From files to a kernel: the dump's format, its symbol files, and the kernel that recognises itself in it.

internal import Bytes
internal import Capabilities
internal import Commands
internal import DDB
internal import DebugInfo
internal import Dump
internal import LinuxKernel
internal import MDB
internal import Memory
internal import Pipeline
internal import Target

/// What the command line says about opening.
struct OpeningOptions: Sendable, Equatable {
    /// Files and directories given with `-s`, in order.
    var symbols: [String] = []
    /// Take symbol files whose build-id is another one.
    var force = false
    /// Ask debuginfod for what is not found here.
    var useDebuginfod = false
    /// Which description of types is used.
    var types: TypePreference = .automatic
    /// Where name indexes are kept; nil to go without.
    var cacheDirectory: String?
}

/// Why a dump could not be opened: a sentence with the file, the place and what was expected there.
struct OpeningError: Error, Sendable, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

enum Opening {
    /// The kernels that are asked whether a dump is theirs.
    static let kernels: [any Kernel.Type] = [LinuxKernel.self]

    /// The commands of a session: the generic ones, then those of the kernels, which win where both have a name.
    static let catalog = Catalog(
        [[Help.self], GeneralStages.all, Commands.all, LinuxCommands.all], walks: LinuxWalks.all)

    /// The languages beside our own; a new one for each session, as it has variables.
    static var dialects: [any Dialect] { [DDB(), MDB()] }

    /// Opens the dump in these files: the parts of a split set, or `PATH@0xADDRESS` for a raw image. What it throws is a
    /// sentence for the user (exit code 2).
    static func open(_ paths: [String], options: OpeningOptions, journal: Journal) throws -> any Kernel {
        let dump = try Dump.open(paths: paths)
        var facts = dump.facts
        journal.note("\(facts.format) in \(facts.files.joined(separator: ", "))")
        for remark in facts.remarks { journal.note(remark) }
        facts.files = paths
        var search = SymbolFileLocator.Options()
        search.given = options.symbols
        search.beside = paths.first.map { directory(of: $0) }
        search.force = options.force
        search.usesDebuginfod = options.useDebuginfod
        let files = LocatedFiles(
            SymbolFileLocator(search) { journal.note($0) }, cacheDirectory: options.cacheDirectory)
        let specimen = Specimen(
            memory: dump.memory, facts: facts, files: files, types: options.types)
        return try kernel(of: specimen).init(opening: specimen, journal: journal)
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The kernel that is sure, else the first that does not say no.
    private static func kernel(of specimen: Specimen) throws -> any Kernel.Type {
        var candidate: (any Kernel.Type)?
        var reasons: [String] = []
        for kernel in kernels {
            switch kernel.recognise(specimen) {
            case .yes: return kernel
            case .maybe: candidate = candidate ?? kernel
            case .no(let why): reasons.append(why)
            }
        }
        guard let candidate else { throw OpeningError(reasons.joined(separator: "; ")) }
        return candidate
    }
}

// The command line: what to open, what to run, how to say it.

internal import ArgumentParser
internal import Capabilities
internal import Pipeline
internal import Rendering
internal import Target

@main
struct Inquest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inquest",
        abstract: "Says what a dead or hung kernel died of, from its memory dump.",
        usage: """
            inquest [<options>] <vmcore> ... [-- <command> ...]
            inquest <command> <vmcore> ... [<options>]
            inquest help [<command>]
            """,
        discussion: """
            With no command and a terminal, inquest asks for commands; without a terminal it reads them from standard \
            input. Several files are the parts of one split dump. A raw image of memory is given with the physical \
            address of its first byte: ram.img@0x100000.

            Exit codes: 0 answered, 1 a command failed, 2 the dump could not be opened, 64 wrong usage.
            """,
        version: "inquest \(version)")

    static let version = "0.1.0"

    @Option(name: .short, help: ArgumentHelp("Run this command; may be repeated.", valueName: "command"))
    var e: [String] = []

    @Option(
        name: .short, help: ArgumentHelp("Run the commands of this file ('-': standard input).", valueName: "file"),
        completion: .file())
    var f: [String] = []

    @Option(
        name: .short,
        help: ArgumentHelp("A symbol file, or a directory with some; may be repeated.", valueName: "file|dir"),
        completion: .file())
    var s: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Take all types from the kernel's own BTF, or all from DWARF; unless said, from DWARF where there is some.",
            valueName: "btf|dwarf"),
        completion: .list(["btf", "dwarf"]))
    var types: String?

    @Flag(name: .long, help: "One JSON object per line in place of tables.")
    var json = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The language of the lines: inquest, crash, mdb or ddb.", valueName: "name"),
        completion: .list(["inquest", "crash", "mdb", "ddb"]))
    var dialect: String?

    @Flag(name: .long, help: "Run no programs and write no files, whatever a line says.")
    var safe = false

    @Flag(name: .long, help: "Let lines run programs and write files although nobody types them.")
    var allowShell = false

    @Flag(name: .short, help: "Tell on standard error how the dump was opened.")
    var v = false

    @Flag(name: .long, help: "Neither read nor write the name indexes kept on disk.")
    var noCache = false

    @Flag(name: .long, help: "Accept symbol files that belong to another build.")
    var force = false

    @Flag(name: .long, help: "Never show long output through a pager.")
    var noPager = false

    @Flag(name: .long, help: "Do not run the lines of the user's rc file.")
    var noRc = false

    @Flag(name: .long, help: "Ask debuginfod for symbol files that are not here.")
    var debuginfod = false

    @Flag(name: .long, help: .hidden)
    var dumpReference = false

    @Flag(name: .long, help: .hidden)
    var dumpManualList = false

    /// The schema of --json, from these dumps (each one by itself) and the lines of -f.
    @Flag(name: .long, help: .hidden)
    var dumpSchema = false

    @Argument(help: ArgumentHelp("The dump's file, or its parts.", valueName: "vmcore"), completion: .file())
    var vmcore: [String] = []

    mutating func validate() throws {
        if dumpReference || dumpManualList || vmcore.first == "help" { return }
        if let dialect, !SessionState(dialects: Opening.dialects).dialectNames.contains(dialect) {
            throw ValidationError("--dialect is one of inquest, crash, mdb, ddb.")
        }
        guard types == nil || typePreference != nil else { throw ValidationError("--types is btf or dwarf.") }
        guard let first = vmcore.first else { throw ValidationError("Which dump? Give the name of its file.") }
        if vmcore.count == 1, Opening.catalog[first] != nil, !System.exists(first) {
            throw ValidationError("\(first) of which dump? Give the name of its file after it.")
        }
    }

    /// Nil for a word that is none.
    private var typePreference: TypePreference? {
        switch types {
        case nil: .automatic
        case "btf": .btf
        case "dwarf": .dwarf
        default: nil
        }
    }

    /// What stands behind `--` is a command's and not the parser's: it allows no second list of positional arguments.
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        let end = words.firstIndex(of: "--") ?? words.endIndex
        do {
            var parsed = try parseAsRoot(Array(words[..<end]))
            guard let inquest = parsed as? Inquest else { return try parsed.run() }
            try inquest.run(command: Array(words[end...].dropFirst()))
        } catch {
            exit(withError: error)
        }
    }

    func run() throws { try run(command: []) }

    private func run(command: [String]) throws {
        System.ignoreBrokenPipes()
        let output = StandardOutput()
        defer { output.flush() }
        let catalog = Opening.catalog
        if dumpReference { return output.write(Reference.text(catalog)) }
        if dumpManualList { return output.write(Reference.manualList(catalog)) }
        var words = vmcore
        if dumpSchema {
            let builder = try SchemaReference.builder(dumps: words, lines: f.flatMap(readCommands))
            for path in builder.unknown { System.writeError("inquest: of what type is \(path)? SchemaNotes can say") }
            return output.write(SchemaReference.text(builder))
        }
        if words.first == "help" { return try help(words.dropFirst(), catalog, output) }
        var lines: [String] = []
        // `inquest report vmcore`: a file of that name is written ./report.
        if words.count > 1, let name = words.first, catalog[name] != nil, !name.contains("/") {
            lines.append(words.removeFirst())
        }
        lines += try e + f.flatMap(readCommands)
        if let line = CommandLines.line(from: command) { lines.append(line) }

        let session = try open(words, catalog, output)
        if !noRc { StartupFile.run(on: session) }
        let answered = lines.isEmpty && f.isEmpty ? Conversation(session: session).run() : batch(lines, session)
        output.flush()
        if !answered { throw ExitCode(1) }
    }

    private func readCommands(_ path: String) throws -> [String] {
        do { return try CommandLines.file(path) } catch { throw ValidationError("\(error)") }
    }

    /// Opens the dump, or says why not and ends with exit code 2.
    private func open(_ files: [String], _ catalog: Catalog, _ output: StandardOutput) throws -> Session {
        let screen = Screen(usesPager: !noPager)
        let journal = Journal(progress: screen.progress)
        let options = OpeningOptions(
            symbols: s, force: force, useDebuginfod: debuginfod, types: typePreference ?? .automatic,
            cacheDirectory: noCache ? nil : Self.cacheDirectory)
        let kernel: any Kernel
        do {
            screen.begin("opening \(files.joined(separator: " "))")
            defer { screen.end() }
            kernel = try Opening.open(files, options: options, journal: journal)
        } catch {
            tell(journal)
            if json { try? JSONLines(sink: output.write).fail("\(error)", line: nil) }
            output.flush()
            System.writeError("inquest: \(Escaping.text("\(error)"))")
            throw ExitCode(2)
        }
        tell(journal)
        let state = SessionState(
            dialects: Opening.dialects, dialect: dialect ?? SessionState.ownDialect,
            allowsShell: !safe && (allowShell || System.inputIsTerminal))
        return Session(
            kernel: kernel, catalog: catalog, journal: journal, state: state, isJSON: json,
            isLive: System.outputIsTerminal, output: output, screen: screen)
    }

    private func tell(_ journal: Journal) {
        guard v else { return }
        for line in journal.entries { System.writeError("inquest: \(Escaping.text(line))") }
    }

    /// Runs every line, also after one has failed; true when all were answered.
    private func batch(_ lines: [String], _ session: Session) -> Bool {
        var answered = true
        for line in lines where !session.isOver {
            if !session.run(line) { answered = false }
        }
        return answered
    }

    private func help(_ names: ArraySlice<String>, _ catalog: Catalog, _ output: StandardOutput) throws {
        if names.isEmpty {
            output.write(Self.helpMessage(columns: 100) + "\n\n" + Reference.summary(catalog))
        }
        for name in names {
            guard let stage = catalog[name] else {
                throw ValidationError(NearNames.unknown(name, among: catalog.names))
            }
            output.write(stage.manual.page.joined(separator: "\n") + "\n")
        }
    }

    /// $XDG_CACHE_HOME/inquest, else ~/.cache/inquest; nil when the environment has neither.
    private static var cacheDirectory: String? {
        if let cache = System.environment("XDG_CACHE_HOME"), cache.hasPrefix("/") { return cache + "/inquest" }
        return System.environment("HOME").map { $0 + "/.cache/inquest" }
    }
}

// The names that a session knows, for completion; made when they are first asked for.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Dispatch
internal import Pipeline
internal import Synchronization
internal import Target

final class SessionNames: NameSource {
    private let session: Session
    private let known: KnownNames
    /// More files than anybody looks through.
    private static let mostFiles = 10_000

    init(_ session: Session) {
        self.session = session
        known = KnownNames(session.kernel.target)
    }

    /// Makes what the first TAB would wait for, while somebody still reads the lines that the session begins with.
    func prepare() { known.prepare() }

    private var target: Target { session.kernel.target }

    var commands: [String] {
        let own = session.state.dialects.first { type(of: $0).name == session.state.dialect }
        return session.catalog.names + session.state.definitions.keys + ["quit", "exit"] + (own?.commandNames ?? [])
    }

    var colonCommands: [String] {
        let marked = session.state.dialects.flatMap(\.commandNames).filter { $0.hasPrefix("::") }
        return session.catalog.names + marked.map { String($0.dropFirst(2)) }
    }

    var walks: [String] { session.catalog.walks.flatMap { [$0.name] + $0.aliases } }

    var dialects: [String] { session.state.dialectNames }

    func manual(_ command: String) -> Manual? { session.catalog[command]?.manual }

    func symbols(_ prefix: String) -> [String] { known.symbols(prefix) }

    func types(_ kind: TypeKind, _ prefix: String) -> [String] { known.types(kind, prefix) }

    /// Of an expression; else of the structure or union of that name, which crash writes without its keyword.
    func members(of expression: String) -> [String] {
        let steps = expression.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if let type = target.type(ofExpression: expression) { return target.memberNames(of: type) }
        guard let name = steps.first, !name.isEmpty else { return [] }
        for kind in [TypeKind.structure, .union, .ordinary] {
            guard var type = (try? target.types.lookup(kind, name)).flatMap({ $0 }) else { continue }
            var isThere = true
            for step in steps.dropFirst() where isThere {
                guard let id = try? target.types.stripped(type).id,
                    let member = (try? target.types.member(step, of: id)).flatMap({ $0 })
                else {
                    isThere = false
                    continue
                }
                type = member.type
            }
            if isThere { return target.memberNames(of: type) }
        }
        return []
    }

    func files(in directory: String) -> [(name: String, isDirectory: Bool)] {
        let home = System.environment("HOME") ?? "~"
        let path = directory == "~/" || directory.hasPrefix("~/") ? home + directory.dropFirst() : directory
        return System.entries(of: path, limit: Self.mostFiles)
    }
}

/// The names of a kernel's symbols and types, listed once. Safe to share between threads.
final class KnownNames: Sendable {
    private let target: Target
    private let symbolList = Mutex<NameList?>(nil)
    private let typeLists = Mutex<[TypeKind: NameList]>([:])

    init(_ target: Target) { self.target = target }

    func prepare() {
        DispatchQueue.global(qos: .utility).async { [self] in
            _ = symbols("?")
            for kind in [TypeKind.structure, .ordinary] { _ = types(kind, "?") }
        }
    }

    func symbols(_ prefix: String) -> [String] {
        symbolList.withLock { known in
            if let known { return known.names(prefix) }
            var list = NameList()
            for source in target.symbols.sources { source.forEach { list.add($0.name) } }
            known = list
            return list.names(prefix)
        }
    }

    func types(_ kind: TypeKind, _ prefix: String) -> [String] {
        typeLists.withLock { known in
            if let list = known[kind] { return list.names(prefix) }
            var list = NameList()
            for name in (try? target.types.names(kind)) ?? [] { list.add(name) }
            known[kind] = list
            return list.names(prefix)
        }
    }
}

/// Many names in one piece of memory: found by a prefix in a millisecond for a kernel's 130 000, without sorting them.
struct NameList {
    private var bytes: [UInt8] = []
    private var ends: [Int32] = []

    mutating func add(_ name: String) {
        guard bytes.count < 1 << 30 else { return }
        bytes.append(contentsOf: name.utf8)
        ends.append(Int32(truncatingIfNeeded: bytes.count))
    }

    /// In the order in which they were added; repeated ones once for each time.
    func names(_ prefix: String) -> [String] {
        let wanted = Array(prefix.utf8)
        var found: [String] = []
        var start = 0
        for end in ends {
            let end = Int(end)
            if end - start >= wanted.count, begins(at: start, wanted) {
                found.append(String(decoding: bytes[start..<end], as: UTF8.self))
            }
            start = end
        }
        return found
    }

    private func begins(at start: Int, _ wanted: [UInt8]) -> Bool {
        for index in wanted.indices where bytes[start + index] != wanted[index] { return false }
        return true
    }
}

// The arena of types: numbers, handed out before the types behind them are read.

internal import Synchronization

/// A type as its source names it: the offset of a DIE, the id of a BTF type. Opaque to all but its source.
package struct TypeReference: Hashable, Sendable {
    package let rawValue: UInt64
    /// Whether it names a type of the source below (`TypeGraph.add(_:over:)`): a module's BTF goes on from the
    /// kernel's, and a type of the kernel's is one type whoever refers to it.
    package let isOfBase: Bool

    package init(_ rawValue: UInt64, isOfBase: Bool = false) {
        self.rawValue = rawValue
        self.isOfBase = isOfBase
    }
}

/// Debug information that can say what types there are. Implemented by DWARF, BTF and CTF readers, and by tests.
package protocol TypeSource: Sendable {
    /// The definitions of `name` (declarations only if there is no definition), the best one first.
    /// Complexity: a lookup, not a scan.
    func find(_ kind: TypeKind, _ name: String) throws -> [TypeReference]
    /// Reads one type. The types it refers to are not read: `reserve` gives them their numbers.
    func load(_ reference: TypeReference, reserve: (TypeReference) -> TypeID) throws -> CType
    /// The names of all types of a kind, each once, in no special order. A scan; for completion and checks.
    func names(_ kind: TypeKind) throws -> [String]
}

/// Types from one or more sources, each read when it is first looked at. Safe to share between threads.
package final class TypeGraph: Sendable {
    private struct Entry {
        let source: Int
        let reference: TypeReference
        var type: CType?
    }

    private struct Key: Hashable {
        let source: Int
        let reference: TypeReference
    }

    private struct NameKey: Hashable {
        let kind: TypeKind
        let name: String
    }

    private struct MemberKey: Hashable {
        let type: TypeID
        let name: String
    }

    private struct State {
        var sources: [any TypeSource] = []
        /// By source: the one that it goes on from.
        var bases: [Int?] = []
        var entries: [Entry?] = [nil]
        var numbers: [Key: TypeID] = [:]
        var found: [NameKey: [TypeID]] = [:]
        var best: [NameKey: TypeID] = [:]
        var members: [MemberKey: Member?] = [:]
        var made: [Made: TypeID] = [:]
    }

    /// Types that the debugger itself puts together, so that each exists once.
    private enum Made: Hashable {
        case pointer(TypeID, Int)
        case array(TypeID, UInt64?)
        case qualified(Qualifier, TypeID)
        case integer(String, Int, Bool)
        case function(TypeID, [TypeID], Bool)
    }

    private let state = Mutex(State())

    package init() {}

    /// Adds a source; earlier ones win where both define a name. Returns its number, for `number(of:source:)`.
    /// `base` is the number of the source whose types `isOfBase` references are; without one they are its own.
    @discardableResult
    package func add(_ source: any TypeSource, over base: Int? = nil) -> Int {
        state.withLock {
            $0.sources.append(source)
            $0.bases.append(base)
            $0.found.removeAll()
            $0.best.removeAll()
            return $0.sources.count - 1
        }
    }

    /// In the order in which they are asked.
    var allSources: [any TypeSource] { state.withLock { $0.sources } }

    /// The number of a type that a source refers to, as for a variable's type.
    package func number(of reference: TypeReference, source: Int) -> TypeID { reserve(reference, source: source) }

    /// The type behind a number. A declaration stands for its definition, if any source has one: a module's file
    /// only declares what the kernel defines. Throws what its source throws when it cannot be read; not remembered,
    /// so that a second look fails the same way.
    package func type(_ id: TypeID) throws -> CType {
        let type = try load(id)
        guard case .incomplete(let kind, let name) = type, !name.isEmpty, let best = try lookup(kind, name),
            best != id
        else { return type }
        let definition = try load(best)
        if case .incomplete = definition { return type }
        state.withLock { $0.entries[Int(id.rawValue)]?.type = definition }
        return definition
    }

    /// The type as its own source has it.
    private func load(_ id: TypeID) throws -> CType {
        guard id != .void else { return .void }
        let (entry, source) = state.withLock { state -> (Entry?, (any TypeSource)?) in
            let index = Int(id.rawValue)
            guard index < state.entries.count, let entry = state.entries[index] else { return (nil, nil) }
            return (entry, entry.type == nil ? state.sources[entry.source] : nil)
        }
        guard let entry else { return .void }
        if let type = entry.type { return type }
        guard let source else { return .void }
        let type = try source.load(entry.reference) { reference in self.reserve(reference, source: entry.source) }
        state.withLock { $0.entries[Int(id.rawValue)]?.type = type }
        return type
    }

    private func reserve(_ reference: TypeReference, source: Int) -> TypeID {
        state.withLock { Self.number(reference, source, &$0) }
    }

    private static func number(_ reference: TypeReference, _ source: Int, _ state: inout State) -> TypeID {
        var (source, reference) = (source, reference)
        if reference.isOfBase, let base = state.bases[source] {
            (source, reference) = (base, TypeReference(reference.rawValue))
        }
        let key = Key(source: source, reference: reference)
        if let known = state.numbers[key] { return known }
        let id = TypeID(UInt32(truncatingIfNeeded: state.entries.count))
        state.entries.append(Entry(source: source, reference: reference, type: nil))
        state.numbers[key] = id
        return id
    }

    /// All definitions of a name, the best first.
    package func lookupAll(_ kind: TypeKind, _ name: String) throws -> [TypeID] {
        let key = NameKey(kind: kind, name: name)
        let (known, sources) = state.withLock { ($0.found[key], $0.sources) }
        if let known { return known }
        var ids: [TypeID] = []
        for (index, source) in sources.enumerated() {
            let references = try source.find(kind, name)
            ids += references.map { reserve($0, source: index) }
        }
        // A definition anywhere beats a declaration anywhere.
        let complete = ids.filter { id in
            if case .incomplete? = try? load(id) { return false }
            return true
        }
        let result = complete.isEmpty ? ids : complete
        state.withLock { $0.found[key] = result }
        return result
    }

    /// The best definition of a name: of the first source that has a complete one, so that later sources are not
    /// even opened; else a declaration; nil when no source knows the name.
    package func lookup(_ kind: TypeKind, _ name: String) throws -> TypeID? {
        let key = NameKey(kind: kind, name: name)
        let (known, sources) = state.withLock { ($0.best[key], $0.sources) }
        if let known { return known }
        var declaration: TypeID?
        for (index, source) in sources.enumerated() {
            for reference in try source.find(kind, name) {
                let id = reserve(reference, source: index)
                if case .incomplete = try load(id) {
                    declaration = declaration ?? id
                    continue
                }
                state.withLock { $0.best[key] = id }
                return id
            }
        }
        if let declaration { state.withLock { $0.best[key] = declaration } }
        return declaration
    }

    /// The names of a kind in all sources, sorted, each once.
    package func names(_ kind: TypeKind) throws -> [String] {
        let sources = state.withLock { $0.sources }
        var names: Set<String> = []
        for source in sources { names.formUnion(try source.names(kind)) }
        return names.sorted()
    }

    private func make(_ key: Made, _ type: CType) -> TypeID {
        state.withLock { state in
            if let known = state.made[key] { return known }
            let id = TypeID(UInt32(truncatingIfNeeded: state.entries.count))
            state.entries.append(Entry(source: 0, reference: TypeReference(0), type: type))
            state.made[key] = id
            return id
        }
    }

    /// The type "pointer to `target`", of `size` bytes.
    package func pointer(to target: TypeID, size: Int = 8) -> TypeID {
        make(.pointer(target, size), .pointer(to: target, size: size))
    }

    /// The type "array of `count` `element`".
    package func array(of element: TypeID, count: UInt64?) -> TypeID {
        make(.array(element, count), .array(ArrayType(element: element, count: count)))
    }

    /// `target` with a qualifier.
    package func qualified(_ qualifier: Qualifier, _ target: TypeID) -> TypeID {
        make(.qualified(qualifier, target), .qualified(qualifier, target))
    }

    /// An integer type of the debugger's own: for literals and the results of operators.
    package func integer(_ name: String, size: Int, signed: Bool) -> TypeID {
        make(
            .integer(name, size, signed),
            .integer(IntegerType(name: name, size: size, encoding: signed ? .signed : .unsigned)))
    }

    /// The type "function that takes `parameters` and returns `result`".
    package func function(result: TypeID, parameters: [TypeID], isVariadic: Bool = false) -> TypeID {
        make(
            .function(result, parameters, isVariadic),
            .function(
                FunctionType(
                    result: result, parameters: parameters.map { FunctionType.Parameter(name: "", type: $0) },
                    isVariadic: isVariadic)))
    }

    /// What was found out about a member before; bounded by the types that are looked at.
    func knownMember(_ name: String, of type: TypeID) -> Member?? {
        state.withLock { $0.members[MemberKey(type: type, name: name)] }
    }

    func remember(_ member: Member?, named name: String, of type: TypeID) {
        state.withLock { $0.members[MemberKey(type: type, name: name)] = .some(member) }
    }
}

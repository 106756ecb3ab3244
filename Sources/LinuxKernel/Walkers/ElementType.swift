// What the nodes of a container are part of: `TYPE`, or `TYPE.MEMBER` for nodes that lie inside of it.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

/// A structure and where in it the node lies.
struct ElementType: Sendable {
    let target: Target
    let type: TypeID
    /// From the structure's start to the node, in bytes.
    let offset: UInt64

    /// `struct name`, with the node at `member` (a path with dots).
    init(_ name: String, _ member: String, _ target: Target) throws {
        guard let type = try target.types.lookup(.structure, name) else { throw ValueError.noType("struct " + name) }
        guard let offset = try target.types.offset(ofPath: member, in: type) else {
            throw ValueError.noMember(member, of: "struct " + name)
        }
        (self.target, self.type, self.offset) = (target, type, offset)
    }

    /// The words behind a walk's name; nil when they name no type. Throws `UsageError` for a word that names none.
    init?(_ words: [String], of walk: any NamedWalk.Type, _ target: Target) throws {
        guard let word = Self.name(words) else { return nil }
        guard let found = Self.parse(word, target) else {
            throw UsageError("walk \(walk.name): \(Escaping.text(word)) is no structure; it takes \(walk.parameters)")
        }
        (self.target, type) = (target, found.type)
        do {
            offset = try found.member.map { try MemberPath($0).offset(in: found.type, target.types).bytes } ?? 0
        } catch {
            throw UsageError("walk \(walk.name): \(Escaping.text(word)): \(error)")
        }
    }

    func value(at node: VirtualAddress) -> Value {
        Value(target: target, type: type, place: .memory(node.advanced(by: 0 &- offset)))
    }

    /// How many words name a type: none, one, or two with `struct` or `union` before the name.
    static func count(_ words: [String], _ target: Target) -> Int {
        guard let word = name(words), parse(word, target) != nil else { return 0 }
        return word == words.first ? 1 : 2
    }

    /// The words without those that name the type.
    static func rest(_ words: [String], _ target: Target) -> ArraySlice<String> {
        words.dropFirst(count(words, target))
    }

    private static func name(_ words: [String]) -> String? {
        if let first = words.first, ["struct", "union"].contains(first) { return words.count > 1 ? words[1] : first }
        return words.first
    }

    private static func parse(_ word: String, _ target: Target) -> (type: TypeID, member: String?)? {
        let parts = word.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let name = parts.first, !name.isEmpty else { return nil }
        for kind in [TypeKind.structure, .union, .ordinary] {
            guard let id = try? target.types.lookup(kind, name),
                case .aggregate? = try? target.types.stripped(id).type
            else { continue }
            return (id, parts.count > 1 ? parts[1] : nil)
        }
        return nil
    }
}

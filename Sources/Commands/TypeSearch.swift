// whatis -r -m: types by their size, or by what they hold.

internal import DebugModel
internal import Pipeline
internal import Target

struct TypeSearch {
    private let sizes: ClosedRange<UInt64>?
    private let member: String?

    /// Nil when neither is given.
    init?(size: String?, member: String?) throws {
        guard size != nil || member != nil else { return nil }
        self.member = member
        sizes = try size.map { text in
            let ends = text.split(separator: "-").map { PlainArithmetic.number(String($0)) }
            guard let first = ends.first.flatMap({ $0 }), let last = ends.last.flatMap({ $0 }), ends.count <= 2,
                first <= last
            else { throw UsageError("whatis: -r takes a size in bytes, or two with a dash between them") }
            return first...last
        }
    }

    /// Every structure and union that fits, by size and name.
    func run(_ context: Context, _ emit: Emit) throws {
        let types = context.target.types
        var found: [(size: UInt64, name: String)] = []
        var steps = 0
        for kind in [TypeKind.structure, .union] {
            for name in try types.names(kind) where !name.isEmpty {
                steps += 1
                if steps & 0xff == 0, context.isInterrupted() { throw Interrupted() }
                guard let id = try types.lookup(kind, name), case .aggregate(let type) = try types.stripped(id).type,
                    let size = try types.size(id), sizes?.contains(size) ?? true
                else { continue }
                if let member, try !holds(type.members, member, types, 0) { continue }
                found.append((size, kind == .union ? "union " + name : name))
            }
        }
        guard !found.isEmpty else { throw CommandError("whatis: no type fits") }
        for item in found.sorted(by: { ($0.size, $0.name) < ($1.size, $1.name) }) {
            let fields = [Field("size", "SIZE", .unsigned(item.size)), Field("name", "TYPE", .text(item.name))]
            try emit(.record(Record("type_size", fields)))
        }
    }

    /// Whether one of the members, or one of an anonymous type among them, has the type: its name is among the words of
    /// the declaration.
    private func holds(_ members: [Member], _ wanted: String, _ types: TypeGraph, _ depth: Int) throws -> Bool {
        for member in members {
            if member.name.isEmpty, depth < 8, case .aggregate(let inner) = try types.stripped(member.type).type {
                if try holds(inner.members, wanted, types, depth + 1) { return true }
                continue
            }
            let words = try types.spelling(member.type).split { !($0.isLetter || $0.isNumber || $0 == "_") }
            if words.contains(Substring(wanted)) { return true }
        }
        return false
    }
}

// whatis -r -m: types by their size, or by what they hold.

internal import DebugModel
internal import Pipeline
internal import Target

struct TypeSearch {
    private let sizes: ClosedRange<UInt64>?
    /// Text in the name of a member's type.
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
        var known: [TypeID: Bool] = [:]
        var steps = 0
        for kind in [TypeKind.structure, .union] {
            for name in try types.names(kind) where !name.isEmpty {
                steps += 1
                if steps & 0xff == 0, context.isInterrupted() { throw Interrupted() }
                guard let id = try types.lookup(kind, name), case .aggregate = try types.stripped(id).type,
                    let size = try types.size(id), sizes?.contains(size) ?? true
                else { continue }
                if let member, try !holds(id, member, types, &known) { continue }
                found.append((size, kind == .union ? "union " + name : name))
            }
        }
        guard !found.isEmpty else { throw CommandError("whatis: no type fits") }
        for item in found.sorted(by: { ($0.size, $0.name) < ($1.size, $1.name) }) {
            let fields = [Field("size", "SIZE", .unsigned(item.size)), Field("name", "TYPE", .text(item.name))]
            try emit(.record(Record("type_size", fields)))
        }
    }

    /// Whether one of the members, or one of a structure embedded in it, has a type with that text in its name: what
    /// crash finds. Each type is looked into once.
    private func holds(_ id: TypeID, _ wanted: String, _ types: TypeGraph, _ known: inout [TypeID: Bool]) throws -> Bool
    {
        if let answer = known[id] { return answer }
        // A type that holds itself, which only damaged information has, does not go on for ever.
        known[id] = false
        var answer = false
        switch try types.stripped(id) {
        case (let plain, .aggregate(let type)):
            if plain != id {
                answer = try holds(plain, wanted, types, &known)
                break
            }
            for member in type.members {
                let spelled = try types.spelling(member.type)
                if try spelled.contains(wanted) || holds(member.type, wanted, types, &known) {
                    answer = true
                    break
                }
            }
        case (_, .array(let array)): answer = try holds(array.element, wanted, types, &known)
        default: break
        }
        known[id] = answer
        return answer
    }
}

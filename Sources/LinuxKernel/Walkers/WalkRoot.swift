// Where a walk begins: what the user gave, as the structure that the walk needs.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

/// A root as it was given: a structure, a pointer to one, or a plain address.
struct WalkRoot {
    private let root: Value
    private let words: [String]
    private let walk: any NamedWalk.Type

    /// Throws `UsageError` when the user gave none.
    init(_ root: Value?, _ words: [String], of walk: any NamedWalk.Type) throws {
        guard let root else {
            throw UsageError("walk \(walk.name) begins at \(walk.root.map { "a \($0)" } ?? "an address"); give one")
        }
        (self.root, self.words, self.walk) = (root, words, walk)
    }

    var target: Target { root.target }

    /// The root as one of these structures, the first of them where the root says nothing of its type. A structure in
    /// which the words `TYPE.MEMBER` place the node is taken at that member: `walk list task_struct.tasks &init_task`.
    func value(_ names: String...) throws -> Value {
        try find(names)
            ?? {
                let wanted = names.map { "struct " + $0 }.joined(separator: " or ")
                throw UsageError("walk \(walk.name) begins at a \(wanted), and this is a \(root.typeName)")
            }()
    }

    /// As `value`, nil when the root has another type.
    func find(_ names: [String]) throws -> Value? {
        var current = root
        for _ in 0..<3 {
            let stripped = try target.types.stripped(current.type)
            switch stripped.type {
            case .aggregate(let aggregate):
                if names.contains(aggregate.name) { return current.cast(to: stripped.id) }
                return try member(of: current, aggregate, names)
            case .incomplete(_, let name) where names.contains(name): return try first(names, at: try current.address)
            case .pointer(let pointee, _):
                switch try target.types.stripped(pointee).type {
                case .void, .integer, .incomplete, .function: return try first(names, at: try current.pointer())
                default: current = try current.pointee()
                }
            case .integer: return try first(names, at: VirtualAddress(UInt64(bitPattern: try current.signed())))
            case .void, .function: return try first(names, at: try current.address)
            default: return nil
            }
        }
        return nil
    }

    /// The address that the root is or holds, whatever its type.
    func address() throws -> VirtualAddress {
        switch try root.strippedType {
        case .pointer: try root.pointer()
        case .integer, .enumeration: VirtualAddress(UInt64(bitPattern: try root.signed()))
        default: try root.address
        }
    }

    private func first(_ names: [String], at address: VirtualAddress) throws -> Value {
        try target.object(.structure, names[0], at: address)
    }

    private func member(of value: Value, _ type: AggregateType, _ names: [String]) throws -> Value? {
        // By name: two sources may each have the structure.
        guard let element = try ElementType(words, of: walk, target),
            case .aggregate(let named) = try target.types.stripped(element.type).type, !named.name.isEmpty,
            named.name == type.name, named.kind == type.kind
        else { return nil }
        return try first(names, at: try value.address.advanced(by: element.offset))
    }
}

// Where the members of a structure are, and what lies between them.

package import DebugModel

/// The layout of a struct or union, with that of every anonymous type inside it.
package struct Layout: Sendable {
    package enum Item: Sendable {
        case member(MemberLayout)
        /// Bits that no member uses.
        case hole(bits: UInt64, isInBitfield: Bool)
    }

    package let kind: TypeKind
    /// Empty for an anonymous one.
    package let name: String
    /// Bytes.
    package let size: UInt64
    package let items: [Item]
    /// Unused bits behind the last member.
    package let paddingBits: UInt64

    package var members: [MemberLayout] {
        items.compactMap { item in
            if case .member(let member) = item { return member }
            return nil
        }
    }
}

package struct MemberLayout: Sendable {
    /// Empty for an anonymous member.
    package let name: String
    package let type: TypeID
    /// As C declares it, an anonymous type as `struct {...}`.
    package let declaration: String
    /// From the start of the outermost structure.
    package let bitOffset: UInt64
    package let bitSize: UInt64?
    /// Bytes; for a bit-field those of its declared type. 0 for a flexible array.
    package let size: UInt64
    /// For a member whose type has no name of its own: what is inside.
    package let inner: Layout?

    /// The offset as pahole has it: for a bit-field that of the unit of its type in which it begins.
    package var offset: UInt64 {
        guard bitSize != nil, size > 0, size <= 64 else { return bitOffset / 8 }
        return bitOffset / (size * 8) * size
    }

    /// The bit within the unit at `offset`.
    package var bit: UInt64 { bitOffset &- offset &* 8 }
}

/// Works out layouts. Bounded: debug information may nest without end.
package struct LayoutBuilder {
    private let types: TypeGraph
    private var budget = 100_000
    private static let maximumDepth = 24

    package init(_ types: TypeGraph) { self.types = types }

    /// The layout of a struct or union, also behind typedefs and qualifiers. Throws for any other type.
    package mutating func layout(_ id: TypeID) throws -> Layout {
        switch try types.stripped(id).type {
        case .aggregate(let aggregate): return try layout(aggregate, base: 0, depth: 0)
        case .incomplete(let kind, let name):
            throw ValueError.absent("\(kind.prefix)\(name) is declared, but nothing that was loaded defines it")
        default: throw ValueError.wrongType(try types.spelling(id), needed: "a struct or union")
        }
    }

    private mutating func layout(_ aggregate: AggregateType, base: UInt64, depth: Int) throws -> Layout {
        var items: [Layout.Item] = []
        var end: UInt64 = 0
        var unitEnd: UInt64 = 0
        for member in aggregate.members {
            budget -= 1
            guard budget > 0 else { throw ValueError.absent("\(aggregate.name) has too many members to be shown") }
            let size = try types.size(member.type) ?? 0
            if aggregate.kind == .structure {
                Self.holes(from: end, to: member.bitOffset, unitEnd: unitEnd, &items)
            }
            let width = member.bitSize ?? size.multipliedReportingOverflow(by: 8).partialValue
            end = max(end, member.bitOffset &+ width)
            // The rest of a bit-field's unit is a hole in bits; what lies beyond it one in bytes.
            let unit = max(size, 1) &* 8
            unitEnd = member.bitSize == nil ? 0 : (member.bitOffset / unit &+ 1) &* unit
            items.append(.member(try self.member(member, size: size, base: base, depth: depth)))
        }
        let total = aggregate.size.multipliedReportingOverflow(by: 8).partialValue
        return Layout(
            kind: aggregate.kind, name: aggregate.name, size: aggregate.size, items: items,
            paddingBits: aggregate.kind == .structure && total > end ? total - end : 0)
    }

    private static func holes(from end: UInt64, to start: UInt64, unitEnd: UInt64, _ items: inout [Layout.Item]) {
        guard start > end else { return }
        let limit = min(unitEnd, start)
        let inUnit = limit > end ? limit - end : end % 8 == 0 ? 0 : min(8 - end % 8, start - end)
        if inUnit > 0 { items.append(.hole(bits: inUnit, isInBitfield: true)) }
        let rest = start - end - inUnit
        if rest > 0 { items.append(.hole(bits: rest, isInBitfield: false)) }
    }

    private mutating func member(_ member: Member, size: UInt64, base: UInt64, depth: Int) throws -> MemberLayout {
        var inner: Layout?
        if depth < Self.maximumDepth, let anonymous = try anonymous(member.type) {
            inner = try layout(anonymous, base: base &+ member.bitOffset, depth: depth + 1)
        }
        return MemberLayout(
            name: member.name, type: member.type,
            declaration: try types.declaration(of: member.name, type: member.type),
            bitOffset: base &+ member.bitOffset, bitSize: member.bitSize, size: size, inner: inner)
    }

    /// The struct or union without a name that a member's declaration spells out, perhaps as an array of it.
    private func anonymous(_ id: TypeID) throws -> AggregateType? {
        var current = id
        for _ in 0..<16 {
            switch try types.type(current) {
            case .aggregate(let aggregate): return aggregate.name.isEmpty ? aggregate : nil
            case .array(let array): current = array.element
            case .qualified(_, let target), .pointer(let target, _): current = target
            default: return nil
            }
        }
        return nil
    }
}

// What everybody asks of types: size, the type behind typedefs, where a member is.

extension TypeGraph {
    /// The type without typedefs and qualifiers. A chain longer than 64 is cut: broken debug information can loop.
    package func stripped(_ id: TypeID) throws -> (id: TypeID, type: CType) {
        var current = id
        for _ in 0..<64 {
            let type = try self.type(current)
            switch type {
            case .typedef(_, let next), .qualified(_, let next): current = next
            default: return (current, type)
            }
        }
        return (.void, .void)
    }

    /// `sizeof` in bytes; nil for void, functions, incomplete types and arrays of unknown bound.
    package func size(_ id: TypeID, depth: Int = 0) throws -> UInt64? {
        guard depth < 64 else { return nil }
        switch try stripped(id).type {
        case .void, .function, .incomplete: return nil
        case .integer(let integer): return UInt64(integer.size)
        case .float(_, let size), .pointer(_, let size): return UInt64(size)
        case .enumeration(let enumeration): return UInt64(enumeration.size)
        case .aggregate(let aggregate): return aggregate.size
        case .array(let array):
            guard let count = array.count, let element = try size(array.element, depth: depth + 1) else { return nil }
            let (bytes, overflow) = count.multipliedReportingOverflow(by: element)
            return overflow ? nil : bytes
        case .typedef, .qualified: return nil
        }
    }

    /// A member found by name, also through anonymous members: its type and its offset from the start of `id`, in bits.
    package func member(_ name: String, of id: TypeID, depth: Int = 0) throws -> Member? {
        guard depth < 32, case .aggregate(let aggregate) = try stripped(id).type else { return nil }
        if let direct = aggregate.members.first(where: { $0.name == name }) { return direct }
        for outer in aggregate.members where outer.name.isEmpty {
            guard let inner = try member(name, of: outer.type, depth: depth + 1) else { continue }
            return Member(
                name: inner.name, type: inner.type, bitOffset: outer.bitOffset &+ inner.bitOffset,
                bitSize: inner.bitSize)
        }
        return nil
    }
}

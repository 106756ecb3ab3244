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
    package func member(_ name: String, of id: TypeID) throws -> Member? {
        if let known = knownMember(name, of: id) { return known }
        var seen: Set<TypeID> = []
        let member = try findMember(name, of: id, depth: 0, &seen)
        remember(member, named: name, of: id)
        return member
    }

    /// An aggregate that was looked into is not looked into again: broken debug information can nest a type in itself.
    private func findMember(
        _ name: String, of id: TypeID, depth: Int, _ seen: inout Set<TypeID>
    ) throws -> Member? {
        guard depth < 32, seen.insert(id).inserted, case .aggregate(let aggregate) = try stripped(id).type else {
            return nil
        }
        if let direct = aggregate.members.first(where: { $0.name == name }) { return direct }
        for outer in aggregate.members where outer.name.isEmpty {
            guard let inner = try findMember(name, of: outer.type, depth: depth + 1, &seen) else { continue }
            return Member(
                name: inner.name, type: inner.type, bitOffset: outer.bitOffset &+ inner.bitOffset,
                bitSize: inner.bitSize)
        }
        return nil
    }
}

extension TypeGraph {
    /// The offset in bytes of `a.b.c` (array subscripts are not read) from the start of `id`.
    package func offset(ofPath path: String, in id: TypeID) throws -> UInt64? {
        var offset: UInt64 = 0
        var current = id
        for part in path.split(separator: ".") {
            guard let member = try member(String(part), of: current) else { return nil }
            offset &+= member.bitOffset / 8
            current = member.type
        }
        return offset
    }

    /// The type as C spells it: `struct list_head *`, `char [16]`, `int (*)(void *)`.
    package func spelling(_ id: TypeID) throws -> String { try declaration(of: "", type: id) }

    /// A declaration of `name` with this type: `char comm[16]`, `void (*func)(struct work_struct *)`.
    package func declaration(of name: String, type id: TypeID) throws -> String {
        var budget = 1024
        return try declare(id, name, depth: 0, &budget)
    }

    /// C's inside-out rule: what binds tighter to the name is written first.
    /// `budget` is how many types may yet be spelled: a function that takes itself twice would never end.
    private func declare(_ id: TypeID, _ inner: String, depth: Int, _ budget: inout Int) throws -> String {
        func join(_ left: String) -> String { inner.isEmpty ? left : left + " " + inner }
        budget -= 1
        guard depth < 64, budget > 0 else { return join("...") }
        switch try type(id) {
        case .void: return join("void")
        case .integer(let integer): return join(integer.name)
        case .float(let name, _): return join(name)
        case .typedef(let name, _): return join(name)
        case .aggregate(let aggregate):
            return join(aggregate.kind.prefix + (aggregate.name.isEmpty ? "{...}" : aggregate.name))
        case .enumeration(let enumeration):
            return join("enum " + (enumeration.name.isEmpty ? "{...}" : enumeration.name))
        case .incomplete(let kind, let name): return join(kind.prefix + name)
        case .qualified(let qualifier, let target):
            let word =
                switch qualifier {
                case .const: "const"
                case .volatile: "volatile"
                case .restrict: "restrict"
                case .atomic: "_Atomic"
                }
            // A qualified pointer carries its qualifier behind the star; everything else in front.
            if case .pointer = try type(target) {
                return try declare(target, inner.isEmpty ? word : word + " " + inner, depth: depth + 1, &budget)
            }
            // A constant array of constants is one array: the word stands once.
            let rest = try declare(target, inner, depth: depth + 1, &budget)
            return rest.hasPrefix(word + " ") ? rest : word + " " + rest
        case .pointer(let target, _):
            let starred: String
            switch try type(target) {
            case .array, .function: starred = "(*\(inner))"
            default: starred = "*" + inner
            }
            return try declare(target, starred, depth: depth + 1, &budget)
        case .array(let array):
            return try declare(
                array.element, inner + "[" + (array.count.map { "\($0)" } ?? "") + "]", depth: depth + 1, &budget)
        case .function(let function):
            var parameters: [String] = []
            for parameter in function.parameters.prefix(max(budget, 1)) {
                parameters.append(try declare(parameter.type, "", depth: depth + 1, &budget))
            }
            if function.isVariadic { parameters.append("...") }
            let list = parameters.isEmpty ? "void" : parameters.joined(separator: ", ")
            return try declare(function.result, "\(inner)(\(list))", depth: depth + 1, &budget)
        }
    }
}

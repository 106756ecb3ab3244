// The type of a C expression, without its value: for completion, where nothing should be read.

internal import Bytes
package import DebugModel

extension Target {
    /// The type that `evaluate` would give the expression. Reads no memory of the target; nil where only a value tells,
    /// or where the text is no expression.
    package func type(ofExpression text: String) -> TypeID? {
        guard let syntax = try? ExpressionParser.parse(text, types: types) else { return nil }
        return try? staticType(syntax)
    }

    /// The names of the members that may stand behind `.` or `->` after a value of this type, those of anonymous
    /// members too, in the order of the declaration; none for what has no members.
    package func memberNames(of type: TypeID) -> [String] {
        guard var stripped = try? types.stripped(type) else { return [] }
        if case .pointer(let pointee, _) = stripped.type {
            guard let next = try? types.stripped(pointee) else { return [] }
            stripped = next
        }
        var names: [String] = []
        collect(stripped.type, into: &names, depth: 0)
        return names
    }

    private func collect(_ type: CType, into names: inout [String], depth: Int) {
        // Hostile debug information may nest without end; no kernel nests anonymous members deeper.
        guard depth < 16, names.count < 1 << 16, case .aggregate(let aggregate) = type else { return }
        for member in aggregate.members {
            if !member.name.isEmpty {
                names.append(member.name)
            } else if let inner = try? types.stripped(member.type) {
                collect(inner.type, into: &names, depth: depth + 1)
            }
        }
    }

    private func staticType(_ syntax: Syntax) throws -> TypeID? {
        switch syntax.kind {
        case .name(let name): return try variable(name).type
        case .member(let base, let name):
            guard let type = try staticType(base) else { return nil }
            let stripped = try types.stripped(type)
            guard case .pointer(let pointee, _) = stripped.type else {
                return try types.member(name, of: stripped.id)?.type
            }
            return try types.member(name, of: pointee)?.type
        case .index(let base, _), .prefix(.deref, let base):
            guard let type = try staticType(base) else { return nil }
            switch try types.stripped(type).type {
            case .pointer(let pointee, _): return pointee
            case .array(let array): return array.element
            default: return nil
            }
        case .prefix(.address, let operand): return try staticType(operand).map { types.pointer(to: $0) }
        case .cast(let type, _): return type
        case .conditional(_, let yes, let no): return try staticType(yes) ?? staticType(no)
        case .containerOf(_, let type, _): return types.pointer(to: type)
        case .perCPU(let operand, _), .perCPUPointer(let operand, _): return try staticType(operand)
        case .binary(.add, let left, _), .binary(.subtract, let left, _): return try staticType(left)
        case .number, .character, .prefix, .binary, .sizeofType, .sizeofValue, .offsetof: return nil
        }
    }
}

// `struct.member,member`: which members of a structure are shown, as crash's -s takes them.

internal import Bytes
package import DebugModel
package import Target

/// A structure's name and the members of it that are wanted; all when none is named.
package struct StructMembers: Sendable {
    package let name: String
    package let members: [MemberPath]

    /// Reads `name`, `name.member,member.inner,member[2]`. Throws `UsageError`.
    package init(_ text: String, command: String) throws {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first.map(String.init), !name.isEmpty else {
            throw UsageError("\(command): a structure's name is missing")
        }
        self.name = name
        do {
            members = try parts.dropFirst().flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
                .map { try MemberPath(String($0)) }
        } catch {
            throw UsageError("\(command): \(Escaping.text(text)): \(error)")
        }
    }

    /// The struct, union or typedef of that name; members that it does not have are told before anything is read.
    package func type(_ target: Target) throws -> TypeID {
        for kind in [TypeKind.structure, .union, .ordinary] {
            guard let id = try target.types.lookup(kind, name),
                case .aggregate = try target.types.stripped(id).type
            else { continue }
            for member in members {
                // What lies behind a pointer is found when it is read.
                guard case .member(let first)? = member.steps.first, try target.types.member(first, of: id) == nil
                else {
                    continue
                }
                throw ValueError.noMember(first, of: try target.types.spelling(id))
            }
            return id
        }
        throw CommandError(
            "there is no struct, union or typedef of one named \(Escaping.text(name))", cause: .noType("struct \(name)")
        )
    }

    /// The structure or its members, as lines of C and as what programs read. Gaps are told to `gaps`.
    package func contents(
        _ value: Value, hexadecimal: Bool, gaps: Gaps
    ) throws -> (lines: [String], field: FieldValue) {
        var options = FormatOptions()
        options.hexadecimal = hexadecimal
        let formatter = ValueFormatter(options)
        let place = (try? value.address).map { " at \($0)" } ?? ""
        guard !members.isEmpty else {
            let tree = formatter.tree(value)
            ValueFields.note(tree, value.typeName + place, gaps)
            var lines = formatter.lines(tree)
            lines[0] = "\(value.typeName) \(lines[0])"
            return (lines, ValueFields.field(tree))
        }
        var lines: [String] = []
        var fields: [ValueTree.Field] = []
        for path in members {
            let tree: ValueTree
            do { tree = formatter.tree(try path.apply(to: value)) } catch ValueError.fault(let fault) {
                tree = .gap("\(fault)")
            }
            var shown = formatter.lines(tree)
            shown[0] = "\(path) = \(shown[0])"
            lines += shown.map { "  " + $0 }
            fields.append(ValueTree.Field(name: path.description, value: tree))
        }
        let tree = ValueTree.record(type: value.typeName, fields)
        ValueFields.note(tree, value.typeName + place, gaps)
        return (lines, ValueFields.field(tree))
    }
}

/// `struct.member` or a number of bytes: where in a structure something lies, as crash's -o takes it.
package struct OffsetOperand: Sendable {
    package let bytes: UInt64
    /// The structure, when one was named.
    package let structure: TypeID?

    /// Larger than any structure of a kernel: such a number is an address.
    private static let maximum: UInt64 = 1 << 24

    /// Nil when the text is neither; throws for a member that the structure does not have.
    package init?(_ text: String, _ target: Target) throws {
        if let number = Self.number(text) {
            guard number < Self.maximum else { return nil }
            (bytes, structure) = (number, nil)
            return
        }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let members = try? StructMembers(text, command: "offset"), members.members.count == 1,
            let path = members.members.first, let type = try? members.type(target)
        else { return nil }
        (bytes, structure) = (try path.offset(in: type, target.types).bytes, type)
    }

    /// Decimal, or hexadecimal with `0x` or when it has a letter.
    private static func number(_ text: String) -> UInt64? {
        if text.hasPrefix("0x") || text.hasPrefix("0X") { return UInt64(text.dropFirst(2), radix: 16) }
        return UInt64(text) ?? (text.first?.isNumber == true ? UInt64(text, radix: 16) : nil)
    }
}

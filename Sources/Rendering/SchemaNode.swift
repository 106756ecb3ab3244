// JSON as a tree, written so that people can read it and a difference shows in few lines.

package enum SchemaNode: Sendable, Equatable {
    case text(String)
    case flag(Bool)
    case list([SchemaNode])
    /// Members in their order.
    case object([(name: String, value: SchemaNode)])

    package static func == (a: SchemaNode, b: SchemaNode) -> Bool { a.compact == b.compact }

    /// On one line.
    package var compact: String {
        switch self {
        case .text(let text): JSONText.string(text)
        case .flag(let flag): flag ? "true" : "false"
        case .list(let nodes): "[" + nodes.map(\.compact).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { "\(JSONText.string($0.name)): \($0.value.compact)" }.joined(separator: ", ") + "}"
        }
    }

    /// What fits on a line of `width` columns is on one, everything else a member a line.
    package func pretty(width: Int = 120, indent: Int = 0, used: Int = 0) -> String {
        let line = compact
        if indent + used + line.utf8.count < width { return line }
        let inner = indent + 2
        let margin = String(repeating: " ", count: inner)
        let end = "\n" + String(repeating: " ", count: indent)
        switch self {
        case .text, .flag: return line
        case .list(let nodes):
            let lines = nodes.map { margin + $0.pretty(width: width, indent: inner) }
            return "[\n" + lines.joined(separator: ",\n") + end + "]"
        case .object(let members):
            let lines = members.map { member -> String in
                let name = JSONText.string(member.name) + ": "
                return margin + name + member.value.pretty(width: width, indent: inner, used: name.utf8.count)
            }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        }
    }
}

// A graph in the language of Graphviz.

package import Target
internal import Pipeline

package enum GraphDOT {
    package static func text(_ graph: Graph) -> String {
        var lines = [
            "digraph {", "  label=\(quoted(graph.title)); labelloc=t; rankdir=LR; fontname=\"sans-serif\";",
            "  node [style=filled, fontname=\"sans-serif\", fontsize=11];",
            "  edge [fontname=\"sans-serif\", fontsize=10];",
        ]
        for node in graph.nodes {
            let look = GraphLook(node)
            let label = node.label.map(escaped).joined(separator: "\\n")
            let shape = look.isRound ? "shape=box, style=\"filled,rounded\"" : "shape=box"
            let rim = node.isGuilty ? ", color=\"\(GraphLook.guilty)\", penwidth=3" : ", color=\"\(look.rim)\""
            lines.append("  \(quoted(node.id)) [label=\"\(label)\", \(shape), fillcolor=\"\(look.fill)\"\(rim)];")
        }
        for edge in graph.edges {
            var look = ["label=\(quoted(edge.place.isEmpty ? edge.label : edge.label + "\n" + edge.place))"]
            if edge.isGuilty { look.append("color=\"\(GraphLook.guilty)\", penwidth=2.5") }
            switch edge.grade {
            case .exact, .checked: break
            case .derived: look.append("style=dashed")
            case .possible: look.append("style=dotted")
            }
            lines.append("  \(quoted(edge.from)) -> \(quoted(edge.to)) [\(look.joined(separator: ", "))];")
        }
        return (lines + ["}"]).joined(separator: "\n")
    }

    private static func quoted(_ text: String) -> String { "\"\(escaped(text))\"" }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in Escaping.text(text) {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result
    }
}

/// How a node looks, by what it is.
struct GraphLook {
    let fill: String
    let rim: String
    /// Those that act have round corners; what they act upon has not.
    let isRound: Bool
    static let guilty = "#c62828"

    init(_ node: Graph.Node) {
        switch node.kind {
        case "task": (fill, rim, isRound) = ("#dbe9f8", "#2f5f8f", true)
        case "cpu": (fill, rim, isRound) = ("#e6dff5", "#5b3f95", true)
        case "work": (fill, rim, isRound) = ("#dcf0dc", "#2f7a3a", true)
        default: (fill, rim, isRound) = ("#fdf0cf", "#9a7412", false)
        }
    }
}

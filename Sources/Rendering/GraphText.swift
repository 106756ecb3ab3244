// A graph in words: circles first, then who hangs on what.

package import Target
internal import Pipeline

package enum GraphText {
    /// Longer labels are cut.
    private static let longest = 48

    /// A label as pictures show it: harmless, and not too long.
    static func shortened(_ text: String) -> String {
        let plain = Escaping.text(text)
        return plain.count > longest ? plain.prefix(longest - 1) + "\u{2026}" : plain
    }

    /// The graph's lines. Each node is told once; where it is met again a mark says that it stands above.
    package static func lines(_ graph: Graph) -> [String] {
        let structure = GraphStructure(graph)
        var lines = [Escaping.text(graph.title)]
        var told: Set<Int> = []
        func name(_ node: Int) -> String {
            (graph.nodes[node].isGuilty ? "* " : "  ") + Escaping.text(graph.nodes[node].label.joined(separator: ", "))
        }
        func mark(_ edge: Graph.Edge) -> String {
            (edge.place.isEmpty ? "" : " in \(Escaping.text(edge.place))")
                + (edge.grade == .exact ? "" : " (\(edge.grade.rawValue))")
        }
        for ring in structure.rings {
            lines.append("a circle of \(ring.count):")
            for (index, node) in ring.enumerated() {
                told.insert(node)
                lines.append("  \(name(node))")
                let next = ring[(index + 1) % ring.count]
                guard let step = structure.edges.first(where: { $0.from == node && $0.to == next }) else { continue }
                let back = index + 1 == ring.count ? " the first" : ""
                lines.append("        \(Escaping.text(step.edge.label))\(mark(step.edge))\(back)")
            }
        }
        var leaving = [[Int]](repeating: [], count: graph.nodes.count)
        var entered = [Bool](repeating: false, count: graph.nodes.count)
        for (index, step) in structure.edges.enumerated() {
            leaving[step.from].append(index)
            if structure.componentOf[step.from] != structure.componentOf[step.to] { entered[step.to] = true }
        }
        let starts = graph.nodes.indices.filter { !entered[$0] && !told.contains($0) }
        for start in starts {
            var work: [(node: Int, depth: Int, edge: Graph.Edge?)] = [(start, 0, nil)]
            while let (node, depth, edge) = work.popLast() {
                let indent = String(repeating: "    ", count: min(depth, 16))
                let how = edge.map { "\(Escaping.text($0.label))\(mark($0)): " } ?? ""
                let isKnown = told.contains(node)
                lines.append("\(indent)\(how)\(name(node).drop { $0 == " " })\(isKnown ? " (above)" : "")")
                guard told.insert(node).inserted else { continue }
                for index in leaving[node].reversed() {
                    work.append((structure.edges[index].to, depth + 1, structure.edges[index].edge))
                }
            }
        }
        return lines
    }
}

// What a graph is made of: circles, and layers of what leads to what.

internal import Target

/// The strongly connected components of a graph, and how far each is from those that wait for nobody.
struct GraphStructure {
    let edges: [(from: Int, to: Int, edge: Graph.Edge)]
    /// Nodes by component; of a component with a circle through all of its nodes, in the circle's order.
    private(set) var components: [[Int]] = []
    /// The component of each node.
    private(set) var componentOf: [Int]
    /// Of each component the longest way to one that leads nowhere.
    private(set) var layers: [Int] = []
    /// Of each component the nodes of others that an edge joins it with.
    private(set) var neighbours: [[Int]] = []
    /// Of each node how many edges come from other components.
    private(set) var outsiders: [Int]
    var rings: [[Int]] { components.filter { $0.count > 1 } }
    private let successors: [[Int]]

    /// Whether both nodes are part of one ring.
    func isOnRing(_ from: Int, _ to: Int) -> Bool { componentOf[from] == componentOf[to] && from != to }

    init(_ graph: Graph) {
        var numbers: [String: Int] = [:]
        for (index, node) in graph.nodes.enumerated() where numbers[node.id] == nil { numbers[node.id] = index }
        edges = graph.edges.compactMap { edge in
            guard let from = numbers[edge.from], let to = numbers[edge.to] else { return nil }
            return (from, to, edge)
        }
        var successors = [[Int]](repeating: [], count: graph.nodes.count)
        // Guilty edges first: a circle's order follows them.
        for edge in edges.filter(\.edge.isGuilty) + edges.filter({ !$0.edge.isGuilty }) {
            successors[edge.from].append(edge.to)
        }
        self.successors = successors
        componentOf = [Int](repeating: -1, count: graph.nodes.count)
        outsiders = [Int](repeating: 0, count: graph.nodes.count)
        findComponents()
        measure()
    }

    private mutating func findComponents() {
        components = StrongComponents.find(successors).map { $0.count > 2 ? circle($0) : $0 }
        for (number, members) in components.enumerated() {
            for member in members { componentOf[member] = number }
        }
    }

    /// The nodes in an order in which each leads to the next, if following first edges goes through all of them.
    private func circle(_ members: [Int]) -> [Int] {
        let inside = Set(members)
        guard let first = members.min() else { return members }
        var order = [first]
        var seen: Set<Int> = [first]
        while let last = order.last,
            let next = successors[last].first(where: { inside.contains($0) && !seen.contains($0) })
        {
            order.append(next)
            seen.insert(next)
        }
        return order + members.filter { !seen.contains($0) }
    }

    private mutating func measure() {
        layers = [Int](repeating: 0, count: components.count)
        neighbours = [[Int]](repeating: [], count: components.count)
        // Components come with those that they lead to before them.
        for component in components.indices {
            for node in components[component] {
                for to in successors[node] where componentOf[to] != component {
                    layers[component] = max(layers[component], layers[componentOf[to]] + 1)
                    neighbours[component].append(to)
                    neighbours[componentOf[to]].append(node)
                    outsiders[to] += 1
                }
            }
        }
    }
}

// Where the nodes of a graph stand: layers from left to right, each circle of nodes as a ring in one of them.

package import Target

/// A point of a picture: x to the right, y downwards.
package struct Point: Sendable, Equatable {
    package var x: Double
    package var y: Double

    static func + (a: Point, b: Point) -> Point { Point(x: a.x + b.x, y: a.y + b.y) }
    static func - (a: Point, b: Point) -> Point { Point(x: a.x - b.x, y: a.y - b.y) }
    static func * (a: Point, factor: Double) -> Point { Point(x: a.x * factor, y: a.y * factor) }
    var length: Double { (x * x + y * y).squareRoot() }
    /// Turned to the left of the way that it points, in a picture whose y grows downwards.
    var left: Point { Point(x: y, y: -x) }
}

/// A rectangle by its centre.
package struct Box: Sendable, Equatable {
    package var centre: Point
    package let width: Double
    package let height: Double

    package func overlaps(_ other: Box) -> Bool {
        abs(centre.x - other.centre.x) * 2 < width + other.width
            && abs(centre.y - other.centre.y) * 2 < height + other.height
    }

    /// Where the way from the centre towards a point leaves the rectangle.
    func border(towards point: Point) -> Point {
        let way = point - centre
        guard way.length > 0.001 else { return centre }
        let acrossX = way.x == 0 ? Double.infinity : width / 2 / abs(way.x)
        let acrossY = way.y == 0 ? Double.infinity : height / 2 / abs(way.y)
        return centre + way * min(acrossX, acrossY)
    }
}

/// A graph with places. O(nodes + edges) but for the ordering of layers, which sorts them a few times.
package struct GraphLayout: Sendable {
    /// One for each node, in the graph's order.
    package private(set) var boxes: [Box]
    package private(set) var width = 0.0
    package private(set) var height = 0.0
    /// The edges by the numbers of their nodes; those whose nodes do not exist are left out.
    package let edges: [(from: Int, to: Int, edge: Graph.Edge)]
    /// The circles: numbers of nodes, each with an edge to the next and the last to the first where there is such an
    /// order. None has fewer than two nodes.
    package let rings: [[Int]]

    /// Of the text in boxes, in units of the picture.
    static let lineHeight = 17.0
    static let letterWidth = 8.2
    /// Of the words at edges.
    static let smallLetterWidth = 6.3
    let layerGap: Double
    private static let rowGap = 26.0
    /// Of one column.
    private static let rows = 14

    package init(_ graph: Graph) {
        boxes = graph.nodes.map { node in
            let letters = node.label.map { GraphText.shortened($0).count }.max() ?? 0
            return Box(
                centre: Point(x: 0, y: 0), width: max(Double(letters) * Self.letterWidth + 24, 70),
                height: Double(max(node.label.count, 1)) * Self.lineHeight + 16)
        }
        let structure = GraphStructure(graph)
        edges = structure.edges
        rings = structure.rings
        layerGap = max(120, Self.words(edges.filter { !structure.isOnRing($0.from, $0.to) }) + 50)
        place(structure)
    }

    /// The width of the longest words at edges.
    private static func words(_ edges: [(from: Int, to: Int, edge: Graph.Edge)]) -> Double {
        let letters = edges.map { max($0.edge.label.count, GraphText.shortened($0.edge.place).count) }.max() ?? 0
        return Double(letters) * smallLetterWidth
    }

    /// Whether an edge is part of a ring, and then the ring's centre.
    func ringCentre(_ from: Int, _ to: Int) -> Point? {
        for ring in rings {
            guard let index = ring.firstIndex(of: from), ring[(index + 1) % ring.count] == to else { continue }
            let sum = ring.reduce(Point(x: 0, y: 0)) { $0 + boxes[$1].centre }
            return sum * (1 / Double(ring.count))
        }
        return nil
    }

    /// A part of the picture that moves as one: a ring, or a node that is in none.
    private struct Block {
        let nodes: [Int]
        /// Centres of the nodes from the block's own centre.
        let places: [Point]
        let width: Double
        let height: Double
        var y = 0.0
    }

    private mutating func place(_ structure: GraphStructure) {
        var blocks = structure.components.map { block($0, structure) }
        let layers = structure.layers
        var order = (0..<(layers.max() ?? -1) + 1).map { layer in layers.indices.filter { layers[$0] == layer } }
        let neighbours = structure.neighbours
        var offsets = [Double](repeating: 0, count: boxes.count)
        for block in blocks { for (node, place) in zip(block.nodes, block.places) { offsets[node] = place.y } }
        let componentOf = structure.componentOf
        for pass in 0..<4 {
            // From the layer of those that nobody waits behind, backwards; then forwards.
            for layer in pass % 2 == 0 ? Array(order.indices) : order.indices.reversed() {
                let wanted = order[layer].map { component -> Double in
                    let near = neighbours[component].filter { pass > 0 || layers[componentOf[$0]] < layer }
                    let heights = near.map { blocks[componentOf[$0]].y + offsets[$0] }
                    return near.isEmpty ? blocks[component].y : heights.reduce(0, +) / Double(near.count)
                }
                let sorted = zip(order[layer], wanted).enumerated()
                    .sorted { ($0.element.1, $0.offset) < ($1.element.1, $1.offset) }.map(\.element.0)
                order[layer] = sorted
                Self.stack(sorted, &blocks)
            }
        }
        // The last layer found, of victims, stands on the left.
        var x = 30.0
        for layer in order.reversed() {
            // More than fit below each other stand in several columns.
            let columns = layer.count > Self.rows ? (layer.count + Self.rows - 1) / Self.rows : 1
            let widest = layer.map { blocks[$0].width }.max() ?? 0
            if columns > 1 { Self.stack(layer, &blocks, columns: columns) }
            for (index, component) in layer.enumerated() {
                let block = blocks[component]
                let left = x + Double(index % columns) * (widest + 30)
                for (node, place) in zip(block.nodes, block.places) {
                    boxes[node].centre = Point(x: left + widest / 2, y: block.y) + place
                }
            }
            x += Double(columns) * (widest + 30) - 30 + layerGap
        }
        // What stands above and below a pair is part of its block, not of its boxes.
        let top = blocks.filter { $0.nodes.count == 2 }.map { $0.y - $0.height / 2 }.min() ?? .infinity
        let bottom = blocks.filter { $0.nodes.count == 2 }.map { $0.y + $0.height / 2 }.max() ?? -.infinity
        let highest = min(top, boxes.map { $0.centre.y - $0.height / 2 }.min() ?? 0)
        let lowest = max(bottom, boxes.map { $0.centre.y + $0.height / 2 }.max() ?? 0)
        for index in boxes.indices { boxes[index].centre.y += 30 - highest }
        width = (boxes.map { $0.centre.x + $0.width / 2 }.max() ?? 0) + 30
        height = lowest - highest + 60
        for ring in rings {
            // Edges of a ring, and their words, reach beyond its nodes.
            let members = Set(ring)
            let words = Self.words(edges.filter { members.contains($0.from) && members.contains($0.to) })
            let bulge = ring.map { boxes[$0].centre.x + max(boxes[$0].width / 2 + 40, words) }.max() ?? 0
            width = max(width, bulge)
        }
    }

    /// One row below the other, centred around 0; in each as many as there are columns.
    private static func stack(_ components: [Int], _ blocks: inout [Block], columns: Int = 1) {
        let rows = stride(from: 0, to: components.count, by: columns).map {
            components[$0..<min($0 + columns, components.count)]
        }
        func height(_ row: ArraySlice<Int>) -> Double { row.map { blocks[$0].height }.max() ?? 0 }
        var y = -(rows.reduce(0) { $0 + height($1) + rowGap } - rowGap) / 2
        for row in rows {
            let middle = y + height(row) / 2
            y += height(row) + rowGap
            for component in row { blocks[component].y = middle }
        }
    }

    private func block(_ nodes: [Int], _ structure: GraphStructure) -> Block {
        guard nodes.count > 1 else {
            let box = nodes.first.map { boxes[$0] }
            return Block(
                nodes: nodes, places: nodes.map { _ in Point(x: 0, y: 0) }, width: box?.width ?? 0,
                height: box?.height ?? 0)
        }
        let widest = nodes.map { boxes[$0].width }.max() ?? 0
        let highest = nodes.map { boxes[$0].height }.max() ?? 0
        let step = Circle.sine(Double.pi / Double(nodes.count))
        let members = Set(nodes)
        let words = Self.words(edges.filter { members.contains($0.from) && members.contains($0.to) })
        // Neighbours on the ring keep clear of each other, with room for an edge and its words between them. Those of four
        // stand outside.
        let room = nodes.count == 4 ? 70 : words + 30
        let radiusX = nodes.count == 2 ? (widest + room) / 2 : max((widest + room) / (2 * step), widest / 2 + 60)
        let radiusY = nodes.count == 2 ? 1 : max((highest + 96) / (2 * step), highest + 50)
        let around = nodes.indices.map { Double($0) / Double(nodes.count) * 2 * Double.pi + Double.pi }
        // Turned so that those for whom others wait stand where the others come from.
        let waiting = nodes.map { Double(structure.outsiders[$0]) }
        let turned = nodes.indices.min { a, b in cost(a) < cost(b) } ?? 0
        func cost(_ turn: Int) -> Double {
            nodes.indices.reduce(0) { $0 + waiting[$1] * bad(around[($1 + turn) % nodes.count]) }
        }
        /// Behind the ring it is worse than in front of it is good: both locks of a pair stand above and below.
        func bad(_ angle: Double) -> Double {
            let cosine = Circle.cosine(angle)
            return cosine > 0.01 ? cosine * 3 : cosine
        }
        let places = nodes.indices.map { index -> Point in
            let angle = around[(index + turned) % nodes.count]
            return Point(x: Circle.cosine(angle) * radiusX, y: Circle.sine(angle) * radiusY)
        }
        let bulge = nodes.count == 2 ? 110.0 : 40
        // The words at a ring's edges stand outside of it.
        let reach = places.indices.map { abs(places[$0].x) + boxes[nodes[$0]].width / 2 }.max() ?? 0
        return Block(
            nodes: nodes, places: places, width: 2 * max(reach, radiusX + words - 20),
            height: radiusY * 2 + highest + bulge)
    }
}

/// Sine and cosine, exact enough for a picture.
enum Circle {
    static func sine(_ angle: Double) -> Double {
        var angle = angle
        while angle > Double.pi { angle -= 2 * Double.pi }
        while angle < -Double.pi { angle += 2 * Double.pi }
        var term = angle
        var sum = angle
        for n in 1..<14 {
            term *= -angle * angle / Double(2 * n * (2 * n + 1))
            sum += term
        }
        return sum
    }

    static func cosine(_ angle: Double) -> Double { sine(angle + Double.pi / 2) }
}

// A graph as a picture: Scalable Vector Graphics without scripts, links or fonts of its own.

internal import Pipeline
package import Target

package struct GraphSVG {
    /// More nodes are no picture: those that are guilty come first, then the others in their order.
    private static let maximum = 400

    private let graph: Graph
    private let layout: GraphLayout
    private let leftOut: Int
    private var lines: [String] = []

    package static func text(_ graph: Graph) -> String { GraphSVG(graph).document() }

    private init(_ graph: Graph) {
        var shown = graph
        if graph.nodes.count > Self.maximum {
            shown.nodes = Array(
                (graph.nodes.filter(\.isGuilty) + graph.nodes.filter { !$0.isGuilty }).prefix(Self.maximum))
        }
        self.graph = shown
        leftOut = graph.nodes.count - shown.nodes.count
        layout = GraphLayout(shown)
    }

    private func document() -> String {
        let head = 34.0
        let foot = 42.0
        let titleWidth = Double(graph.title.count) * 9 + 60
        let width = max(layout.width, titleWidth, 560)
        let height = layout.height + head + foot
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(width)) \(number(height))\" "
                + "width=\"\(number(width))\" height=\"\(number(height))\" font-family=\"sans-serif\" font-size=\"13\">",
            "<defs>", marker("arrow", "#444444"), marker("guilty", GraphLook.guilty), "</defs>",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"30\" y=\"28\" font-size=\"17\" font-weight=\"bold\">\(escaped(graph.title))</text>",
            "<g transform=\"translate(0 \(number(head)))\">",
        ]
        let ways = layout.edges.map { way($0.from, $0.to) }
        // Innocent edges below guilty ones, boxes above both, labels on top.
        for isGuilty in [false, true] {
            for (edge, way) in zip(layout.edges, ways) where edge.edge.isGuilty == isGuilty {
                lines.append(path(edge.edge, way))
            }
        }
        for (node, box) in zip(graph.nodes, layout.boxes) { lines += draw(node, box) }
        // Where many wait for one, the same words once are enough.
        var told: [String: Int] = [:]
        for (edge, way) in zip(layout.edges, ways) {
            let words = "\(edge.to) \(edge.edge.label) \(edge.edge.place)"
            if !edge.edge.isGuilty { told[words, default: 0] += 1 }
            guard told[words, default: 0] <= 4 else { continue }
            lines.append(label(edge.edge, way))
        }
        lines.append("</g>")
        lines += legend(y: height - 16)
        lines.append("</svg>")
        return lines.joined(separator: "\n")
    }

    private func marker(_ id: String, _ colour: String) -> String {
        "<marker id=\"\(id)\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"11\" markerHeight=\"11\" "
            + "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"\(colour)\"/></marker>"
    }

    /// An edge as a curve with one control point, from rim to rim.
    private struct Way {
        /// Where the words stand.
        enum Side {
            case on
            case left
            case right
            case above
            case below
        }

        let start: Point
        let control: Point
        let end: Point
        var side = Side.on

        /// Where on the way, from 0 to 1, they stand.
        var share = 0.5
        /// Upwards when negative: away from a corner.
        var lean = 0.0

        var middle: Point {
            start * ((1 - share) * (1 - share)) + control * (2 * share * (1 - share)) + end * (share * share)
        }
    }

    private func way(_ from: Int, _ to: Int) -> Way {
        let a = layout.boxes[from]
        let b = layout.boxes[to]
        if from == to {
            let top = Point(x: a.centre.x, y: a.centre.y - a.height / 2)
            return Way(
                start: top + Point(x: -20, y: 0), control: top + Point(x: 0, y: -56), end: top + Point(x: 20, y: 0))
        }
        let across = b.centre - a.centre
        if let centre = layout.ringCentre(from, to) { return around(a, b, centre) }
        if a.centre.x + a.width / 2 + 20 < b.centre.x - b.width / 2 {
            // From left to right: out of the side, and in from wherever that comes.
            let start = Point(x: a.centre.x + a.width / 2, y: a.centre.y)
            let control = Point(x: (start.x + b.centre.x - b.width / 2) / 2, y: (a.centre.y * 2 + b.centre.y) / 3)
            let end = b.border(towards: control)
            // In the gap before the next layer, where no other words stand.
            let share = min(0.5, layout.layerGap / 2 / max(end.x - start.x, 1))
            return Way(start: start, control: control, end: end, share: share)
        }
        // A little aside, so that two that are opposed stand apart.
        let control = (a.centre + b.centre) * 0.5 + across.left * 0.05
        return Way(start: a.border(towards: control), control: control, end: b.border(towards: control))
    }

    /// An edge of a ring: round the corner that lies outside of it, where both boxes leave room for that.
    private func around(_ a: Box, _ b: Box, _ centre: Point) -> Way {
        let across = b.centre - a.centre
        let corners = [Point(x: a.centre.x, y: b.centre.y), Point(x: b.centre.x, y: a.centre.y)]
        let corner = corners.max { ($0 - centre).length < ($1 - centre).length } ?? centre
        func isClear(_ box: Box) -> Bool {
            abs(corner.x - box.centre.x) > box.width / 2 + 10 || abs(corner.y - box.centre.y) > box.height / 2 + 10
        }
        let control: Point
        let side: Way.Side
        var lean = 0.0
        if isClear(a), isClear(b), (corner - centre).length > 1 {
            control = corner
            side = corner.x < centre.x ? .left : .right
            lean = corner.y < centre.y ? -1 : 1
        } else {
            let isPair = layout.rings.contains { $0.count == 2 } && abs(across.y) < 1
            control = (a.centre + b.centre) * 0.5 + across.left * (isPair ? 60 / max(across.length, 1) : 0)
            let middle = isPair ? control : (a.centre + b.centre) * 0.5
            // Beside what goes up or down, above or below what goes across.
            if abs(across.y) > abs(across.x) * 0.25 {
                side = middle.x < centre.x ? .left : .right
            } else {
                side = middle.y < centre.y ? .above : .below
            }
        }
        return Way(
            start: a.border(towards: control), control: control, end: b.border(towards: control), side: side,
            lean: lean)
    }

    private func path(_ edge: Graph.Edge, _ way: Way) -> String {
        let dashes =
            switch edge.grade {
            case .exact, .checked: ""
            case .derived: " stroke-dasharray=\"8 4\""
            case .possible: " stroke-dasharray=\"2 4\""
            }
        let look =
            edge.isGuilty
            ? "stroke=\"\(GraphLook.guilty)\" stroke-width=\"3\" marker-end=\"url(#guilty)\""
            : "stroke=\"#444444\" stroke-width=\"1.3\" marker-end=\"url(#arrow)\""
        return
            "<path d=\"M\(point(way.start))Q\(point(way.control)) \(point(way.end))\" fill=\"none\" \(look)\(dashes)/>"
    }

    private func label(_ edge: Graph.Edge, _ way: Way) -> String {
        let colour = edge.isGuilty ? GraphLook.guilty : "#333333"
        let words = [edge.label, GraphText.shortened(edge.place)].filter { !$0.isEmpty }
        let middle = way.middle
        let height = Double(words.count) * 13
        let (x, top, anchor): (Double, Double, String) =
            switch way.side {
            case .on: (middle.x, middle.y - height / 2, "middle")
            case .left: (middle.x - 14, middle.y - height / 2 + way.lean * 8, "end")
            case .right: (middle.x + 14, middle.y - height / 2 + way.lean * 8, "start")
            case .above: (middle.x, middle.y - height - 6, "middle")
            case .below: (middle.x, middle.y + 6, "middle")
            }
        // A white rim keeps the words readable where they cross a line.
        return words.enumerated().map { index, text in
            "<text x=\"\(number(x))\" y=\"\(number(top + Double(index) * 13 + 10))\" font-size=\"11\" "
                + "text-anchor=\"\(anchor)\" fill=\"\(colour)\" stroke=\"white\" stroke-width=\"4\" "
                + "paint-order=\"stroke\">\(escaped(text))</text>"
        }.joined(separator: "\n")
    }

    private func draw(_ node: Graph.Node, _ box: Box) -> [String] {
        let look = GraphLook(node)
        let left = box.centre.x - box.width / 2
        let top = box.centre.y - box.height / 2
        let rim = node.isGuilty ? (GraphLook.guilty, "3.5") : (look.rim, "1.3")
        var lines = [
            "<rect x=\"\(number(left))\" y=\"\(number(top))\" width=\"\(number(box.width))\" "
                + "height=\"\(number(box.height))\" rx=\"\(look.isRound ? 14 : 2)\" fill=\"\(look.fill)\" "
                + "stroke=\"\(rim.0)\" stroke-width=\"\(rim.1)\"/>"
        ]
        for (index, line) in node.label.enumerated() {
            let y = top + 8 + GraphLayout.lineHeight * (Double(index) + 0.75)
            let weight = index == 0 ? " font-weight=\"bold\"" : " font-size=\"12\""
            lines.append(
                "<text x=\"\(number(box.centre.x))\" y=\"\(number(y))\" text-anchor=\"middle\"\(weight)>"
                    + "\(escaped(GraphText.shortened(line)))</text>")
        }
        return lines
    }

    private func legend(y: Double) -> [String] {
        var words: [(text: String, swatch: String)] = []
        var seen: Set<String> = []
        for node in graph.nodes where seen.insert(GraphLook(node).fill).inserted {
            let look = GraphLook(node)
            let name = ["task", "cpu", "work"].contains(node.kind) ? node.kind : "lock or what else is waited for"
            words.append(
                (
                    name,
                    "width=\"14\" height=\"12\" rx=\"\(look.isRound ? 5 : 1)\" fill=\"\(look.fill)\" stroke=\"\(look.rim)\""
                ))
        }
        if graph.nodes.contains(where: \.isGuilty) {
            words.append(
                (
                    "part of what is wrong",
                    "width=\"14\" height=\"12\" fill=\"white\" stroke=\"\(GraphLook.guilty)\" stroke-width=\"3\""
                ))
        }
        var lines: [String] = []
        var x = 30.0
        for (text, swatch) in words {
            lines.append("<rect x=\"\(number(x))\" y=\"\(number(y - 10))\" \(swatch)/>")
            lines.append("<text x=\"\(number(x + 20))\" y=\"\(number(y))\" font-size=\"11\">\(escaped(text))</text>")
            x += 46 + Double(text.count) * 6
        }
        var notes: [String] = []
        if graph.edges.contains(where: { $0.grade == .derived }) { notes.append("dashed: derived from code") }
        if graph.edges.contains(where: { $0.grade == .possible }) { notes.append("dotted: possible") }
        if leftOut > 0 { notes.append("\(leftOut) more are not shown") }
        if !notes.isEmpty {
            lines.append(
                "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"11\">\(escaped(notes.joined(separator: "; ")))</text>"
            )
        }
        return lines
    }

    private func number(_ value: Double) -> String { Decimal.text(value, digits: 1) ?? "0" }
    private func point(_ point: Point) -> String { "\(number(point.x)) \(number(point.y))" }

    private func escaped(_ text: String) -> String {
        var result = ""
        for character in Escaping.text(text) {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}

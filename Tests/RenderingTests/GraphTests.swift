import Pipeline
import Target
import Testing

@testable import Rendering

/// Small graphs of who waits for whom.
enum SampleGraph {
    private static func task(_ number: Int, guilty: Bool = false) -> Graph.Node {
        Graph.Node(id: "task \(number)", kind: "task", label: ["\(number) (t\(number))", "D"], isGuilty: guilty)
    }

    private static func lock(_ number: Int, guilty: Bool = false) -> Graph.Node {
        Graph.Node(
            id: "lock \(number)", kind: "mutex", label: ["mutex ffff88800045\(number)", "inode->i_rwsem"],
            isGuilty: guilty)
    }

    /// `count` tasks, each of which waits for what the next one holds.
    static func ring(_ count: Int, victims: Int = 0) -> Graph {
        var graph = Graph(title: "\(count) tasks wait for each other")
        for index in 0..<count {
            graph.nodes += [task(index, guilty: true), lock(index, guilty: true)]
            graph.edges.append(
                Graph.Edge(
                    from: "task \(index)", to: "lock \(index)", label: "waits for", grade: .exact, isGuilty: true))
            graph.edges.append(
                Graph.Edge(
                    from: "lock \(index)", to: "task \((index + 1) % count)", label: "held by",
                    grade: index == 0 ? .derived : .exact, isGuilty: true))
        }
        for index in 0..<victims {
            graph.nodes.append(task(100 + index))
            graph.edges.append(
                Graph.Edge(
                    from: "task \(100 + index)", to: "lock \(index % max(count, 1))", label: "waits for", grade: .exact)
            )
        }
        return graph
    }

    /// A task waits for one that waits for one that runs.
    static var chain: Graph {
        var graph = Graph(title: "a chain", nodes: [task(1), lock(1), task(2), lock(2), task(3)])
        let ids = graph.nodes.map(\.id)
        for (index, pair) in zip(ids, ids.dropFirst()).enumerated() {
            graph.edges.append(
                Graph.Edge(
                    from: pair.0, to: pair.1, label: index % 2 == 0 ? "waits for" : "held by", grade: .exact))
        }
        return graph
    }

    /// Two nodes that lead to each other.
    static var pair: Graph {
        Graph(
            title: "itself", nodes: [task(1, guilty: true), lock(1, guilty: true)],
            edges: [
                Graph.Edge(from: "task 1", to: "lock 1", label: "waits for", grade: .exact, isGuilty: true),
                Graph.Edge(from: "lock 1", to: "task 1", label: "held by", grade: .exact, isGuilty: true),
            ])
    }

    /// 40 nodes: 36 victims on a ring of two tasks.
    static var crowd: Graph { ring(2, victims: 36) }

    static var all: [Graph] { [pair, ring(2), ring(3), chain, ring(2, victims: 5), crowd] }
}

@Suite struct GraphTests {
    @Test func aCircleIsToldInItsOrderAndVictimsAfterIt() {
        #expect(
            GraphText.lines(SampleGraph.ring(2, victims: 1)) == [
                "2 tasks wait for each other",
                "a circle of 4:",
                "  * 0 (t0), D",
                "        waits for",
                "  * mutex ffff888000450, inode->i_rwsem",
                "        held by (derived)",
                "  * 1 (t1), D",
                "        waits for",
                "  * mutex ffff888000451, inode->i_rwsem",
                "        held by the first",
                "100 (t100), D",
                "    waits for: * mutex ffff888000450, inode->i_rwsem (above)",
            ])
    }

    @Test func aChainIsToldFromWhoWaitsToWhomItHangsOn() {
        #expect(
            GraphText.lines(SampleGraph.chain) == [
                "a chain",
                "1 (t1), D",
                "    waits for: mutex ffff888000451, inode->i_rwsem",
                "        held by: 2 (t2), D",
                "            waits for: mutex ffff888000452, inode->i_rwsem",
                "                held by: 3 (t3), D",
            ])
    }

    @Test func graphvizGetsColoursAndTheWaysOfKnowing() {
        let lines = GraphDOT.text(SampleGraph.ring(2)).split(separator: "\n").map(String.init)
        #expect(lines.first == "digraph {" && lines.last == "}")
        #expect(
            lines.contains(
                "  \"task 0\" [label=\"0 (t0)\\nD\", shape=box, style=\"filled,rounded\", fillcolor=\"#dbe9f8\", "
                    + "color=\"#c62828\", penwidth=3];"))
        #expect(
            lines.contains(
                "  \"lock 0\" -> \"task 1\" [label=\"held by\", color=\"#c62828\", penwidth=2.5, style=dashed];"))
    }

    @Test(arguments: SampleGraph.all.indices) func noTwoNodesOverlap(number: Int) {
        let layout = GraphLayout(SampleGraph.all[number])
        for (index, box) in layout.boxes.enumerated() {
            #expect(box.centre.x - box.width / 2 >= 0 && box.centre.x + box.width / 2 <= layout.width)
            #expect(box.centre.y - box.height / 2 >= 0 && box.centre.y + box.height / 2 <= layout.height)
            for other in layout.boxes.dropFirst(index + 1) { #expect(!box.overlaps(other), "\(box) \(other)") }
        }
    }

    @Test func aCircleStandsAsARingWithItsNodesInOrder() {
        let layout = GraphLayout(SampleGraph.ring(3))
        #expect(layout.rings == [[0, 1, 2, 3, 4, 5]])
        let places = layout.boxes.map(\.centre)
        let centre = places.reduce(Point(x: 0, y: 0), +) * (1 / 6)
        // Each next node is further round in the same direction.
        for index in 0..<6 {
            let a = places[index] - centre
            let b = places[(index + 1) % 6] - centre
            #expect(a.x * b.y - a.y * b.x > 0)
        }
    }

    @Test func victimsStandOnTheLeftOfWhatTheyWaitFor() {
        let graph = SampleGraph.ring(2, victims: 5)
        let layout = GraphLayout(graph)
        let ring = layout.boxes.prefix(4).map { $0.centre.x - $0.width / 2 }.min() ?? 0
        for victim in layout.boxes.dropFirst(4) { #expect(victim.centre.x + victim.width / 2 < ring) }
    }

    @Test func whatADumpSaysCannotBreakOutOfAPicture() {
        let evil = "\"/><script>alert(1)</script>&\u{1b}[2J\\"
        let graph = Graph(
            title: evil, nodes: [Graph.Node(id: evil, kind: evil, label: [evil])],
            edges: [Graph.Edge(from: evil, to: evil, label: evil, grade: .possible)])
        let picture = GraphSVG.text(graph)
        #expect(!picture.contains("<script") && !picture.contains("\u{1b}") && !picture.contains("\"/><s"))
        #expect(picture.contains("&lt;script&gt;"))
        let dot = GraphDOT.text(graph)
        #expect(!dot.contains("\u{1b}") && dot.contains("\\\"/><script>"))
        #expect(dot.split(separator: "\n").allSatisfy { line in !line.hasSuffix("\\") })
    }

    @Test func edgesOfNodesThatDoNotExistAreLeftOutAndNothingIsDrawnOfNothing() {
        let graph = Graph(
            title: "?", nodes: [], edges: [Graph.Edge(from: "a", to: "b", label: "x", grade: .exact)])
        #expect(GraphLayout(graph).edges.isEmpty)
        #expect(GraphSVG.text(graph).hasSuffix("</svg>"))
        #expect(GraphText.lines(graph) == ["?"])
    }

    @Test func ofAThousandNodesAPictureShowsTheGuiltyOnes() {
        var graph = SampleGraph.ring(2)
        graph.nodes = (0..<1000).map { Graph.Node(id: "v\($0)", kind: "task", label: ["v\($0)"]) } + graph.nodes
        let picture = GraphSVG.text(graph)
        #expect(picture.contains("604 more are not shown") && picture.contains("mutex ffff888000451"))
    }
}

// Nodes and edges: who waits for whom, what contains what. For text, JSON and pictures.

/// A directed graph with what is to be shown of it. A value: whoever builds it says all there is to say.
package struct Graph: Sendable {
    /// How sure an edge is, from what was read as it stands to what is only possible.
    package enum Grade: String, Sendable, CaseIterable, Comparable {
        /// A word of the target says so: an owner field, a wait list.
        case exact
        /// It follows, and a count in the target agrees: all readers of a lock found.
        case checked
        /// It follows from the code and from recovered values.
        case derived
        /// It may be so: a hint, an address on a live stack.
        case possible

        package static func < (a: Grade, b: Grade) -> Bool { a.rank < b.rank }
        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    package struct Node: Sendable {
        /// Unique in the graph and stable between runs on one dump: "task 45", "mutex 0xffff888000457ad0".
        package let id: String
        /// "task", "mutex", "rwsem", "cpu", "work".
        package let kind: String
        /// One to three short lines.
        package let label: [String]
        /// The node is part of what is wrong.
        package let isGuilty: Bool

        package init(id: String, kind: String, label: [String], isGuilty: Bool = false) {
            self.id = id
            self.kind = kind
            self.label = label
            self.isGuilty = isGuilty
        }
    }

    package struct Edge: Sendable {
        package let from: String
        package let to: String
        /// "waits for", "held by".
        package let label: String
        /// Where in the code, a short line: "abba_file_write_iter at abbafs.c:68"; empty when it is not known.
        package let place: String
        package let grade: Grade
        package let isGuilty: Bool

        package init(
            from: String, to: String, label: String, place: String = "", grade: Grade, isGuilty: Bool = false
        ) {
            self.from = from
            self.to = to
            self.label = label
            self.place = place
            self.grade = grade
            self.isGuilty = isGuilty
        }
    }

    package var title: String
    package var nodes: [Node]
    package var edges: [Edge]

    package init(title: String, nodes: [Node] = [], edges: [Edge] = []) {
        self.title = title
        self.nodes = nodes
        self.edges = edges
    }
}

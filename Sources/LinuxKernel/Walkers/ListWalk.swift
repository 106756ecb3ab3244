// Circular doubly-linked lists (include/linux/list.h), checked while they are walked.

package import Bytes
internal import DebugModel
internal import Memory
package import Target

/// Something wrong with a structure that was walked, with both ends of what is wrong.
package struct WalkAnomaly: Sendable, Equatable, Error, CustomStringConvertible {
    package let description: String
    /// The node at which it was seen.
    package let node: VirtualAddress

    package init(_ description: String, at node: VirtualAddress) {
        self.description = description
        self.node = node
    }
}

/// Walks `list_head` rings.
package struct ListWalk: Sendable {
    /// More than any ring of a healthy kernel; the walk ends there with an anomaly.
    private static let maximum = 4 << 20

    /// Calls `body` with the address of each node after `head`, in order. What is wrong is told to `anomaly`; the
    /// nodes before it have been delivered. A wrong back-link does not end the walk: the forward links are followed
    /// as the kernel itself would.
    package static func walk(
        _ head: Value, anomaly: (WalkAnomaly) -> Void, _ body: (VirtualAddress) throws -> Void
    ) throws {
        let space = head.target.space
        let start = try head.address
        var previous = start
        var current: VirtualAddress
        do { current = VirtualAddress(try space.word(start)) } catch {
            anomaly(WalkAnomaly("the list head at \(start) cannot be read: \(error)", at: start))
            return
        }
        // Brent's algorithm: a ring that does not come back to its head is caught within twice its length.
        var tortoise = start
        var power = 1
        var steps = 0
        while current != start {
            if current.isNull {
                anomaly(WalkAnomaly("\(previous) links to NULL", at: previous))
                return
            }
            let next: VirtualAddress
            do {
                next = VirtualAddress(try space.word(current))
                let back = VirtualAddress(try space.word(current.advanced(by: UInt64(8))))
                if back != previous {
                    anomaly(WalkAnomaly("\(previous) links to \(current), whose prev is \(back)", at: current))
                }
            } catch {
                anomaly(WalkAnomaly("the node at \(current), after \(previous), cannot be read: \(error)", at: current))
                return
            }
            if current == tortoise {
                anomaly(WalkAnomaly("the list comes back to \(current) without its head", at: current))
                return
            }
            steps += 1
            if steps == power {
                tortoise = current
                power *= 2
            }
            guard steps < maximum else {
                anomaly(WalkAnomaly("the list has more than \(maximum) nodes", at: current))
                return
            }
            try body(current)
            previous = current
            current = next
        }
    }

    /// The structures in a ring: `container_of(node, kind name, member)` of each node.
    package static func entries(
        _ head: Value, _ name: String, _ member: String, anomaly: (WalkAnomaly) -> Void,
        _ body: (Value) throws -> Void
    ) throws {
        let types = head.target.types
        guard let type = try types.lookup(.structure, name) else { throw ValueError.noType("struct " + name) }
        guard let offset = try types.offset(ofPath: member, in: type) else {
            throw ValueError.noMember(member, of: "struct " + name)
        }
        try walk(head, anomaly: anomaly) { node in
            try body(Value(target: head.target, type: type, place: .memory(node.advanced(by: 0 &- offset))))
        }
    }
}

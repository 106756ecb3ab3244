// Circular doubly-linked lists (include/linux/list.h), checked while they are walked.

package import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

/// Something wrong with a structure that was walked, with both ends of what is wrong.
package typealias WalkAnomaly = Anomaly

/// What Linux leaves in the links of removed nodes (include/linux/poison.h).
enum LinuxPoison {
    /// `LIST_POISON1` and `LIST_POISON2` with x86-64's CONFIG_ILLEGAL_POINTER_VALUE.
    static let links: [(value: UInt64, meaning: String)] = [
        (0xdead_0000_0000_0100, "LIST_POISON1, the node was removed"),
        (0xdead_0000_0000_0122, "LIST_POISON2, the node was removed"),
    ]
}

/// Walks `list_head` rings.
package enum ListWalk: NamedWalk {
    package static let name = "list"
    package static let summary = "the nodes of a circular list"
    package static let root: String? = "struct list_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let head = try WalkRoot(root, words, of: self).value("list_head")
        let element = try ElementType(words, of: self, head.target)
        try ring.walk(try head.address, in: head.target.space, anomaly: { try emit(.anomaly($0)) }) { node in
            try emit(.element(try element?.value(at: node) ?? head.target.object(.structure, "list_head", at: node)))
        }
    }

    /// `next`, `prev`, and what is left in them.
    static let ring: RingWalk = {
        var ring = RingWalk()
        ring.poisons = LinuxPoison.links
        return ring
    }()

    /// Calls `body` with the address of each node after `head`, in order. What is wrong is told to `anomaly`; the
    /// nodes before it have been delivered. A wrong back-link does not end the walk: the forward links are followed
    /// as the kernel itself would.
    package static func walk(
        _ head: Value, anomaly: (Anomaly) throws -> Void, _ body: (VirtualAddress) throws -> Void
    ) throws {
        try ring.walk(try head.address, in: head.target.space, anomaly: anomaly, body)
    }

    /// The structures in a ring: `container_of(node, kind name, member)` of each node.
    package static func entries(
        _ head: Value, _ name: String, _ member: String, anomaly: (Anomaly) throws -> Void,
        _ body: (Value) throws -> Void
    ) throws {
        let element = try ElementType(name, member, head.target)
        try walk(head, anomaly: anomaly) { try body(element.value(at: $0)) }
    }
}

// The singly-linked lists: hlist, hlist_nulls, hlist_bl, llist (include/linux/list.h, list_nulls.h, list_bl.h, llist.h).

internal import Bytes
internal import DebugModel
package import Pipeline
package import Target

/// A chain of a kind, and the names of its head and nodes.
private struct ChainKind {
    let head: String
    let node: String
    /// The head's member that is the first link.
    let first: String
    let chain: ChainWalk

    func walk(
        _ root: Value?, _ words: [String], of walk: any NamedWalk.Type, _ emit: (Step) throws -> Void
    ) throws -> UInt64? {
        let head = try WalkRoot(root, words, of: walk).value(self.head)
        let target = head.target
        let element = try ElementType(words, of: walk, target)
        var chain = chain
        chain.poisons = LinuxPoison.links
        let start = try head.member(first).address
        return try chain.walk(from: start, in: target.space, anomaly: { try emit(.anomaly($0)) }) { node in
            try emit(.element(try element?.value(at: node) ?? target.object(.structure, self.node, at: node)))
        }
    }
}

/// Chains of a hash table: each node points back at the link that leads to it.
package enum HListWalk: NamedWalk {
    package static let name = "hlist"
    package static let summary = "the nodes of a hash chain"
    package static let root: String? = "struct hlist_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let kind = ChainKind(head: "hlist_head", node: "hlist_node", first: "first", chain: ChainWalk(backOffset: 8))
        _ = try kind.walk(root, words, of: self, emit)
    }
}

/// Chains whose last link is an odd number that tells which chain it ends: a node that moved to another chain while
/// it was looked at shows by that.
package enum HListNullsWalk: NamedWalk {
    package static let name = "hlist_nulls"
    package static let summary = "the nodes of a hash chain that ends in a number"
    package static let root: String? = "struct hlist_nulls_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        var chain = ChainWalk(backOffset: 8)
        chain.endBits = 1
        let kind = ChainKind(head: "hlist_nulls_head", node: "hlist_nulls_node", first: "first", chain: chain)
        guard let end = try kind.walk(root, words, of: self, emit), end == 0 else { return }
        let head = try WalkRoot(root, words, of: self).address()
        try emit(.anomaly(Anomaly(.null, "the chain at \(head) ends in NULL, not in a number", at: head)))
    }
}

/// Chains with a lock in bit 0 of the head, as the dentry cache's.
package enum HListBLWalk: NamedWalk {
    package static let name = "hlist_bl"
    package static let summary = "the nodes of a hash chain with a lock in its head"
    package static let root: String? = "struct hlist_bl_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        var chain = ChainWalk(backOffset: 8)
        chain.headTags = 1
        let kind = ChainKind(head: "hlist_bl_head", node: "hlist_bl_node", first: "first", chain: chain)
        _ = try kind.walk(root, words, of: self, emit)
    }
}

/// Lists that many CPUs push on without a lock; the last one in stands first.
package enum LListWalk: NamedWalk {
    package static let name = "llist"
    package static let summary = "the nodes of a lock-free list, the latest first"
    package static let root: String? = "struct llist_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let kind = ChainKind(head: "llist_head", node: "llist_node", first: "first", chain: ChainWalk())
        _ = try kind.walk(root, words, of: self, emit)
    }
}

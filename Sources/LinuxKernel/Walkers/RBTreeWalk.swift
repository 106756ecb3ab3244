// walk rbtree: the nodes of a red-black tree, in order.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

package enum RBTreeWalk: NamedWalk {
    package static let name = "rbtree"
    package static let aliases = ["rb", "rb_tree"]
    package static let summary = "the nodes of a red-black tree, in order"
    package static let root: String? = "struct rb_root"
    package static let roots = ["struct rb_root", "struct rb_root_cached"]
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let root = try WalkRoot(root, words, of: self).value("rb_root", "rb_root_cached")
        let element = try ElementType(words, of: self, root.target)
        try nodes(root, anomaly: { try emit(.anomaly($0)) }) { node in
            try emit(.element(try element?.value(at: node) ?? root.target.object(.structure, "rb_node", at: node)))
        }
    }

    /// The nodes of an `rb_root` or `rb_root_cached`, in order; of the latter the cached leftmost node is checked.
    static func nodes(
        _ root: Value, anomaly: (Anomaly) throws -> Void, _ body: (VirtualAddress) throws -> Void
    ) throws {
        let isCached = root.has("rb_leftmost")
        let plain = isCached ? try root.member("rb_root") : root
        var first: VirtualAddress?
        try RBTree.walk(
            from: try plain.member("rb_node").pointer(), in: root.target.space, anomaly: anomaly
        ) { node in
            first = first ?? node.address
            try body(node.address)
        }
        guard isCached else { return }
        let place = try root.member("rb_leftmost")
        let leftmost = try place.pointer()
        guard leftmost != first ?? VirtualAddress(0) else { return }
        try anomaly(
            Anomaly(
                .shape,
                "the root at \(try root.address) caches \(leftmost) as the leftmost node, which is "
                    + (first.map { "\($0)" } ?? "none"), at: leftmost, evidence: [Anomaly.word(try place.address)]))
    }
}

/// A tree whose nodes hold the maximum of a value in their subtree, as interval trees and free areas do.
package enum AugmentedTreeWalk: NamedWalk {
    package static let name = "rbtree-augmented"
    package static let aliases = ["rbtree_augmented"]
    package static let summary = "a red-black tree whose nodes hold the maximum below them, which is checked"
    /// None: a root does not tell that its tree is augmented.
    package static let root: String? = nil
    package static let parameters = "TYPE.MEMBER VALUE[-VALUE] MAXIMUM"

    package static func ownWords(_ words: [String], _ target: Target) -> Int {
        let count = ElementType.count(words, target)
        return count == 0 ? 0 : min(count + 2, words.count)
    }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let root = try WalkRoot(root, words, of: self).value("rb_root", "rb_root_cached")
        let target = root.target
        let rest = Array(ElementType.rest(words, target))
        guard let element = try ElementType(words, of: self, target), rest.count == 2 else {
            throw UsageError("walk \(name) takes \(parameters)")
        }
        let terms = try rest[0].split(separator: "-").map { try MemberPath(String($0)) }
        guard (1...2).contains(terms.count) else { throw UsageError("walk \(name) takes \(parameters)") }
        let maximum = try MemberPath(rest[1])
        func value(_ node: VirtualAddress) throws -> UInt64 {
            let object = element.value(at: node)
            let first = try terms[0].apply(to: object).unsigned()
            return terms.count == 1 ? first : first &- (try terms[1].apply(to: object).unsigned())
        }
        func below(_ node: VirtualAddress) throws -> UInt64 {
            node.isNull ? 0 : try maximum.apply(to: element.value(at: node)).unsigned()
        }
        let plain = root.has("rb_leftmost") ? try root.member("rb_root") : root
        try RBTree.walk(
            from: try plain.member("rb_node").pointer(), in: target.space, anomaly: { try emit(.anomaly($0)) }
        ) { node in
            try emit(.element(element.value(at: node.address)))
            do {
                let expected = max(try value(node.address), try below(node.left), try below(node.right))
                let found = try below(node.address)
                guard found != expected else { return }
                try emit(
                    .anomaly(
                        Anomaly(
                            .shape, "\(node.address) holds \(found) as the maximum below it, which is \(expected)",
                            at: node.address)))
            } catch let error as ValueError {
                try emit(
                    .anomaly(Anomaly(.unreadable, "below \(node.address): \(error)", at: node.address)))
            }
        }
    }
}

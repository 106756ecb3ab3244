// Nodes of a tree whose parent pointer is wrong, remembered so that none of them is entered twice.

package import Bytes

/// In a healthy tree the pointer to the parent shows that a node is entered from its one place, and nobody needs to
/// remember where he was. A node that points elsewhere is entered all the same, as long as nobody else claims it and
/// there are few of them: each is remembered here. So a walk ends, whatever memory holds, in constant space.
package struct Adoption: Sendable {
    /// A tree with more wrong parents than this is no tree.
    package static let maximum = 64
    private var nodes: [VirtualAddress]

    /// `root`: the node that nobody may enter again.
    package init(root: VirtualAddress) { nodes = [root] }

    package enum Verdict: Sendable, Equatable {
        case enter
        /// It was entered before.
        case known
        case tooMany
    }

    package mutating func admit(_ node: VirtualAddress) -> Verdict {
        if nodes.contains(node) { return .known }
        guard nodes.count <= Self.maximum else { return .tooMany }
        nodes.append(node)
        return .enter
    }
}

// Red-black trees (include/linux/rbtree.h), checked while they are walked: parents, colours, heights.

internal import Bytes
internal import Memory
internal import Target

/// A walk over the nodes of one tree. Its memory is bounded by the tree's height.
///
/// A red-black tree of n nodes is at most 2 log2(n + 1) high, and on every way down there are as many black nodes: what
/// is deeper, redder or lopsided was not made by the kernel. Each node is entered from its parent; one that does not
/// point back is either another's (then it is told and passed over), or its own pointer is damaged (then it is told and
/// entered, see `Adoption`).
struct RBTree {
    enum Order {
        case ascending
        /// A node before its children.
        case topDown
    }

    /// Higher than any tree that fits 64 bits of addresses.
    private static let maximumHeight = 128

    let space: AddressSpace
    let order: Order
    private let wantsPaths: Bool
    private let anomaly: (Anomaly) throws -> Void
    private let body: (Node) throws -> Void
    private var stack: [Frame] = []
    private var adoption: Adoption
    private var blackHeight: (count: Int, at: VirtualAddress)?
    private var isIntact = true

    /// A node as it was read.
    struct Node {
        let address: VirtualAddress
        let left: VirtualAddress
        let right: VirtualAddress
        let isBlack: Bool
        /// From the root: false for left, true for right. Empty unless it was asked for.
        let path: [Bool]
    }

    private struct Frame {
        let node: VirtualAddress
        let left: VirtualAddress
        let right: VirtualAddress
        let isBlack: Bool
        /// Black nodes from the root to here, this one among them.
        let blacks: Int
        var next = Stage.left

        enum Stage {
            case left
            case itself
            case right
            case done
        }
    }

    private init(
        _ first: VirtualAddress, _ space: AddressSpace, _ order: Order, _ paths: Bool,
        _ anomaly: @escaping (Anomaly) throws -> Void,
        _ body: @escaping (Node) throws -> Void
    ) {
        self.space = space
        self.order = order
        wantsPaths = paths
        self.anomaly = anomaly
        self.body = body
        adoption = Adoption(root: first)
    }

    /// Walks the tree whose topmost node is `first`. `isWhole`: it is the root's own node, so that its parent has to be
    /// NULL and it has to be black.
    static func walk(
        from first: VirtualAddress, isWhole: Bool = true, in space: AddressSpace, order: Order = .ascending,
        paths: Bool = false,
        anomaly: (Anomaly) throws -> Void, _ body: (Node) throws -> Void
    ) throws {
        guard !first.isNull else { return }
        try withoutActuallyEscaping(anomaly) { anomaly in
            try withoutActuallyEscaping(body) { body in
                var tree = RBTree(first, space, order, paths, anomaly, body)
                try tree.run(first, isWhole)
            }
        }
    }

    private mutating func run(_ first: VirtualAddress, _ isWhole: Bool) throws {
        guard let (frame, parent) = try read(first, from: nil) else { return }
        if isWhole {
            if !parent.isNull {
                try anomaly(
                    Anomaly(
                        .backLink, "the root node \(first) has the parent \(parent)", at: first,
                        evidence: [Anomaly.word(first)]))
            }
            if !frame.isBlack { try anomaly(Anomaly(.shape, "the root node \(first) is red", at: first)) }
        }
        try push(frame)
        while let top = stack.last {
            switch top.next {
            case .left:
                advance(to: .itself)
                try descend(from: top, to: top.left)
            case .itself:
                advance(to: .right)
                if order == .ascending { try deliver(stack.count - 1) }
            case .right:
                advance(to: .done)
                if top.right == top.left, !top.right.isNull {
                    isIntact = false
                    try anomaly(
                        Anomaly(
                            .cycle, "\(top.node) has \(top.left) on both sides", at: top.node,
                            evidence: [Anomaly.word(top.node.advanced(by: RBTree.right))]))
                } else {
                    try descend(from: top, to: top.right)
                }
            case .done: stack.removeLast()
            }
        }
    }

    /// `struct rb_node`: `__rb_parent_color`, `rb_right`, `rb_left`, in this order since 2.6.
    static let right: UInt64 = 8
    static let left: UInt64 = 16

    private mutating func advance(to stage: Frame.Stage) { stack[stack.count - 1].next = stage }

    private mutating func push(_ frame: Frame) throws {
        stack.append(frame)
        if order == .topDown { try deliver(stack.count - 1) }
    }

    private func deliver(_ index: Int) throws {
        let frame = stack[index]
        var path: [Bool] = []
        for position in stack.indices.prefix(index + 1).dropFirst() where wantsPaths {
            path.append(stack[position - 1].next == .done)
        }
        try body(
            Node(address: frame.node, left: frame.left, right: frame.right, isBlack: frame.isBlack, path: path))
    }

    private mutating func descend(from parent: Frame, to child: VirtualAddress) throws {
        guard !child.isNull else { return try checkHeight(parent) }
        guard stack.count < Self.maximumHeight else {
            isIntact = false
            return try anomaly(
                Anomaly(.tooLong, "the tree is more than \(Self.maximumHeight) high at \(child)", at: child))
        }
        guard let (frame, back) = try read(child, from: parent) else {
            isIntact = false
            return
        }
        guard try back == parent.node || adopts(child, of: parent.node, back) else {
            isIntact = false
            return
        }
        if !frame.isBlack, !parent.isBlack {
            try anomaly(
                Anomaly(
                    .shape, "\(child) and its parent \(parent.node) are both red", at: child,
                    evidence: [Anomaly.word(child), Anomaly.word(parent.node)]))
        }
        try push(frame)
    }

    /// Every way down has to meet as many black nodes as every other.
    private mutating func checkHeight(_ frame: Frame) throws {
        guard isIntact else { return }
        guard let known = blackHeight else {
            blackHeight = (frame.blacks, frame.node)
            return
        }
        guard known.count != frame.blacks else { return }
        isIntact = false
        try anomaly(
            Anomaly(
                .shape,
                "\(frame.blacks) black nodes lead to \(frame.node), and \(known.count) to \(known.at)", at: frame.node,
                evidence: [Anomaly.word(frame.node), Anomaly.word(known.at)]))
    }

    /// Whether a node that does not point back at `parent` is entered all the same.
    private mutating func adopts(
        _ child: VirtualAddress, of parent: VirtualAddress, _ back: VirtualAddress
    ) throws -> Bool {
        let evidence = [Anomaly.word(child)]
        if back != child, let left = try? space.word(back.advanced(by: Self.left)),
            let right = try? space.word(back.advanced(by: Self.right)), [left, right].contains(child.rawValue)
        {
            try anomaly(
                Anomaly(
                    .backLink, "\(parent) has the child \(child), which is a child of \(back)", at: child,
                    evidence: evidence))
            return false
        }
        switch adoption.admit(child) {
        case .known:
            try anomaly(
                Anomaly(.cycle, "the tree comes back to \(child) below \(parent)", at: child, evidence: evidence))
            return false
        case .tooMany:
            try anomaly(
                Anomaly(.backLink, "\(parent) has the child \(child), whose parent is \(back)", at: child))
            return false
        case .enter:
            let what = back == child ? "which is in no tree: its parent is itself" : "whose parent is \(back)"
            try anomaly(
                Anomaly(.backLink, "\(parent) has the child \(child), \(what)", at: child, evidence: evidence))
            return true
        }
    }

    private func read(
        _ node: VirtualAddress, from parent: Frame?
    ) throws -> (frame: Frame, parent: VirtualAddress)? {
        do throws(MemoryFault) {
            let bytes = try space.read(node, count: 24)
            let (word, right, left) = bytes.withBytes { span in
                (
                    span.little(0, as: UInt64.self) ?? 0, span.little(8, as: UInt64.self) ?? 0,
                    span.little(16, as: UInt64.self) ?? 0
                )
            }
            let isBlack = word & 1 != 0
            let frame = Frame(
                node: node, left: VirtualAddress(left), right: VirtualAddress(right), isBlack: isBlack,
                blacks: (parent?.blacks ?? 0) + (isBlack ? 1 : 0))
            return (frame, VirtualAddress(word & ~3))
        } catch {
            let from = parent.map { "the child \(node) of \($0.node)" } ?? "the root node \(node)"
            try anomaly(Anomaly(.unreadable, "\(from) cannot be read: \(error)", at: node))
            return nil
        }
    }
}

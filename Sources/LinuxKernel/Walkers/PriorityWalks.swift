// Containers that keep their nodes in an order: plist, klist, timerqueue (include/linux/plist.h, klist.h, timerqueue.h).

internal import Bytes
internal import Memory
package import Pipeline
package import Target

/// Lists by priority: all nodes on one ring, and the first one of each priority on another.
package enum PListWalk: NamedWalk {
    package static let name = "plist"
    package static let summary = "the nodes of a list by priority"
    package static let root: String? = "struct plist_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let head = try WalkRoot(root, words, of: self).value("plist_head")
        let target = head.target
        let element = try ElementType(words, of: self, target)
        let node = try ElementType("plist_node", "node_list", target)
        var before: (node: VirtualAddress, priority: Int64)?
        var first: Value?
        var priorities = 0
        try ListWalk.walk(try head.member("node_list"), anomaly: { try emit(.anomaly($0)) }) { link in
            let value = node.value(at: link)
            let address = try value.address
            try emit(.element(element?.value(at: address) ?? value))
            let priority = try value.member("prio").signed()
            if let before, before.priority > priority {
                let told = "\(address) of priority \(priority) stands behind \(before.node) of \(before.priority)"
                try emit(.anomaly(Anomaly(.shape, told, at: address)))
            }
            priorities += before?.priority == priority ? 0 : 1
            before = (address, priority)
            first = first ?? value
        }
        guard let first else { return }
        // The ring of priorities has no head: it begins at any of its nodes, and the first one is on it.
        var others = 0
        var isWhole = true
        let ring = try first.member("prio_list")
        try ListWalk.walk(
            ring,
            anomaly: {
                isWhole = false
                try emit(.anomaly($0))
            }, { _ in others += 1 })
        guard isWhole, others + 1 != priorities else { return }
        let told = "\(others + 1) nodes are on the ring of priorities, of which there are \(priorities)"
        try emit(.anomaly(Anomaly(.shape, told, at: try ring.address)))
    }
}

/// Lists whose nodes may be removed while they are walked: each points at its list, with bit 0 set once it is dead.
package enum KListWalk: NamedWalk {
    package static let name = "klist"
    package static let summary = "the nodes of a list of the driver core"
    package static let root: String? = "struct klist"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let list = try WalkRoot(root, words, of: self).value("klist")
        let target = list.target
        let element = try ElementType(words, of: self, target)
        let node = try ElementType("klist_node", "n_node", target)
        let own = try list.address
        try ListWalk.walk(try list.member("k_list"), anomaly: { try emit(.anomaly($0)) }) { link in
            let value = node.value(at: link)
            let address = try value.address
            let place = try value.member("n_klist")
            let word = try place.unsigned()
            if word & ~1 != own.rawValue {
                let told = "\(address) is on the list \(own) and says that it is on 0x\(hex(word & ~1))"
                try emit(.anomaly(Anomaly(.backLink, told, at: address, evidence: [Anomaly.word(try place.address)])))
            }
            let found = element?.value(at: address) ?? value
            try emit(word & 1 == 0 ? .element(found) : .indexed(StepIndex(0, note: "dead"), found))
        }
    }
}

/// Timers by when they expire: a red-black tree.
package enum TimerQueueWalk: NamedWalk {
    package static let name = "timerqueue"
    package static let summary = "the nodes of a queue of timers, the earliest first"
    package static let root: String? = "struct timerqueue_head"
    package static let parameters = "[TYPE[.MEMBER]]"

    package static func ownWords(_ words: [String], _ target: Target) -> Int { ElementType.count(words, target) }

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let head = try WalkRoot(root, words, of: self).value("timerqueue_head")
        let element = try ElementType(words, of: self, head.target)
        try nodes(head, anomaly: { try emit(.anomaly($0)) }) { node in
            try emit(.element(try element.map { try $0.value(at: node.address) } ?? node))
        }
    }

    /// Each `struct timerqueue_node`, in order.
    static func nodes(
        _ head: Value, anomaly: (Anomaly) throws -> Void, _ body: (Value) throws -> Void
    ) throws {
        // `head` and `next` until 5.4, one `rb_root_cached` since 5.5 (511885d7061e).
        let tree = try head.member(head.has("rb_root") ? "rb_root" : "head")
        let node = try ElementType("timerqueue_node", "node", head.target)
        var before: (node: VirtualAddress, time: Int64)?
        var first: VirtualAddress?
        try RBTreeWalk.nodes(tree, anomaly: anomaly) { link in
            let value = node.value(at: link)
            let address = try value.address
            try body(value)
            let time = try value.member("expires").signed()
            if let before, before.time > time {
                let told = "\(address), which expires at \(time), stands behind \(before.node) of \(before.time)"
                try anomaly(Anomaly(.shape, told, at: address))
            }
            before = (address, time)
            first = first ?? address
        }
        guard head.has("next") else { return }
        let next = try head.member("next").pointer()
        guard next != first ?? VirtualAddress(0) else { return }
        try anomaly(Anomaly(.shape, "the queue's next node is \(next), and its first is another", at: next))
    }
}

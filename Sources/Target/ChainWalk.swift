// Singly-linked chains of any kernel, checked while they are walked.

package import Bytes
package import Memory

/// Nodes that each hold a link to the next one, the last one a link that leads nowhere. Nodes may besides point back at
/// the link that leads to them, as Linux' hlist nodes do.
package struct ChainWalk: Sendable {
    /// The link's offset within a node, in bytes.
    package var next: UInt64 = 0
    /// The offset of the pointer to the link that leads to the node; nil when nodes have none.
    package var backOffset: UInt64?
    /// Bits of the first link, and of every other one, that are no part of an address.
    package var headTags: UInt64 = 0
    package var tags: UInt64 = 0
    /// Bits of which any marks a link that leads nowhere, as NULL always does.
    package var endBits: UInt64 = 0
    /// Link values that mark a removed node, with what each means.
    package var poisons: [(value: UInt64, meaning: String)] = []
    /// More than any chain of a healthy kernel.
    package var maximum = 4 << 20

    package init(next: UInt64 = 0, backOffset: UInt64? = nil) {
        self.next = next
        self.backOffset = backOffset
    }

    /// Calls `body` with the address of each node, in order, beginning with the one that the word at `head` leads to,
    /// and `anomaly` with what is wrong. Nodes before a fault have been delivered; a wrong back pointer does not end
    /// the walk. A chain that comes back to itself ends within three of its rounds. Returns the link that ended it; nil
    /// when something else did. `isEnd`: a node, and the place of the link that leads to it, with which the chain ends
    /// as it should.
    @discardableResult
    package func walk(
        from head: VirtualAddress, in space: AddressSpace,
        isEnd: (VirtualAddress, VirtualAddress) -> Bool = { _, _ in false }, anomaly: (Anomaly) throws -> Void,
        _ body: (VirtualAddress) throws -> Void
    ) throws -> UInt64? {
        guard let first = try link(at: head, from: head, space, anomaly) else { return nil }
        var (place, link) = (head, first & ~headTags)
        // Brent's algorithm: remember a node, twice as far apart each time.
        var mark = VirtualAddress(0)
        var (power, steps, sinceMark) = (1, 0, 0)
        while link != 0, link & endBits == 0 {
            let node = VirtualAddress(link & ~tags)
            if isEnd(node, place) { return link }
            if let poison = poisons.first(where: { $0.value == link }) {
                try anomaly(
                    Anomaly(
                        .poison, "the link at \(place) is \(node): \(poison.meaning)", at: place,
                        evidence: [Anomaly.word(place)]))
                return nil
            }
            let following = node.advanced(by: next)
            guard let after = try self.link(at: following, from: place, space, anomaly) else { return nil }
            try checkBack(node, place, space, anomaly)
            if node == mark {
                try anomaly(
                    Anomaly(
                        .cycle, "the chain at \(head) comes back to \(node) from \(place)", at: node,
                        evidence: [Anomaly.word(place)]))
                return nil
            }
            steps += 1
            sinceMark += 1
            if sinceMark == power {
                (mark, sinceMark) = (node, 0)
                power *= 2
            }
            guard steps <= maximum else {
                try anomaly(Anomaly(.tooLong, "the chain at \(head) has more than \(maximum) nodes", at: node))
                return nil
            }
            try body(node)
            (place, link) = (following, after)
        }
        return link
    }

    private func link(
        at place: VirtualAddress, from: VirtualAddress, _ space: AddressSpace, _ anomaly: (Anomaly) throws -> Void
    ) throws -> UInt64? {
        do throws(MemoryFault) { return try space.word(place) } catch {
            let what = place == from ? "the chain's head at \(place)" : "the node that the link at \(from) leads to"
            try anomaly(
                Anomaly(
                    .unreadable, "\(what) cannot be read: \(error)", at: place, evidence: [Anomaly.word(from)]))
            return nil
        }
    }

    private func checkBack(
        _ node: VirtualAddress, _ from: VirtualAddress, _ space: AddressSpace, _ anomaly: (Anomaly) throws -> Void
    ) throws {
        guard let backOffset else { return }
        let place = node.advanced(by: backOffset)
        let back: VirtualAddress
        do throws(MemoryFault) { back = VirtualAddress(try space.word(place)) } catch {
            return try anomaly(
                Anomaly(.unreadable, "the back pointer of \(node) cannot be read: \(error)", at: node))
        }
        guard back != from else { return }
        try anomaly(
            Anomaly(
                .backLink, "the link at \(from) leads to \(node), which points back at \(back)", at: node,
                evidence: [Anomaly.word(from), Anomaly.word(place)]))
    }
}

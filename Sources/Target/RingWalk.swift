// Circular doubly-linked lists of any kernel, checked while they are walked.

package import Bytes
package import Memory

/// A ring of nodes that each hold a pointer to the next and one to the previous node. The head is a node too.
package struct RingWalk: Sendable {
    /// Offsets of the two pointers within a node, in bytes.
    package var next: UInt64 = 0
    package var previous: UInt64 = 8
    /// Link values that mark a removed node, with what each means.
    package var poisons: [(value: UInt64, meaning: String)] = []
    /// More than any ring of a healthy kernel.
    package var maximum = 4 << 20

    package init(next: UInt64 = 0, previous: UInt64 = 8) {
        self.next = next
        self.previous = previous
    }

    /// Calls `body` with the address of each node after `head`, in order, and `anomaly` with what is wrong. The nodes
    /// before a fault have been delivered; a wrong back-link does not end the walk, as the kernel itself would not
    /// notice it. Never longer than `maximum` nodes, and a ring that misses its head ends within three of its rounds.
    package func walk(
        _ head: VirtualAddress, in space: AddressSpace, anomaly: (Anomaly) throws -> Void,
        _ body: (VirtualAddress) throws -> Void
    ) throws {
        guard var current = try link(of: head, space, what: "the head", anomaly) else { return }
        var before = head
        // Brent's algorithm: remember a node, twice as far apart each time.
        var mark = head
        var (power, steps, sinceMark) = (1, 0, 0)
        while current != head {
            if let broken = broken(current, from: before) { return try anomaly(broken) }
            guard let following = try link(of: current, space, what: "the node after \(before)", anomaly) else {
                return
            }
            try checkBack(current, before, space, anomaly)
            if current == mark {
                return try anomaly(
                    Anomaly(
                        .cycle, "the list comes back to \(current) without meeting its head \(head)", at: current,
                        evidence: [word(before.advanced(by: next))]))
            }
            steps += 1
            sinceMark += 1
            if sinceMark == power {
                (mark, sinceMark) = (current, 0)
                power *= 2
            }
            guard steps <= maximum else {
                return try anomaly(Anomaly(.tooLong, "the list has more than \(maximum) nodes", at: current))
            }
            try body(current)
            (before, current) = (current, following)
        }
        try checkBack(head, before, space, anomaly)
    }

    private func word(_ address: VirtualAddress) -> Range<VirtualAddress> { Anomaly.word(address) }

    private func link(
        of node: VirtualAddress, _ space: AddressSpace, what: String, _ anomaly: (Anomaly) throws -> Void
    ) throws -> VirtualAddress? {
        do throws(MemoryFault) {
            return VirtualAddress(try space.word(node.advanced(by: next)))
        } catch {
            try anomaly(Anomaly(.unreadable, "\(what), at \(node), cannot be read: \(error)", at: node))
            return nil
        }
    }

    /// A link that leads to no node.
    private func broken(_ link: VirtualAddress, from node: VirtualAddress) -> Anomaly? {
        let evidence = [word(node.advanced(by: next))]
        if link.isNull { return Anomaly(.null, "\(node) links to NULL", at: node, evidence: evidence) }
        guard let poison = poisons.first(where: { $0.value == link.rawValue }) else { return nil }
        return Anomaly(.poison, "\(node) links to \(link): \(poison.meaning)", at: node, evidence: evidence)
    }

    private func checkBack(
        _ node: VirtualAddress, _ before: VirtualAddress, _ space: AddressSpace, _ anomaly: (Anomaly) throws -> Void
    ) throws {
        let place = node.advanced(by: previous)
        let back: VirtualAddress
        do throws(MemoryFault) { back = VirtualAddress(try space.word(place)) } catch {
            return try anomaly(
                Anomaly(.unreadable, "the back link of \(node) cannot be read: \(error)", at: node))
        }
        guard back != before else { return }
        try anomaly(
            Anomaly(
                .backLink, "\(before) links to \(node), which links back to \(back)", at: node,
                evidence: [word(before.advanced(by: next)), word(place)]))
    }
}

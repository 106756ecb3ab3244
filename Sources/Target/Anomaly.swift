// What is wrong with a structure of the target, as a walker saw it.

package import Bytes

/// Something wrong with a structure that was walked, with what a reader needs to see it himself.
package struct Anomaly: Sendable, Equatable, Error, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// A neighbour does not point back.
        case backLink
        /// The walk comes back to a node without having met its end.
        case cycle
        /// A link is NULL where the structure has none.
        case null
        /// A link holds a value that marks what was freed or removed.
        case poison
        /// A node cannot be read.
        case unreadable
        /// More nodes, or deeper, than any healthy structure is.
        case tooLong
        /// Counts, heights, colours, marks or an order that do not fit what is there.
        case shape
        /// Anything else; the sentence says what.
        case other
    }

    package let kind: Kind
    /// A sentence without its full stop.
    package let description: String
    /// The node at which it was seen.
    package let node: VirtualAddress
    /// The words that show it.
    package let evidence: [Range<VirtualAddress>]

    package init(_ kind: Kind, _ description: String, at node: VirtualAddress, evidence: [Range<VirtualAddress>] = []) {
        self.kind = kind
        self.description = description
        self.node = node
        self.evidence = evidence
    }

    /// An anomaly of no special kind.
    package init(_ description: String, at node: VirtualAddress) { self.init(.other, description, at: node) }
}

extension Anomaly {
    /// The word at an address, as evidence.
    package static func word(_ address: VirtualAddress) -> Range<VirtualAddress> {
        let end = address.advanced(by: UInt64(8))
        return end > address ? address..<end : address..<address
    }
}

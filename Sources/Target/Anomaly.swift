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
        /// More nodes than any healthy structure has.
        case tooLong
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
}

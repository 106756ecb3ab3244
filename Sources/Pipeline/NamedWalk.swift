// Walkers as users call them: `walk NAME`, `::walk NAME`.

package import Target

/// A way through a structure of the target, by name.
package protocol NamedWalk: SendableMetatype {
    /// "list", "rbtree", "task".
    static var name: String { get }
    /// Other names for it, such as mdb's.
    static var aliases: [String] { get }
    /// One line, without a full stop.
    static var summary: String { get }
    /// The C type of what it begins at ("struct list_head"), which chooses it when none is named; nil for a walk over
    /// all that the kernel has of something, which begins nowhere.
    static var root: String? { get }
    /// All types that choose it, for a walk that can begin at several; as a rule `root` alone.
    static var roots: [String] { get }
    /// The words that may follow the name ("[TYPE[.MEMBER]]"), empty for none.
    static var parameters: String { get }
    /// How many of the words behind the name are the walk's own; those after them are the expression of the root. What
    /// a word means may depend on what types the target has. As a rule none.
    static func ownWords(_ words: [String], _ target: Target) -> Int
    /// Emits elements and anomalies in order; see `Walker`. `root` is nil where the user gave none: then a walk that
    /// needs one throws `UsageError`. `words` are what stood behind the name. Throws what `emit` throws.
    static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void) throws
}

extension NamedWalk {
    package static var aliases: [String] { [] }
    package static var parameters: String { "" }
    package static var roots: [String] { root.map { [$0] } ?? [] }
    package static func ownWords(_ words: [String], _ target: Target) -> Int { 0 }
}

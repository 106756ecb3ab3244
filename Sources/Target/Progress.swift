// How far something long has come: told by whoever works, shown by whoever has a terminal.

/// Cheap enough to be told once for each megabyte or each thousandth thing. Copies tell the same listener, from any
/// thread.
package struct Progress: Sendable {
    /// What is being done, and how much of it.
    package struct State: Sendable, Equatable {
        /// A phrase: "searching memory".
        package let what: String
        package let done: UInt64
        /// Nil where nobody knows how much there is.
        package let total: UInt64?

        package init(what: String, done: UInt64 = 0, total: UInt64? = nil) {
            self.what = what
            self.done = done
            self.total = total
        }
    }

    private let listener: (@Sendable (State) -> Void)?

    /// Tells nobody.
    package static let none = Progress(listener: nil)

    private init(listener: (@Sendable (State) -> Void)?) { self.listener = listener }

    package init(_ listener: @escaping @Sendable (State) -> Void) { self.init(listener: listener) }

    package func report(_ what: String, _ done: UInt64 = 0, of total: UInt64? = nil) {
        listener?(State(what: what, done: done, total: total))
    }
}

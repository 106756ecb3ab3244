// The seam between what commands emit and what a user or a program reads.

package import Pipeline
package import Target

/// Where rendered text goes. Throws `Enough` when nobody reads any more.
package typealias Sink = (String) throws -> Void

/// Takes what one command line emits, then what was missing from it.
package protocol Renderer: AnyObject {
    func receive(_ datum: Datum) throws
    /// The line has ended. `gaps` is what could not be read, `count` how much that was: more than are listed, if they were
    /// too many to keep.
    func finish(gaps: [Gap], count: Int) throws
    /// The line failed, or the dump could not be opened (no line); says so in the form of the output, where that form is
    /// for programs.
    func fail(_ sentence: String, line: String?) throws
}

// The stack that a session looks at, for commands that know no operating system.

package import Bytes
internal import Target
package import Unwind

/// The frames of a task, as `bt` numbers them.
package protocol FocusFrames: Capability {
    /// The frames of a task, innermost first, one for each inlined function too, so that the position is the number
    /// that `bt` shows; without a task, of the one that the kernel itself offers. Throws when there is no stack.
    func frames(of task: VirtualAddress?) throws -> [Frame]
}

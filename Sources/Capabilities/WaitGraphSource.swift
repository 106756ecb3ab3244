// Who waits for whom, as a graph.

package import Target

/// A kernel that can say which threads wait for which locks, and who holds them.
package protocol WaitGraphSource: Capability {
    /// Threads and the objects that they wait for; what is part of a circle is guilty. Throws when the threads cannot be
    /// listed. Complexity: reads the stack of every sleeping thread.
    func waitGraph() throws -> Graph
}

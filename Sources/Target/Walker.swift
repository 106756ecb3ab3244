// Walkers say what comes next, and what is wrong with how it is linked.

/// What a walk yields.
package enum Step: Sendable {
    case element(Value)
    /// The walk may go on after it.
    case anomaly(Anomaly)
}

/// Thrown by whoever has seen enough; ends a walk and is no failure.
package struct EnoughSteps: Error, Sendable {
    package init() {}
}

/// A way through a structure of the target: a list, a tree, a table.
package protocol Walker: Sendable {
    /// What kind of value it begins at: "struct list_head", "struct rb_root". For messages and completion.
    static var input: String { get }
    /// Emits elements in order, and anomalies where they are seen; what was emitted before an anomaly stays true.
    /// Throws what `emit` throws, and what makes a walk impossible from the start.
    func walk(_ root: Value, _ emit: (Step) throws -> Void) throws
}

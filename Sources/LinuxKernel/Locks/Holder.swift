// Who makes a wait end.

package import Bytes
package import Target

/// Who has what is waited for, or has to do it, and how that is known.
package struct Holder: Sendable {
    package enum Relation: String, Sendable {
        /// Has the lock.
        case holds = "held by"
        /// Runs the work.
        case runs = "run by"
        /// Is seen to have to bring the event about; nobody owns events.
        case obliged = "expected of"
    }

    package let task: VirtualAddress
    package let relation: Relation
    /// The `task_struct` is no task's any more, or is another's now.
    package let isGone: Bool
    package let isShared: Bool
    package let grade: Graph.Grade
    /// A few words: "owner word".
    package let because: String
    /// Where the holder took it; nil when no function on its stack did.
    package let acquisition: Acquisition?
    /// Any one of those who are named is enough to end the wait, and nobody else can: it never ends only when none of them
    /// goes on.
    package let isOneOfAll: Bool

    init(
        task: VirtualAddress, relation: Relation = .holds, isGone: Bool = false, isShared: Bool = false,
        grade: Graph.Grade, because: String, acquisition: Acquisition? = nil, isOneOfAll: Bool = false
    ) {
        self.task = task
        self.relation = relation
        self.isGone = isGone
        self.isShared = isShared
        self.grade = grade
        self.because = because
        self.acquisition = acquisition
        self.isOneOfAll = isOneOfAll
    }

    /// The same with the place where it took it.
    func taken(_ acquisition: Acquisition?) -> Holder {
        Holder(
            task: task, relation: relation, isGone: isGone, isShared: isShared, grade: grade, because: because,
            acquisition: acquisition ?? self.acquisition, isOneOfAll: isOneOfAll)
    }

    /// The same of an owner that has exited, and whose structure was given to the task that is there now.
    var reused: Holder {
        Holder(
            task: task, relation: relation, isGone: true, isShared: isShared, grade: grade,
            because: "\(because), from before its task_struct was used again")
    }
}

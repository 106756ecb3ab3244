// Walkers say what comes next, and what is wrong with how it is linked.

internal import Bytes

/// What a walk yields.
package enum Step: Sendable {
    case element(Value)
    /// An element of a structure that numbers what it holds. A value that the structure itself holds, such as an entry
    /// that is a number, is in no memory of its own (`Place.immediate`).
    case indexed(StepIndex, Value)
    /// The walk may go on after it.
    case anomaly(Anomaly)

    /// The element, whether it has an index or not; nil for an anomaly.
    package var value: Value? {
        switch self {
        case .element(let value), .indexed(_, let value): value
        case .anomaly: nil
        }
    }

    package var index: StepIndex? {
        if case .indexed(let index, _) = self { index } else { nil }
    }
}

/// Under which number or numbers a structure holds an element.
package struct StepIndex: Sendable, Equatable, CustomStringConvertible {
    package let first: UInt64
    /// Equal to `first` but for an entry that covers several numbers.
    package let last: UInt64
    /// What the entry is when it is neither a pointer nor an object: "value", "zero entry".
    package let note: String?

    package init(_ first: UInt64, through last: UInt64? = nil, note: String? = nil) {
        self.first = first
        self.last = last ?? first
        self.note = note
    }

    /// "12", "12-15"; hexadecimal when it does not fit 32 bits, and for ranges of large numbers, which are addresses.
    package var description: String {
        func text(_ number: UInt64) -> String {
            last > UInt64(UInt32.max) || (first != last && last > 0xffff) ? "0x" + hex(number) : "\(number)"
        }
        return (first == last ? text(first) : "\(text(first))-\(text(last))") + (note.map { " (\($0))" } ?? "")
    }
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

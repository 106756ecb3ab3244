// What flows between two stages, for the check of a line before it runs.

/// Kinds of data. A record that tells about an object of the target counts as one wherever objects are taken, and both
/// count as numbers (their addresses) wherever numbers are.
package struct Flow: OptionSet, Sendable, Equatable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Values of the target, with their types.
    package static let objects = Flow(rawValue: 1)
    /// Records that tell about an object or an address.
    package static let subjects = Flow(rawValue: 2)
    /// Any other record.
    package static let records = Flow(rawValue: 4)
    package static let numbers = Flow(rawValue: 8)
    package static let text = Flow(rawValue: 16)
    package static let anything: Flow = [.objects, .subjects, .records, .numbers, .text]
    /// Whatever has or is an address.
    package static let addresses: Flow = [.objects, .subjects, .numbers]
    /// The stage hands on what it was given, or a choice of it.
    package static let same = Flow(rawValue: 32)
}

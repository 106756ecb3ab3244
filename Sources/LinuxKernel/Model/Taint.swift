// Taint flags (Documentation/admin-guide/tainted-kernels.rst): only macros in the kernel, so a table here.

package struct Taint: Sendable {
    /// By bit number: the letter, and what it means.
    private static let flags: [(letter: String, meaning: String)] = [
        ("P", "proprietary module"), ("F", "module loaded by force"), ("S", "CPU out of specification"),
        ("R", "module unloaded by force"), ("M", "machine check"), ("B", "bad page"), ("U", "set from user space"),
        ("D", "oops or BUG"), ("A", "ACPI table overridden"), ("W", "warning"), ("C", "staging driver"),
        ("I", "firmware workaround"), ("O", "out-of-tree module"), ("E", "unsigned module"), ("L", "soft lockup"),
        ("K", "live patch"), ("X", "distribution's own flag"), ("T", "built with randstruct"),
        ("N", "in-kernel test"), ("J", "user-space firmware mutation"),
    ]

    /// The letters of the bits that are set, in the order of the bits.
    package static func letters(_ bits: UInt64) -> String {
        flags.enumerated().filter { bits >> UInt64($0.offset) & 1 == 1 }.map(\.element.letter).joined()
    }

    /// The set bits in words.
    package static func meanings(_ bits: UInt64) -> [String] {
        flags.enumerated().filter { bits >> UInt64($0.offset) & 1 == 1 }.map(\.element.meaning)
    }
}

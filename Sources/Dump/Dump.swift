// A dump, open: its memory, and what it says of itself.

package import Bytes
package import Memory

package struct Dump: Sendable {
    /// The machine's memory. Decoded pages are cached; safe to share between threads.
    package let memory: any PhysicalMemory
    package let facts: Facts

    package init(memory: any PhysicalMemory, facts: Facts) {
        self.memory = memory
        self.facts = facts
    }
}

/// A way in which dumps are written. To add one: a file in Formats/, a line in Registry.swift, a writer in FixtureKit.
package protocol DumpFormat: Sendable {
    /// In the words of its makers: "ELF core".
    static var name: String { get }
    /// Whether a file that begins like this is of this format. Looks at the signature alone: `open` says what is wrong.
    static func matches(_ start: ByteSlice) -> Bool
    /// Opens what there is: a dump cut short opens with a remark in its facts. Throws when nothing can be read.
    static func open(_ files: DumpFiles, _ limits: Limits) throws(DumpError) -> Dump
}

/// Why a dump could not be opened: one sentence, with the file, the offset and what was expected there.
package struct DumpError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ fault: ParseFault) { description = fault.description }
    package init(_ error: FileError) { description = error.description }
    package init(_ file: String, _ problem: String) { description = "\(file): \(problem)" }
}

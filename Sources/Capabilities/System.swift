// What a kernel says of itself as a whole: its names, what it died of, what is loaded where.

package import Bytes

/// A few facts, each missing when it cannot be read.
package struct SystemSummary: Sendable {
    package var nodename: String?
    /// "6.12.0-1-amd64": what `uname -r` prints.
    package var release: String?
    /// The build's number and date.
    package var version: String?
    package var machine: String?
    /// "Linux".
    package var system: String
    /// What the kernel said when it died; nil when it did not.
    package var panicMessage: String?
    /// "all pages", "no zero, cache pages".
    package var content: String
    /// Nanoseconds of real time, and since boot.
    package var uptime: UInt64?
    package var dumpFormat: String
    /// What tells this build from all others, as hexadecimal digits; nil when the kernel has none.
    package var buildID: String?

    package init(system: String, content: String, dumpFormat: String) {
        self.system = system
        self.content = content
        self.dumpFormat = dumpFormat
    }
}

/// A named range of the kernel's virtual addresses.
package struct NamedRegion: Sendable, Equatable {
    package let name: String
    package let start: VirtualAddress
    /// Bytes.
    package let size: UInt64

    package init(name: String, start: VirtualAddress, size: UInt64) {
        self.name = name
        self.start = start
        self.size = size
    }
}

package protocol SystemSource: Capability {
    func summary() -> SystemSummary
    /// The kernel's image and its modules, the image first.
    func objects() -> [NamedRegion]
    /// What the kernel's virtual addresses are for, ascending.
    func regions() -> [NamedRegion]
}

// What a recognised kernel is, and what it may offer to those who ask.

package import Bytes
package import Memory
package import Target

/// How sure a kernel is that a dump is its own.
package enum Recognition: Sendable, Equatable {
    /// Not this kernel; the text says what is missing.
    case no(String)
    /// Possibly; tried when nobody is sure.
    case maybe(String)
    /// Certainly; the text is the evidence.
    case yes(String)
}

/// Something that a kernel can offer. Each is a protocol of its own; who needs one asks for it.
package protocol Capability: Sendable {}

/// One operating system's kernel in one dump.
package protocol Kernel: Sendable {
    static func recognise(_ specimen: Specimen) -> Recognition
    init(opening specimen: Specimen, journal: Journal) throws
    var target: Target { get }
    var capabilities: [any Capability] { get }
}

extension Kernel {
    /// The first capability of a kind; nil when this kernel cannot offer it.
    package func capability<T>(_ kind: T.Type) -> T? {
        for capability in capabilities {
            if let match = capability as? T { return match }
        }
        return nil
    }
}

/// Says what an address is, beyond what symbols say: the stack of a task, an object of a slab, a page.
package protocol AddressIdentifier: Capability {
    /// Everything known of `address`, the most specific first.
    func identify(_ address: VirtualAddress) -> [Identification]
}

/// One thing that an address is.
package struct Identification: Sendable {
    /// "symbol", "per-CPU variable", "stack", "slab object", "page", "module text".
    package let kind: String
    /// A sentence without its full stop: "the stack of task 45 (ruby), 312 bytes below its top".
    package let text: String
    /// Fields for JSON, in order.
    package let details: [(name: String, value: String)]

    package init(kind: String, text: String, details: [(name: String, value: String)] = []) {
        self.kind = kind
        self.text = text
        self.details = details
    }
}

/// The memory of one process, for commands that read user addresses.
package protocol UserMemorySource: Capability {
    /// The address space of the task with that pid; throws when there is none or it is a kernel thread.
    func userSpace(pid: Int) throws -> AddressSpace
}

/// Turns a virtual address of the kernel into physical ones step by step, and back.
package protocol TranslationSource: Capability {
    /// The page tables to walk for `pid`, or the kernel's own.
    func walk(_ address: VirtualAddress, pid: Int?) throws -> TranslationWalk
    /// Every kernel virtual address at which a physical one is mapped, the direct map's first.
    func aliases(of address: PhysicalAddress) -> [VirtualAddress]
}

/// What a page-table walk saw, ready to be shown.
package struct TranslationWalk: Sendable {
    package struct Step: Sendable {
        package let table: String
        package let entryAddress: PhysicalAddress
        package let entry: UInt64
        package let flags: [String]

        package init(table: String, entryAddress: PhysicalAddress, entry: UInt64, flags: [String]) {
            self.table = table
            self.entryAddress = entryAddress
            self.entry = entry
            self.flags = flags
        }
    }
    package let steps: [Step]
    package let result: Result<PhysicalExtent, MemoryFault>

    package init(steps: [Step], result: Result<PhysicalExtent, MemoryFault>) {
        self.steps = steps
        self.result = result
    }
}

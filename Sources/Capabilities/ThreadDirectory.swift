// Threads and CPUs as every kernel has them, for commands and dialects that know no operating system.

package import Bytes
package import Target
package import Unwind

/// Lists the threads of a kernel, and unwinds their stacks.
package protocol ThreadDirectory: Capability {
    /// Every thread; enumerated once. Throws when not even the enumeration can be begun.
    func threads() throws -> ThreadList
    /// The stack of the thread whose structure is at `address`, idle threads included. Throws when it has none, when
    /// nothing says where it begins, or when no such thread is known.
    func stack(of address: VirtualAddress) throws -> ThreadStack
}

/// The threads of a kernel.
package struct ThreadList: Sendable {
    /// Ascending by id; without the CPUs' idle threads.
    package let threads: [KernelThread]
    /// The CPUs' idle threads.
    package let idle: [KernelThread]
    package let processors: [Processor]
    /// The thread that a debugger would begin with: the one that panicked, else the one on the first CPU.
    package let offered: VirtualAddress?
    /// What is wrong with the enumeration, a sentence each.
    package let remarks: [String]

    package init(
        threads: [KernelThread], idle: [KernelThread], processors: [Processor], offered: VirtualAddress?,
        remarks: [String]
    ) {
        self.threads = threads
        self.idle = idle
        self.processors = processors
        self.offered = offered
        self.remarks = remarks
    }
}

/// One thread. What could not be read is nil, and among the gaps.
package struct KernelThread: Sendable {
    /// Its structure: a `task_struct`, a `struct thread`.
    package let address: VirtualAddress
    package var id: Int?
    /// The process that it belongs to.
    package var process: Int?
    package var parent: Int?
    /// The process group, and the real user.
    package var group: Int?
    package var user: Int?
    package var name: String?
    /// One letter, as Linux's /proc prints it: R S D T t X Z P I.
    package var state: String?
    /// The CPU it runs on, or ran on last.
    package var processor: Int?
    package var isOnProcessor = false
    package var isOfKernel: Bool?
    /// Its kernel stack; nil when it has none any more.
    package var stack: Range<VirtualAddress>?
    /// The structure of its address space; nil for a thread of the kernel.
    package var space: VirtualAddress?
    package var gaps: [Gap] = []

    package init(address: VirtualAddress) { self.address = address }
}

/// One CPU.
package struct Processor: Sendable {
    package let number: Int
    /// The threads' structures; nil when unreadable.
    package let current: VirtualAddress?
    package let idle: VirtualAddress?
    /// What is added to a per-CPU variable's address.
    package let perCPUOffset: UInt64?
    package let isOnline: Bool

    package init(
        number: Int, current: VirtualAddress?, idle: VirtualAddress?, perCPUOffset: UInt64?, isOnline: Bool
    ) {
        self.number = number
        self.current = current
        self.idle = idle
        self.perCPUOffset = perCPUOffset
        self.isOnline = isOnline
    }
}

/// A stack, and where its thread waits.
package struct ThreadStack: Sendable {
    package let stack: Stack
    /// The address at which the first function that is no part of the scheduler goes on; nil when there is none.
    package let waitsAt: VirtualAddress?
    package let remarks: [String]

    package init(stack: Stack, waitsAt: VirtualAddress?, remarks: [String]) {
        self.stack = stack
        self.waitsAt = waitsAt
        self.remarks = remarks
    }
}

// The threads that run or ran: the registers of CPUs, the stacks of threads.

package import Bytes
internal import Target
package import Unwind

/// A CPU at the moment of the dump.
package struct CPUSnapshot: Sendable {
    package let number: Int
    /// The structure of the thread on it.
    package let thread: VirtualAddress
    /// Registers by name, in the order in which they are shown; empty when the dump has none of this CPU.
    package let registers: [(name: String, value: UInt64)]
    /// It ran user code; nil when unknown.
    package let isUserMode: Bool?

    package init(
        number: Int, thread: VirtualAddress, registers: [(name: String, value: UInt64)], isUserMode: Bool?
    ) {
        self.number = number
        self.thread = thread
        self.registers = registers
        self.isUserMode = isUserMode
    }
}

/// Threads and the CPUs that run them.
package protocol ThreadSource: Capability {
    /// The thread that a debugger looks at first: the one that panicked, else the one on the first CPU.
    var representative: VirtualAddress? { get }
    /// In ascending order of their numbers.
    func cpus() -> [CPUSnapshot]
    /// The stack of a thread by the address of its structure. Throws when its start cannot be read.
    func stack(of thread: VirtualAddress) throws -> Stack
}

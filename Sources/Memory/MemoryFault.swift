// Why a byte of the target cannot be had. Absent, filtered, corrupt and unsupported are different facts.

package import Bytes

package enum MemoryFault: Error, Sendable, Equatable {
    /// Why the dump has no bytes for an address of physical memory.
    package enum Reason: Sendable, Equatable {
        /// The machine had memory there; the dump tool left the page out (zero, cache, user or free pages).
        case filtered
        /// The dump says nothing of memory at this address: a hole, or a device.
        case hole
        /// The dump should have the page, and ends before it.
        case truncated
        /// The page is there and cannot be decoded; the text says why.
        case undecodable(String)
        /// The file changed under us.
        case changed
    }

    case notSaved(PhysicalAddress, Reason)
    /// The page tables map nothing there. `level` is the level of the table whose entry ended the walk (1 = page
    /// table), `entry` what it holds.
    case unmapped(VirtualAddress, level: Int, entry: UInt64)
    /// Not an address that the machine can translate at all.
    case nonCanonical(VirtualAddress)
    /// The page of a process that was swapped out, or is not yet or no longer in memory.
    case swapped(VirtualAddress, entry: UInt64)
    /// Asked for more bytes than we read in one piece.
    case tooLarge(VirtualAddress, count: UInt64)
}

extension MemoryFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notSaved(let address, let reason):
            switch reason {
            case .filtered: "the page of physical address \(address) was left out of the dump"
            case .hole: "the dump has no memory at physical address \(address)"
            case .truncated: "the dump ends before the page of physical address \(address)"
            case .undecodable(let why): "the page of physical address \(address) cannot be decoded: \(why)"
            case .changed: "the dump changed while the page of physical address \(address) was read"
            }
        case .unmapped(let address, let level, let entry):
            "\(address) is not mapped: the level \(level) entry is 0x\(hex(entry))"
        case .nonCanonical(let address): "\(address) is not a canonical address"
        case .swapped(let address, let entry): "\(address) is not in memory: its entry is 0x\(hex(entry))"
        case .tooLarge(let address, let count): "\(count) bytes at \(address) are more than is read at once"
        }
    }
}

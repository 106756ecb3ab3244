// A lock as its own words tell: its state, who has it, how many read.

package import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Who has a lock, as far as the lock says.
package enum LockOwner: Sendable, Equatable {
    /// A task: the owner word names it.
    case task(VirtualAddress)
    /// The word names something that is no task any more.
    case gone(VirtualAddress)
    /// Readers, of which the lock has no list.
    case readers(UInt64)
    /// Nobody.
    case free
    /// This kind of lock does not say.
    case unknown
}

/// A lock.
package struct Lock: Sendable {
    package let lockClass: LockClass
    package let address: VirtualAddress
    package let owner: LockOwner
    /// The word that says so, with the expression that prints it; nil where there is none.
    package let word: (expression: String, value: UInt64)?
    /// In words: "held for writing", "read by 4".
    package let state: String

    /// Reads a lock. What cannot be read leaves the owner unknown.
    init(_ lockClass: LockClass, _ address: VirtualAddress, _ kernel: LinuxKernel, isTask: (VirtualAddress) -> Bool) {
        self.lockClass = lockClass
        self.address = address
        let model = kernel.model
        func word(_ path: String...) -> UInt64? {
            guard let type = lockClass.typeName, var value = try? model.object(.structure, type, at: address) else {
                return nil
            }
            for member in path {
                guard let inner = try? value.member(member) else { return nil }
                value = inner
            }
            return try? value.unsigned()
        }
        func expression(_ path: String) -> String {
            "print -x ((struct \(lockClass.typeName ?? "")*)0x\(hex(address.rawValue)))->\(path)"
        }
        func named(_ task: UInt64) -> LockOwner {
            isTask(VirtualAddress(task)) ? .task(VirtualAddress(task)) : .gone(VirtualAddress(task))
        }
        var owner = LockOwner.unknown
        var shown: (expression: String, value: UInt64)?
        var state = "its holder is not recorded"
        switch lockClass {
        case .mutex:
            if let value = word("owner", "counter") {
                shown = (expression("owner.counter"), value)
                // MUTEX_FLAGS is 7 (kernel/locking/mutex.h).
                owner = value & ~7 == 0 ? .free : named(value & ~7)
                state = value & ~7 == 0 ? "free" : "held"
            }
        case .rwsem:
            if let count = word("count", "counter"), let holder = word("owner", "counter") {
                // RWSEM_WRITER_LOCKED is 1, readers count from bit 8 to 62 (kernel/locking/rwsem.c, 5.3).
                let readers = (count & 0x7fff_ffff_ffff_ffff) >> 8
                if count & 1 != 0 {
                    owner = holder & ~7 == 0 ? .unknown : named(holder & ~7)
                    shown = (expression("owner.counter"), holder)
                    state = "held for writing"
                } else if readers > 0 {
                    owner = .readers(readers)
                    shown = (expression("count.counter"), count)
                    state = "read by \(readers)"
                } else {
                    owner = .free
                    shown = (expression("count.counter"), count)
                    state = "free"
                }
            }
        case .rtMutex:
            if let value = word("owner") {
                shown = (expression("owner"), value)
                owner = value & ~1 == 0 ? .free : named(value & ~1)
                state = value & ~1 == 0 ? "free" : "held"
            }
        case .semaphore:
            if let count = word("count") {
                shown = (expression("count"), count)
                state = "count \(count)"
            }
            // `last_holder` since 6.16.
            if let last = word("last_holder"), last & ~3 != 0 { owner = named(last & ~3) }
        default: break
        }
        self.owner = owner
        self.word = shown
        self.state = state
    }
}

// A lock as its own words tell: its state, who has it, how many read.

package import Bytes
internal import Target

/// Who has a lock, as far as the lock says.
package enum LockOwner: Sendable, Equatable {
    /// A task: the owner word names it.
    case task(VirtualAddress)
    /// A task, which may have given it back since.
    case last(VirtualAddress)
    /// The word names something that is no task any more.
    case gone(VirtualAddress)
    /// Readers, of which the lock has no list.
    case readers(UInt64)
    /// Somebody; the lock does not say who.
    case somebody
    /// Nobody.
    case free
    /// This kind of lock does not say whether it is held.
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
        let typeName = lockClass.typeName(in: kernel)
        let state = withoutActuallyEscaping(isTask) { isTask in
            lockClass.read(
                LockFields(kernel: kernel, typeName: typeName, address: address, isTask: isTask))
        }
        owner = state.owner
        word = state.word.map { word in
            ("print -x ((struct \(typeName ?? "")*)0x\(hex(address.rawValue)))->\(word.path)", word.value)
        }
        self.state = state.text
    }
}

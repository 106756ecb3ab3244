// A lock as its own words tell: its state, who has it, how many read.

package import Bytes
internal import DebugModel
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
    /// Where that word lies.
    package let reads: [Range<VirtualAddress>]
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
        reads =
            state.word.map { word in
                kernel.model.range(of: word.path, in: lockClass.typeName ?? "", at: address)
            } ?? []
        self.state = state.text
    }
}

extension Target {
    /// The bytes of a member of the structure at `address`; empty when there is none of that name.
    func range(of path: String, in type: String, at address: VirtualAddress) -> [Range<VirtualAddress>] {
        guard var value = try? object(.structure, type, at: address) else { return [] }
        for member in path.split(separator: ".") {
            guard let inner = try? value.member(String(member)) else { return [] }
            value = inner
        }
        guard let start = try? value.address, let size = try? value.bytes().count else { return [] }
        return [start..<start.advanced(by: UInt64(size))]
    }
}

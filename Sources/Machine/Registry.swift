// The architectures that are known, by their number in ELF headers.

package enum Machines {
    /// The machine of an ELF `e_machine`, or nil when it is not supported.
    package static func machine(elf number: UInt16) -> (any Machine)? {
        switch number {
        case 62: X86_64()
        case 183: ARM64()
        default: nil
        }
    }
}

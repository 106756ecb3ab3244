// A segment: a row of the program header table.

internal import Bytes

/// `Elf32_Phdr` or `Elf64_Phdr` (ELF specification, "Program Header").
package struct Segment: Sendable, Equatable {
    /// `p_type`: 1 LOAD, 4 NOTE.
    package let type: UInt32
    package let flags: UInt32
    package let offset: UInt64
    package let virtualAddress: UInt64
    package let physicalAddress: UInt64
    package let fileSize: UInt64
    package let memorySize: UInt64

    package static let load: UInt32 = 1
    package static let note: UInt32 = 4

    init(_ cursor: inout Cursor, is64: Bool) throws(ParseFault) {
        let word = is64 ? 8 : 4
        type = try cursor.u32("p_type")
        // The flags stand second in a 64-bit header and seventh in a 32-bit one.
        var flags: UInt32 = 0
        if is64 { flags = try cursor.u32("p_flags") }
        offset = try cursor.unsigned(size: word, "p_offset")
        virtualAddress = try cursor.unsigned(size: word, "p_vaddr")
        physicalAddress = try cursor.unsigned(size: word, "p_paddr")
        fileSize = try cursor.unsigned(size: word, "p_filesz")
        memorySize = try cursor.unsigned(size: word, "p_memsz")
        if !is64 { flags = try cursor.u32("p_flags") }
        self.flags = flags
    }
}

// What a dump says of itself, undecoded: a kernel and a machine make sense of it.

package import Bytes

/// A note as the dump carries it.
package struct RawNote: Sendable {
    /// Without the NUL: "CORE", "QEMU", "VMCOREINFO".
    package let name: String
    package let type: UInt32
    package let description: ByteSlice

    package init(name: String, type: UInt32, description: ByteSlice) {
        self.name = name
        self.type = type
        self.description = description
    }
}

/// All that a dump says beside its memory.
package struct Facts: Sendable {
    /// The format in the words of its makers: "ELF core", "kdump-compressed (version 6)", "flattened kdump".
    package var format: String
    /// The files that make it up, as they were named.
    package var files: [String] = []
    /// `e_machine` of the ELF specification: 62 x86-64, 183 AArch64. Nil when the format does not say.
    package var machine: UInt16?
    package var byteOrder: ByteOrder = .little
    /// Every note, in the order of the file.
    package var notes: [RawNote] = []
    /// The text of VMCOREINFO, when the dump carries it.
    package var vmcoreinfo: ByteSlice?
    /// `struct utsname` of a kdump header, the fields in their order; blank fields are empty.
    package var utsname: [String] = []
    /// When the dump was taken, in seconds since 1970; nil when the format does not say.
    package var dumpTime: UInt64?
    /// makedumpfile's level: 1 zero, 2 cache, 4 private cache, 8 user, 16 free pages left out. Nil when unknown.
    package var dumpLevel: UInt32?
    /// How the pages are stored: "zlib", "lzo", "none", ... each once.
    package var compression: [String] = []
    /// The physical address of the kernel image's start less its link address, as the header says. A hint: QEMU gets it wrong.
    package var physicalBase: UInt64?
    package var cpuCount: Int?
    /// What is wrong with the dump as a whole, one sentence each: truncated, parts missing, marked incomplete.
    package var remarks: [String] = []

    package init(format: String) { self.format = format }
}

// Every limit on what we accept from input, each with its reason.

/// What hostile or broken input may cost at most. Immutable; passed down, so that a test can tighten it.
package struct Limits: Sendable {
    /// A compressed section, inflated. The largest seen is 174 MB (`.debug_info` of a Debian vmlinux).
    package var sectionBytes: UInt64 = 4 << 30
    /// One page of a dump, decoded. makedumpfile's block size is the page size; 64 KiB on some machines.
    package var pageBytes: Int = 1 << 20
    /// One page bitmap of a kdump: 2^35 pages, which is 128 TiB of memory in pages of 4 KiB.
    package var pageMapBytes: UInt64 = 1 << 32
    /// Records of a flattened dump. makedumpfile and QEMU write 64 KiB and more at once: 1 TiB.
    package var flatRecords: Int = 16 << 20
    /// The headers and notes of an ELF core, read in one piece: thousands of segments and CPUs take some MB.
    package var headerBytes: UInt64 = 256 << 20
    /// Sections, segments, notes of one ELF file. PN_XNUM allows 2^32; 1 TiB dumps have some thousands.
    package var elfEntries: UInt64 = 4 << 20
    /// Nesting of DIEs, of types inside types, of expressions.
    package var nesting: Int = 512
    /// Elements of one list, tree or table in the target: more than any kernel has, few enough to end.
    package var elements: Int = 64 << 20
    /// Bytes that one string of the target may have.
    package var stringBytes: Int = 64 << 10

    package init() {}
}

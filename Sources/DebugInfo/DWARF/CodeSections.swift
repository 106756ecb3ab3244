// The sections that the code side of DWARF reads.

package import Bytes
package import ELF

/// Where code, names and lines are described: one file's sections, relocated where the file is a module's.
package struct CodeSections: Sendable {
    package let info: ByteSlice
    package let abbreviations: ByteSlice
    package let strings: ByteSlice
    package let lineStrings: ByteSlice
    package let stringOffsets: ByteSlice
    package let lines: ByteSlice
    package let aranges: ByteSlice
    package let lists: RangeLists
    package let order: ByteOrder
    /// `.debug_str` of the common file that dwz made.
    private(set) var commonStrings: ByteSlice = .empty

    func sharing(_ strings: ByteSlice?) -> CodeSections {
        var copy = self
        copy.commonStrings = strings ?? .empty
        return copy
    }

    /// Reads them from a file; a section that is absent is empty, one that is damaged throws.
    package init(_ elf: ELFFile, relocator: Relocator) throws(ParseFault) {
        func contents(_ name: String) throws(ParseFault) -> ByteSlice { try relocator.contents(name) ?? .empty }
        info = try contents(".debug_info")
        abbreviations = try contents(".debug_abbrev")
        strings = try contents(".debug_str")
        lineStrings = try contents(".debug_line_str")
        stringOffsets = try contents(".debug_str_offsets")
        lines = try contents(".debug_line")
        aranges = try contents(".debug_aranges")
        lists = RangeLists(
            ranges: try contents(".debug_ranges"), rnglists: try contents(".debug_rnglists"),
            addresses: try contents(".debug_addr"), order: elf.order)
        order = elf.order
    }

    /// From bytes at hand: for tests and fuzzing.
    package init(
        info: ByteSlice, abbreviations: ByteSlice, strings: ByteSlice = .empty, lineStrings: ByteSlice = .empty,
        stringOffsets: ByteSlice = .empty, lines: ByteSlice = .empty, aranges: ByteSlice = .empty,
        ranges: ByteSlice = .empty, rnglists: ByteSlice = .empty, addresses: ByteSlice = .empty,
        order: ByteOrder = .little
    ) {
        self.info = info
        self.abbreviations = abbreviations
        self.strings = strings
        self.lineStrings = lineStrings
        self.stringOffsets = stringOffsets
        self.lines = lines
        self.aranges = aranges
        lists = RangeLists(ranges: ranges, rnglists: rnglists, addresses: addresses, order: order)
        self.order = order
    }
}

// An ELF file of either width and byte order: header, sections, segments. Width and order are settled at open.

package import Bytes

/// The class, order and kind of an ELF file, and where its tables are (ELF specification, "ELF Header").
package struct ELFFile: Sendable {
    package let bytes: ByteSlice
    package let order: ByteOrder
    package let is64: Bool
    /// `e_type`: 1 relocatable, 2 executable, 3 shared, 4 core.
    package let type: UInt16
    /// `e_machine`: 62 x86-64, 183 AArch64.
    package let machine: UInt16
    package let entry: UInt64
    /// In the order of the section header table; index 0 is the null section. Empty when the table cannot be read.
    package let sections: [Section]
    package let segments: [Segment]
    /// What was left out and why: a table that lies outside the file, an entry cut off.
    package let remarks: [ParseFault]
    /// The offset of the end of the program headers, and of section 0 that may count them, as the header promises
    /// them; nil when it is beyond 2^64.
    package let tablesEnd: UInt64?

    package static let relocatable: UInt16 = 1
    package static let core: UInt16 = 4

    /// Whether `bytes` begin like an ELF file.
    package static func matches(_ bytes: ByteSlice) -> Bool { bytes.hasBytes([0x7f, 0x45, 0x4c, 0x46]) }

    /// Reads the header and both tables. A damaged header throws; a damaged table is left out with a remark, so
    /// that a truncated core still opens.
    package init(_ bytes: ByteSlice, limits: Limits = Limits()) throws(ParseFault) {
        var cursor = Cursor(bytes)
        guard Self.matches(bytes) else { throw cursor.fault("ELF magic", .invalid("not an ELF file")) }
        try cursor.skip(4, "ELF magic")
        let elfClass = try cursor.u8("EI_CLASS")
        let data = try cursor.u8("EI_DATA")
        guard elfClass == 1 || elfClass == 2 else {
            throw cursor.fault("EI_CLASS", .invalid("class \(elfClass)"), back: 2)
        }
        guard data == 1 || data == 2 else { throw cursor.fault("EI_DATA", .invalid("data encoding \(data)"), back: 1) }
        is64 = elfClass == 2
        order = data == 1 ? .little : .big
        let header = try ELFHeader(bytes, is64: is64, order: order)
        self.bytes = bytes
        type = header.type
        machine = header.machine
        entry = header.entry
        var remarks: [ParseFault] = []
        let zero = header.firstSection(bytes)
        tablesEnd = header.tablesEnd(zero)
        sections = header.sections(bytes, zero: zero, limits: limits, &remarks)
        segments = header.segments(bytes, zero: zero, limits: limits, &remarks)
        self.remarks = remarks
    }

    /// The first section of that name; nil when there is none.
    package func section(_ name: String) -> Section? { sections.first { $0.name == name } }
}

/// The raw fields of the ELF header.
struct ELFHeader {
    let is64: Bool
    let order: ByteOrder
    let type: UInt16
    let machine: UInt16
    let entry: UInt64
    let segmentOffset: UInt64
    let sectionOffset: UInt64
    let segmentSize: UInt16
    let segmentCount: UInt16
    let sectionSize: UInt16
    let sectionCount: UInt16
    let nameIndex: UInt16

    init(_ bytes: ByteSlice, is64: Bool, order: ByteOrder) throws(ParseFault) {
        var cursor = Cursor(bytes, order: order, at: 16)
        let word = is64 ? 8 : 4
        self.is64 = is64
        self.order = order
        type = try cursor.u16("e_type")
        machine = try cursor.u16("e_machine")
        _ = try cursor.u32("e_version")
        entry = try cursor.unsigned(size: word, "e_entry")
        segmentOffset = try cursor.unsigned(size: word, "e_phoff")
        sectionOffset = try cursor.unsigned(size: word, "e_shoff")
        _ = try cursor.u32("e_flags")
        // e_ehsize is not used: QEMU 7.2 writes 8 into it.
        _ = try cursor.u16("e_ehsize")
        segmentSize = try cursor.u16("e_phentsize")
        segmentCount = try cursor.u16("e_phnum")
        sectionSize = try cursor.u16("e_shentsize")
        sectionCount = try cursor.u16("e_shnum")
        nameIndex = try cursor.u16("e_shstrndx")
    }

    /// Section 0, which holds the counts that do not fit in the header (PN_XNUM, e_shnum 0, SHN_XINDEX).
    func firstSection(_ bytes: ByteSlice) -> RawSection? {
        guard sectionOffset != 0 else { return nil }
        var cursor = Cursor(bytes.clamped(sectionOffset, UInt64(sectionSize)), order: order)
        return try? RawSection(&cursor, is64: is64)
    }

    func tablesEnd(_ zero: RawSection?) -> UInt64? {
        let size = UInt64(segmentCount(zero)).multipliedReportingOverflow(by: UInt64(segmentSize))
        let segments = segmentOffset.addingReportingOverflow(size.partialValue)
        let first = sectionOffset.addingReportingOverflow(sectionOffset == 0 ? 0 : UInt64(sectionSize))
        guard !size.overflow, !segments.overflow, !first.overflow else { return nil }
        return max(segments.partialValue, first.partialValue)
    }

    /// PN_XNUM says that section 0 has the count, in `sh_info`.
    private func segmentCount(_ zero: RawSection?) -> UInt64 {
        segmentCount == 0xffff ? UInt64(zero?.info ?? 0xffff) : UInt64(segmentCount)
    }

    func segments(
        _ bytes: ByteSlice, zero: RawSection?, limits: Limits, _ remarks: inout [ParseFault]
    ) -> [Segment] {
        let count = segmentCount(zero)
        guard count > 0, segmentSize >= (is64 ? 56 : 32) else { return [] }
        guard count <= limits.elfEntries else {
            remarks.append(ParseFault("e_phnum", in: bytes.name, at: 56, .limit("\(count) segments")))
            return []
        }
        var result: [Segment] = []
        result.reserveCapacity(Int(min(count, UInt64(bytes.count) / UInt64(segmentSize) + 1)))
        for index in 0..<count {
            do throws(ParseFault) {
                let at = segmentOffset.addingReportingOverflow(index &* UInt64(segmentSize))
                let entry = try bytes.sub(
                    at.overflow ? .max : at.partialValue, UInt64(segmentSize), "program header")
                var cursor = Cursor(entry, order: order)
                result.append(try Segment(&cursor, is64: is64))
            } catch {
                remarks.append(error)
                break
            }
        }
        return result
    }

    func sections(
        _ bytes: ByteSlice, zero: RawSection?, limits: Limits, _ remarks: inout [ParseFault]
    ) -> [Section] {
        guard sectionOffset != 0, sectionSize >= (is64 ? 64 : 40) else { return [] }
        let count = sectionCount == 0 ? zero?.size ?? 0 : UInt64(sectionCount)
        guard count <= limits.elfEntries else {
            remarks.append(ParseFault("e_shnum", in: bytes.name, at: 60, .limit("\(count) sections")))
            return []
        }
        var raw: [RawSection] = []
        for index in 0..<count {
            do throws(ParseFault) {
                let at = sectionOffset.addingReportingOverflow(index &* UInt64(sectionSize))
                let entry = try bytes.sub(at.overflow ? .max : at.partialValue, UInt64(sectionSize), "section header")
                var cursor = Cursor(entry, order: order)
                raw.append(try RawSection(&cursor, is64: is64))
            } catch {
                remarks.append(error)
                break
            }
        }
        let names = Int(nameIndex == 0xffff ? zero?.link ?? 0 : UInt32(nameIndex))
        let table = names < raw.count ? bytes.clamped(raw[names].offset, raw[names].size) : .empty
        return raw.enumerated().map { Section($0.element, index: $0.offset, names: table, file: bytes, elf: self) }
    }
}

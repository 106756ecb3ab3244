// Applies the relocations of a relocatable file (a module's .ko) to a copy of a section.

package import Bytes
package import ELF

/// Sections of one ELF file as they are in the running kernel.
///
/// Only ET_REL files are relocated: in an executable (`vmlinux` linked with --emit-relocs carries 270 MB of
/// `.rela.debug_info`) the values are final.
package struct Relocator: Sendable {
    private let elf: ELFFile
    /// The value of each symbol of the table: what S is in the psABI's formulas.
    private let values: [UInt64]
    private let symbolTable: Int
    private let addresses: [UInt64]

    /// `sections` says where each section is in the running kernel; those it does not name lie at 0, which leaves
    /// offsets into debug sections as they are, and gives code that was never loaded (or freed) addresses that no
    /// kernel uses.
    package init(_ elf: ELFFile, sections: [String: VirtualAddress]) throws(ParseFault) {
        self.elf = elf
        guard elf.type == ELFFile.relocatable else {
            addresses = elf.sections.map(\.address)
            values = []
            symbolTable = 0
            return
        }
        let addresses = elf.sections.map { section in
            section.flags & Section.alloc != 0 ? sections[section.name]?.rawValue ?? 0 : 0
        }
        self.addresses = addresses
        symbolTable = elf.sections.firstIndex { $0.type == Section.symtab } ?? 0
        guard let table = try elf.symbols() else {
            values = []
            return
        }
        values = (0..<table.count).map { index in
            guard let symbol = table[index], symbol.section != ELFSymbol.undefined else { return 0 }
            let section = Int(symbol.section)
            return symbol.value &+ (section < addresses.count ? addresses[section] : 0)
        }
    }

    /// Where a section begins in the running kernel; 0 for one that is not there.
    package func address(of section: Section) -> UInt64 {
        section.index < addresses.count ? addresses[section.index] : 0
    }

    /// The contents of the first section of that name, with its relocations applied; nil when there is none.
    /// Complexity: linear in the section and its relocations (309 000 of a large module: see RelocationTests).
    package func contents(_ name: String, limits: Limits = Limits()) throws(ParseFault) -> ByteSlice? {
        guard let section = elf.section(name) ?? elf.section(".z" + name.dropFirst()) else { return nil }
        return try contents(of: section, limits: limits)
    }

    package func contents(of section: Section, limits: Limits = Limits()) throws(ParseFault) -> ByteSlice {
        var bytes = try section.contents(limits: limits)
        guard elf.type == ELFFile.relocatable else { return bytes }
        let tables = elf.sections.filter {
            Int($0.info) == section.index && section.index > 0 && ($0.type == Section.rela || $0.type == 9)
        }
        for table in tables {
            guard table.type == Section.rela else {
                throw Cursor(bytes).fault("relocations of \(section.name)", .unsupported("SHT_REL"))
            }
            guard Int(table.link) == symbolTable else {
                throw Cursor(bytes).fault("relocations of \(section.name)", .invalid("symbols of another table"))
            }
            bytes = try apply(try table.contents(limits: limits), to: bytes, at: address(of: section))
        }
        return bytes
    }

    private func apply(
        _ table: ByteSlice, to original: ByteSlice, at base: UInt64
    ) throws(ParseFault) -> ByteSlice {
        let size = elf.is64 ? 24 : 12
        var problem: (row: Int, text: String)?
        let storage = ByteStorage(name: original.name, count: original.count) { output in
            original.withBytes { Self.copy($0, to: &output) }
            problem = table.withBytes { rows in
                for row in 0..<rows.byteCount / size {
                    if let text = applyOne(rows, row &* size, &output, base) { return (row, text) }
                }
                return nil
            }
            return original.count
        }
        if let problem {
            throw Cursor(table, at: problem.row * size).fault("relocation", .invalid(problem.text))
        }
        guard original.isIntact, table.isIntact else { throw Cursor(original).fault("relocation", .changed) }
        return ByteSlice(storage)
    }

    private static func copy(_ source: borrowing RawSpan, to target: inout MutableRawSpan) {
        let count = min(source.byteCount, target.byteCount)
        var at = 0
        while at <= count &- 8 {
            target.storeBytes(
                of: source.little(at, as: UInt64.self)?.littleEndian ?? 0, toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        while at < count {
            target.storeBytes(of: source.u8(at), toByteOffset: at, as: UInt8.self)
            at &+= 1
        }
    }

    /// What is wrong with one relocation; nil when it was applied.
    @inline(__always)
    private func applyOne(
        _ rows: borrowing RawSpan, _ at: Int, _ output: inout MutableRawSpan, _ base: UInt64
    ) -> String? {
        let place: UInt64
        let type: UInt32
        let symbol: Int
        let addend: UInt64
        if elf.is64 {
            guard let offset = rows.integer(at, elf.order, as: UInt64.self),
                let info = rows.integer(at &+ 8, elf.order, as: UInt64.self),
                let value = rows.integer(at &+ 16, elf.order, as: UInt64.self)
            else { return "it is cut short" }
            (place, type, symbol, addend) = (offset, UInt32(truncatingIfNeeded: info), Int(info >> 32), value)
        } else {
            guard let offset = rows.integer(at, elf.order, as: UInt32.self),
                let info = rows.integer(at &+ 4, elf.order, as: UInt32.self),
                let value = rows.integer(at &+ 8, elf.order, as: Int32.self)
            else { return "it is cut short" }
            (place, type, symbol) = (UInt64(offset), info & 0xff, Int(info >> 8))
            addend = UInt64(bitPattern: Int64(value))
        }
        guard let rule = RelocationRule(machine: elf.machine, type: type) else {
            return "type \(type) of machine \(elf.machine) is not supported"
        }
        guard rule.width > 0 else { return nil }
        guard symbol < values.count else { return "symbol \(symbol) of \(values.count)" }
        guard output.byteCount >= rule.width, place <= UInt64(output.byteCount &- rule.width) else {
            return "its place 0x\(hex(place)) lies outside the section"
        }
        var value = values[symbol] &+ addend
        if rule.isRelative { value = value &- (base &+ place) }
        Self.store(value, width: rule.width, at: Int(place), elf.order, &output)
        return nil
    }

    @inline(__always)
    private static func store(
        _ value: UInt64, width: Int, at place: Int, _ order: ByteOrder, _ output: inout MutableRawSpan
    ) {
        switch width {
        case 8:
            let bits = order == .little ? value.littleEndian : value.bigEndian
            output.storeBytes(of: bits, toByteOffset: place, as: UInt64.self)
        case 4:
            let bits = UInt32(truncatingIfNeeded: value)
            output.storeBytes(
                of: order == .little ? bits.littleEndian : bits.bigEndian, toByteOffset: place, as: UInt32.self)
        case 2:
            let bits = UInt16(truncatingIfNeeded: value)
            output.storeBytes(
                of: order == .little ? bits.littleEndian : bits.bigEndian, toByteOffset: place, as: UInt16.self)
        default:
            output.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: place, as: UInt8.self)
        }
    }
}

/// What a type of relocation writes: S + A, or S + A - P, in so many bytes (x86-64 psABI, table 4.10; AAELF64,
/// "Static Data relocations"). Values that do not fit are cut, as the kernel's loader would have refused them.
private struct RelocationRule {
    let width: Int
    let isRelative: Bool

    @inline(__always)
    init?(machine: UInt16, type: UInt32) {
        switch (machine, type) {
        case (_, 0), (183, 256): (width, isRelative) = (0, false)
        case (62, 1), (183, 257): (width, isRelative) = (8, false)
        case (62, 10), (62, 11), (183, 258): (width, isRelative) = (4, false)
        case (62, 12), (183, 259): (width, isRelative) = (2, false)
        case (62, 14): (width, isRelative) = (1, false)
        case (62, 24), (183, 260): (width, isRelative) = (8, true)
        case (62, 2), (62, 4), (183, 261): (width, isRelative) = (4, true)
        case (62, 13), (183, 262): (width, isRelative) = (2, true)
        case (62, 15): (width, isRelative) = (1, true)
        // DTPOFF of thread-local variables: no address of a kernel.
        case (62, 17): (width, isRelative) = (8, false)
        case (62, 21): (width, isRelative) = (4, false)
        default: return nil
        }
    }
}

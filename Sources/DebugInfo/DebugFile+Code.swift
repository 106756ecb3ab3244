// The code of a symbol file at its place in the running kernel, to be held against memory.

package import Bytes
package import DebugModel
internal import ELF

extension DebugFile: CodeImage {
    package var offset: UInt64 { if case .kernel(let offset) = place { offset } else { 0 } }

    /// `SHF_EXECINSTR`
    private static let executable: UInt64 = 4

    package func codeSections() throws -> [CodeSection] {
        try file.elf.sections.compactMap { section in
            guard section.flags & Self.executable != 0, section.flags & Section.alloc != 0,
                section.type != Section.nobits, section.size > 0
            else { return nil }
            return try loaded(section)
        }.sorted { $0.address < $1.address }
    }

    package func section(named name: String) throws -> CodeSection? {
        guard let section = file.elf.section(name), section.flags & Section.alloc != 0, section.type != Section.nobits
        else { return nil }
        return try loaded(section, isFreed: true)
    }

    /// `isFreed`: sections that the kernel has freed since, whose addresses it keeps no more, are taken as lying at 0.
    private func loaded(_ section: Section, isFreed: Bool = false) throws -> CodeSection? {
        switch place {
        case .kernel(let offset):
            guard section.address != 0 else { return nil }
            return CodeSection(
                name: section.name, address: VirtualAddress(section.address &+ offset), bytes: try section.contents())
        case .module(_, let sections):
            guard let address = sections[section.name] ?? (isFreed ? VirtualAddress(0) : nil) else { return nil }
            let relocator = try Relocator(file.elf, sections: sections)
            return CodeSection(
                name: section.name, address: address, bytes: try relocator.contents(of: section),
                references: try references(of: section))
        }
    }

    package func bytes(at address: VirtualAddress, count: Int) -> ByteSlice? {
        guard case .kernel(let offset) = place else { return nil }
        let link = address.rawValue &- offset
        for section in file.elf.sections
        where section.flags & Section.alloc != 0 && section.type != Section.nobits && section.address != 0 {
            let within = link &- section.address
            guard within < section.size, let contents = try? section.contents() else { continue }
            return try? contents.sub(within, UInt64(count), "bytes of the image")
        }
        return nil
    }

    /// The relocations of a section against symbols that the file does not define (x86-64 psABI, table 4.10).
    private func references(of section: Section) throws -> [CodeSection.Reference] {
        guard file.elf.machine == 62, file.elf.is64, let symbols = try file.elf.symbols() else { return [] }
        var found: [CodeSection.Reference] = []
        for table in file.elf.sections where table.type == Section.rela && Int(table.info) == section.index {
            var cursor = Cursor(try table.contents(), order: file.elf.order)
            while cursor.remaining >= 24 {
                let place = try cursor.u64("relocation")
                let info = try cursor.u64("relocation")
                let addend = Int64(bitPattern: try cursor.u64("relocation"))
                guard let symbol = symbols[Int(info >> 32)], symbol.section == ELFSymbol.undefined else { continue }
                let type = UInt32(truncatingIfNeeded: info)
                let width = type == 1 || type == 24 ? 8 : 4
                found.append(
                    CodeSection.Reference(
                        offset: place, width: width, symbol: symbols.name(symbol), addend: addend,
                        isRelative: type == 2 || type == 4 || type == 24))
            }
        }
        return found
    }
}

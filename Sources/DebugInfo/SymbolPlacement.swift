// Where the symbols of a table are in the running kernel, and which of them count.

package import Bytes
internal import DebugModel
package import ELF

/// Says of each row of a symbol table whether it is kept, what it is, and at which address.
package struct SymbolPlacement: Sendable {
    /// What a section's symbols are moved by, or that they are left out.
    private enum Rule: Sendable {
        case moved(by: UInt64)
        case perCPU(movedBy: UInt64)
        case left
    }

    private let rules: [Rule]
    /// For sections beyond the table, of which only the kernel's own copy of a module's table has any.
    private let otherwise: Rule
    /// Addresses that are per-CPU offsets although their section does not say so.
    private let perCPU: Range<UInt64>
    /// Whether names that begin with `$` only mark code and data within a section (AAELF64, "Mapping symbols").
    let hasMappingSymbols: Bool
    /// The letters of `mod_kallsyms.typetab`, one a row.
    private let letters: ByteSlice?

    /// The kernel image: every address moved by `offset` (KASLR), absolute symbols left as they are.
    ///
    /// Per-CPU symbols keep their value when the section `.data..percpu` begins at 0 (x86-64 up to 6.14), because
    /// they are offsets then. Where it has a place in the image they move with it: the kernel's `__per_cpu_offset`
    /// counts from the moved `__per_cpu_start`.
    package static func image(_ elf: ELFFile, offset: UInt64) -> SymbolPlacement {
        let rules = elf.sections.map { section -> Rule in
            guard section.index > 0 else { return .left }
            guard section.name == ".data..percpu" || section.name == ".data.percpu" else { return .moved(by: offset) }
            return .perCPU(movedBy: section.address == 0 ? 0 : offset)
        }
        return SymbolPlacement(
            rules: rules, otherwise: .left, perCPU: 0..<0, hasMappingSymbols: elf.machine == 183, letters: nil)
    }

    /// A relocatable file, its sections at the given addresses; symbols of other sections are left out. The per-CPU
    /// section's address is the module's per-CPU offset (`module.percpu`).
    package static func module(_ elf: ELFFile, sections: [String: VirtualAddress]) -> SymbolPlacement {
        let rules = elf.sections.map { section -> Rule in
            guard section.index > 0, section.flags & Section.alloc != 0, let address = sections[section.name] else {
                return .left
            }
            return section.name == ".data..percpu"
                ? .perCPU(movedBy: address.rawValue) : .moved(by: address.rawValue)
        }
        return SymbolPlacement(
            rules: rules, otherwise: .left, perCPU: 0..<0, hasMappingSymbols: elf.machine == 183, letters: nil)
    }

    /// A module's table as the kernel keeps it (`struct mod_kallsyms`): the values are final. `letters` is its
    /// `typetab`; `perCPU` the range of its per-CPU data, empty when it has none.
    package static func loaded(letters: ByteSlice? = nil, perCPU: Range<UInt64> = 0..<0) -> SymbolPlacement {
        SymbolPlacement(
            rules: [.left], otherwise: .moved(by: 0), perCPU: perCPU, hasMappingSymbols: true, letters: letters)
    }

    struct Place {
        let address: UInt64
        let kind: Symbol.Kind
    }

    /// Whether a symbol is no address in the image, so that it must not be found by one.
    func keepsApart(_ place: Place) -> Bool { place.kind == .perCPU || place.kind == .absolute }

    /// Nil for what is no symbol of a program: undefined ones, sections, files, ARM's mapping symbols.
    func place(_ symbol: ELFSymbol, row: Int) -> Place? {
        guard symbol.name != 0, symbol.section != ELFSymbol.undefined, symbol.type != 3, symbol.type != 4 else {
            return nil
        }
        if symbol.section == ELFSymbol.absolute { return Place(address: symbol.value, kind: .absolute) }
        if let letter = letters?[row] {
            // nm's letters (the kernel's elf_type): a and A absolute, U undefined, N debugging, ? none of all.
            if letter == 0x61 || letter == 0x41 { return Place(address: symbol.value, kind: .absolute) }
            if letter == 0x55 || letter == 0x4e { return nil }
        }
        let section = Int(symbol.section)
        switch section < rules.count ? rules[section] : symbol.section < 0xff00 ? otherwise : .left {
        case .left: return nil
        case .perCPU(let offset): return Place(address: symbol.value &+ offset, kind: .perCPU)
        case .moved(let offset):
            let kind: Symbol.Kind =
                perCPU.contains(symbol.value)
                ? .perCPU
                : symbol.type == 2 || symbol.type == 10 ? .function : symbol.type == 1 ? .object : .unspecified
            return Place(address: symbol.value &+ offset, kind: kind)
        }
    }
}

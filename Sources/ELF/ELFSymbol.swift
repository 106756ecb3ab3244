// Symbol tables, read row by row without building strings.

package import Bytes

/// `Elf32_Sym` or `Elf64_Sym` (ELF specification, "Symbol Table").
package struct ELFSymbol: Sendable, Equatable {
    /// The offset of the name in the string table.
    package let name: UInt32
    package let value: UInt64
    package let size: UInt64
    package let info: UInt8
    package let other: UInt8
    /// `st_shndx`: 0 undefined, 0xfff1 absolute, 0xfff2 common.
    package let section: UInt16

    /// `STT_*`: 0 none, 1 object, 2 function, 3 section, 4 file, 6 TLS.
    package var type: UInt8 { info & 0xf }
    /// `STB_*`: 0 local, 1 global, 2 weak.
    package var binding: UInt8 { info >> 4 }

    package static let undefined: UInt16 = 0
    package static let absolute: UInt16 = 0xfff1
}

/// The symbol table of a file, with its strings.
package struct ELFSymbolTable: Sendable {
    private let rows: ByteSlice
    package let strings: ByteSlice
    private let is64: Bool
    private let order: ByteOrder
    package let count: Int

    /// A table that was found elsewhere than in a file: a module's own, in the kernel's memory.
    package init(rows: ByteSlice, strings: ByteSlice, is64: Bool = true, order: ByteOrder = .little) {
        self.rows = rows
        self.strings = strings
        self.is64 = is64
        self.order = order
        count = rows.count / (is64 ? 24 : 16)
    }

    /// Row `index`; nil beyond the end.
    package subscript(index: Int) -> ELFSymbol? {
        guard index >= 0, index < count else { return nil }
        return rows.withBytes { span in
            let at = index * (is64 ? 24 : 16)
            guard let name = span.integer(at, order, as: UInt32.self) else { return nil }
            if is64 {
                guard let section = span.integer(at + 6, order, as: UInt16.self),
                    let value = span.integer(at + 8, order, as: UInt64.self),
                    let size = span.integer(at + 16, order, as: UInt64.self)
                else { return nil }
                return ELFSymbol(
                    name: name, value: value, size: size, info: span.u8(at + 4), other: span.u8(at + 5),
                    section: section)
            }
            guard let value = span.integer(at + 4, order, as: UInt32.self),
                let size = span.integer(at + 8, order, as: UInt32.self),
                let section = span.integer(at + 14, order, as: UInt16.self)
            else { return nil }
            return ELFSymbol(
                name: name, value: UInt64(value), size: UInt64(size), info: span.u8(at + 12), other: span.u8(at + 13),
                section: section)
        }
    }

    /// The name of a symbol, with U+FFFD for what is not UTF-8.
    package func name(_ symbol: ELFSymbol) -> String { strings.clamped(UInt64(symbol.name), 4096).cString }
}

extension ELFFile {
    /// The symbol table (`.symtab`), or nil when the file has none.
    package func symbols() throws(ParseFault) -> ELFSymbolTable? {
        guard let table = sections.first(where: { $0.type == Section.symtab }) else { return nil }
        let link = Int(table.link)
        let strings = link < sections.count ? try sections[link].contents() : .empty
        return ELFSymbolTable(rows: try table.contents(), strings: strings, is64: is64, order: order)
    }
}

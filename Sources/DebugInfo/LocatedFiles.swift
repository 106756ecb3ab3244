// The symbol files of a kernel, found by build-id, as a kernel asks for them.

internal import Bytes
package import DebugModel
internal import ELF

/// Answers a kernel's questions for symbol files from what a locator finds.
package struct LocatedFiles: SymbolFiles {
    private let locator: SymbolFileLocator
    private let cacheDirectory: String?

    /// `cacheDirectory`: where name indexes are kept between sessions; nil to go without.
    package init(_ locator: SymbolFileLocator, cacheDirectory: String? = nil) {
        self.locator = locator
        self.cacheDirectory = cacheDirectory
    }

    package func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)? {
        let wanted = SymbolFileLocator.Wanted(buildID: buildID.map { BuildID($0) }, release: release)
        return locator.find(wanted).map { LocatedKernel(file: $0, cacheDirectory: cacheDirectory) }
    }

    package func types() -> TypeFile? { locator.typeFile() }

    package func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources? {
        let buildID = identity.buildID.isEmpty ? nil : BuildID(identity.buildID)
        let wanted = SymbolFileLocator.Wanted(module: identity.name, buildID: buildID, release: release)
        guard let found = locator.find(wanted) else { return nil }
        let file = DebugFile(found, at: .module(identity.name, sections: identity.sections))
        var sources = DebugSources(
            name: found.path, code: file.code, symbols: file.symbols, unwind: file.unwind, image: file)
        if found.hasDebugInformation {
            let types = DWARFTypes(file.dwarf, cache: nil)
            sources.types = types
            sources.variables = types
            sources.frames = file.code
        }
        return sources
    }
}

/// A `vmlinux` that was found.
struct LocatedKernel: KernelImage {
    let file: SymbolFile
    let cacheDirectory: String?

    var path: String { file.path }
    var buildID: [UInt8] { file.elf.buildID?.bytes ?? [] }

    var types: TypeFile? {
        guard let section = file.elf.section(".BTF"), let bytes = try? section.contents() else { return nil }
        return TypeFile(path: "\(path), section .BTF", bytes: bytes, isForced: false)
    }

    /// A look through the rows, without an index: a few names are asked for, once.
    func address(of symbol: String) -> VirtualAddress? {
        guard let table = (try? file.elf.symbols()).flatMap({ $0 }) else { return nil }
        let name = Array(symbol.utf8) + [0]
        for index in 0..<table.count {
            guard let row = table[index], row.section != ELFSymbol.undefined,
                table.strings.hasBytes(name, at: Int(row.name))
            else { continue }
            return VirtualAddress(row.value)
        }
        return nil
    }

    func bytes(at address: VirtualAddress, count: Int) -> ByteSlice? {
        for section in file.elf.sections
        where section.flags & Section.alloc != 0 && section.type != Section.nobits && section.address != 0 {
            let offset = address.rawValue &- section.address
            guard offset < section.size, let contents = try? section.contents() else { continue }
            return try? contents.sub(offset, UInt64(count), "bytes of the image")
        }
        return nil
    }

    /// DWARF tells types and variables; the layout of ORC entries, which no ORC table tells by itself, is asked of
    /// the types when the kernel's own ORC cannot be had.
    func load(offset: UInt64) throws -> DebugSources {
        let placed = DebugFile(file, at: .kernel(offset: offset))
        // A file that was stripped of its symbols leaves them to the kernel's own.
        let symbols = placed.symbols.count > 0 ? placed.symbols : nil
        var sources = DebugSources(
            name: path, code: placed.code, symbols: symbols, unwind: placed.unwind, image: placed)
        guard file.hasDebugInformation else { return sources }
        let cache = cacheDirectory.flatMap {
            IndexCache(directory: $0, of: file.elf, supplementary: file.alternate)
        }
        let types = DWARFTypes(placed.dwarf, placement: DWARFPlacement(image: file.elf, offset: offset), cache: cache)
        sources.types = types
        sources.variables = types
        sources.frames = placed.code
        return sources
    }
}

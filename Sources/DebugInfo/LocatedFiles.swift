// The symbol files of a kernel, found by build-id, as a kernel asks for them.

package import Bytes
package import DebugModel
internal import ELF

/// Answers a kernel's questions for symbol files from what a locator finds.
package struct LocatedFiles: SymbolFiles {
    private let locator: SymbolFileLocator
    private let limits: Limits

    package init(_ locator: SymbolFileLocator, limits: Limits = Limits()) {
        self.locator = locator
        self.limits = limits
    }

    package func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)? {
        let wanted = SymbolFileLocator.Wanted(buildID: buildID.map { BuildID($0) }, release: release)
        return locator.find(wanted).map { LocatedKernel(file: $0) }
    }

    package func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources? {
        let buildID = identity.buildID.isEmpty ? nil : BuildID(identity.buildID)
        let wanted = SymbolFileLocator.Wanted(module: identity.name, buildID: buildID, release: release)
        guard let found = locator.find(wanted) else { return nil }
        let file = DebugFile(found, at: .module(identity.name, sections: identity.sections))
        return DebugSources(name: found.path, code: file.code, symbols: file.symbols, unwind: file.unwind)
    }
}

/// A `vmlinux` that was found.
struct LocatedKernel: KernelImage {
    let file: SymbolFile

    var path: String { file.path }
    var buildID: [UInt8] { file.elf.buildID?.bytes ?? [] }

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

    func load(offset: UInt64) throws -> DebugSources {
        let file = DebugFile(file, at: .kernel(offset: offset))
        return DebugSources(name: path, code: file.code, symbols: file.symbols, unwind: file.unwind)
    }
}

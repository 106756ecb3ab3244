// Several symbol files as one: a question goes to the file whose code lies at the address.

package import Bytes
package import DebugModel

/// The kernel image and its modules.
package struct DebugFiles: CodeSource, UnwindSource, SymbolSource {
    package let files: [DebugFile]
    private let extents: [(range: Range<UInt64>, file: Int)]

    package init(_ files: [DebugFile]) {
        let files = files.sorted { ($0.extents.first?.lowerBound ?? 0) < ($1.extents.first?.lowerBound ?? 0) }
        self.files = files
        extents = files.enumerated()
            .flatMap { index, file in file.extents.map { (range: $0, file: index) } }
            .sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// The file with the section that holds `address`. Complexity: logarithmic.
    package func file(at address: VirtualAddress) -> DebugFile? {
        guard
            var index = lastIndex(
                atMost: address.rawValue, count: extents.count, key: { extents[$0].range.lowerBound })
        else { return nil }
        // Sections of one kernel do not overlap, save empty and freed ones: look back a little.
        for _ in 0..<16 {
            if extents[index].range.contains(address.rawValue) { return files[extents[index].file] }
            guard index > 0 else { return nil }
            index -= 1
        }
        return nil
    }

    /// As the file says; where it describes no function but has lines, as for most assembly, the symbol names it.
    package func functions(at address: VirtualAddress) throws -> [FunctionScope] {
        guard let file = file(at: address) else { return [] }
        let scopes = try file.code.functions(at: address)
        guard scopes.isEmpty, let line = try file.code.line(at: address),
            let symbol = file.symbols.symbol(covering: address)
        else { return scopes }
        return [FunctionScope(name: symbol.name, isInlined: false, location: line)]
    }

    package func line(at address: VirtualAddress) throws -> SourceLine? {
        try file(at: address)?.code.line(at: address)
    }

    /// The first table of the file that knows the address. One that is broken there does not hide the next.
    package func row(at address: VirtualAddress) throws -> UnwindRow? {
        guard let file = file(at: address) else { return nil }
        var fault: (any Error)?
        for source in file.unwind {
            do {
                if let row = try source.row(at: address) { return row }
            } catch {
                fault = fault ?? error
            }
        }
        if let fault { throw fault }
        return nil
    }

    package func symbols(named name: String) -> [Symbol] { files.flatMap { $0.symbols.symbols(named: name) } }

    package func symbol(covering address: VirtualAddress) -> Symbol? {
        file(at: address)?.symbols.symbol(covering: address)
    }

    /// File by file, each in address order.
    package func forEach(_ body: (Symbol) throws -> Void) rethrows {
        for file in files { try file.symbols.forEach(body) }
    }
}

// The symbols of the kernel and of all its modules as one table.

package import Bytes
package import DebugModel

/// Several symbol sources asked in order: the kernel's first, then each module's.
package struct SymbolTable: Sendable {
    package let sources: [any SymbolSource]

    package init(_ sources: [any SymbolSource]) { self.sources = sources }

    package func symbols(named name: String) -> [Symbol] { sources.flatMap { $0.symbols(named: name) } }

    /// The first symbol of that name: a global one if there is any.
    package func symbol(named name: String) -> Symbol? {
        let all = symbols(named: name)
        return all.first { $0.binding == .global } ?? all.first
    }

    /// The symbol that covers `address`; where two sources have one, the nearer.
    package func symbol(covering address: VirtualAddress) -> Symbol? {
        sources.compactMap { $0.symbol(covering: address) }.max { $0.address < $1.address }
    }

    /// `name+0x12`, with ` [module]` when a module's; nil when no symbol covers the address.
    package func describe(_ address: VirtualAddress, size: Bool = false) -> String? {
        guard let symbol = symbol(covering: address) else { return nil }
        let offset = address.distance(from: symbol.address)
        var text = symbol.name
        if offset != 0 || size { text += "+0x" + hex(offset) }
        if size { text += "/0x" + hex(symbol.size) }
        if let module = symbol.module { text += " [\(module)]" }
        return text
    }
}

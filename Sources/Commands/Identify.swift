// All that is known of an address.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Pipeline
internal import Target

enum Identify {
    /// The symbol that covers the address, then what each part of the kernel says, in its order.
    static func all(_ address: VirtualAddress, _ context: Context) -> [Identification] {
        let target = context.target
        var found: [Identification] = []
        if let symbol = target.symbols.symbol(covering: address), symbol.kind != .absolute {
            let offset = address.distance(from: symbol.address)
            var text = "symbol \(target.symbols.describe(address) ?? symbol.name)"
            if let type = type(of: symbol, target) { text += ", \(type)" }
            var details = [("symbol", symbol.name), ("offset", "\(offset)")]
            if let module = symbol.module { details.append(("module", module)) }
            if symbol.kind == .function, let line = (try? target.line(at: address)).flatMap({ $0 }) {
                text += " at \(line.file):\(line.line)"
                details += [("file", line.file), ("line", "\(line.line)")]
            }
            found.append(Identification(kind: "symbol", text: text, details: details))
        }
        for capability in context.kernel.capabilities {
            guard let source = capability as? any AddressIdentifier else { continue }
            // The symbol was said already.
            found += source.identify(address).filter { $0.kind != "symbol" || found.isEmpty }
        }
        return found
    }

    /// The declaration of the variable that a symbol stands for, when its type is known.
    static func type(of symbol: Symbol, _ target: Target) -> String? {
        guard symbol.kind != .function, let value = try? target.variable(symbol.name),
            (try? value.address) == symbol.address
        else { return nil }
        return try? target.types.spelling(value.type)
    }
}

// From symbols to addresses and back, as mdb scopes and shows them.

internal import Bytes
internal import DebugModel
internal import Target

struct Names {
    let target: Target
    let state: State

    /// A symbol of no stated size has the addresses up to here, in smart mode.
    private static let reach: UInt64 = 0x8000

    /// The value of `name`, `` module`name ``, `` file.c`name `` or `` module`file.c`name ``: own symbols first, then
    /// the kernel's, then each module's.
    func symbol(_ text: String) -> Symbol? {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false).map(String.init)
        guard let name = parts.last, !name.isEmpty else { return nil }
        if parts.count == 1 {
            if let own = state.read(\.symbols).last(where: { $0.name == name }) {
                return Symbol(name: name, address: VirtualAddress(own.address), size: own.size, kind: own.kind)
            }
            return target.symbols.symbol(named: name)
        }
        let scopes = parts.dropLast().filter { !$0.isEmpty }
        return target.symbols.symbols(named: name).first { symbol in scopes.allSatisfy { matches($0, symbol) } }
    }

    /// Whether a scope, a module's or a source file's name, holds the symbol.
    private func matches(_ scope: String, _ symbol: Symbol) -> Bool {
        if Self.kernelNames.contains(scope) { return symbol.module == nil }
        if symbol.module == scope { return true }
        guard scope.contains("."), let file = (try? target.line(at: symbol.address))?.file else { return false }
        return file == scope || file.hasSuffix("/" + scope)
    }

    /// The kernel proper, as Linux and as mdb's users call it.
    static let kernelNames: Set<String> = ["vmlinux", "kernel", "unix", "genunix"]

    /// The symbol that names an address, and the distance from it.
    func nearest(_ address: UInt64) -> (symbol: Symbol, offset: UInt64)? {
        let distance = state.read(\.distance)
        let own = state.read(\.symbols).filter { $0.address <= address }.max { $0.address < $1.address }
        if let own, reaches(own.size, address - own.address, distance) {
            let symbol = Symbol(
                name: own.name, address: VirtualAddress(own.address), size: own.size, kind: own.kind)
            return (symbol, address - own.address)
        }
        guard let symbol = target.symbols.symbol(covering: VirtualAddress(address)), symbol.kind != .absolute else {
            return nil
        }
        let offset = VirtualAddress(address).distance(from: symbol.address)
        guard distance == nil || reaches(symbol.size, offset, distance) else { return nil }
        return (symbol, offset)
    }

    private func reaches(_ size: UInt64, _ offset: UInt64, _ distance: UInt64?) -> Bool {
        if let distance { return offset < distance }
        return offset < (size == 0 ? Self.reach : size)
    }

    /// `name+0x10`; nil when nothing names the address.
    func name(_ address: UInt64) -> String? {
        guard let (symbol, offset) = nearest(address) else { return nil }
        return Self.join(symbol.name, offset)
    }

    /// `name+8`, `name+0x1b`: an offset of one decimal digit has no prefix.
    static func join(_ name: String, _ offset: UInt64) -> String {
        offset == 0 ? name : offset < 10 ? name + "+\(offset)" : name + "+0x" + hex(offset)
    }

    /// The name, else the number with `0x`; 0 is `0`.
    func label(_ address: UInt64) -> String { name(address) ?? "0x" + hex(address) }
}

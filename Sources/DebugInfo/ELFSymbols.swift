// Symbols of an ELF symbol table, placed where they are in the running kernel.

package import Bytes
package import DebugModel
package import ELF
internal import Synchronization

/// The symbols of the kernel image, of a module's file, or of a module's table in the kernel's memory.
///
/// Holds numbers only: an address and a row each. A name becomes a `String` when a symbol is returned.
package final class ELFSymbols: SymbolSource {
    private let table: ELFSymbolTable
    private let placement: SymbolPlacement
    private let module: String?
    /// In address order; `rows[i]` is at `addresses[i]` and none of `addresses[0...i]` ends beyond `ends[i]`.
    private let addresses: [UInt64]
    private let rows: [UInt32]
    private let ends: [UInt64]
    /// Rows whose number is no address in the image: per-CPU offsets and absolute symbols, in order of value.
    private let others: [UInt32]
    private let names: Mutex<NameIndex?> = Mutex(nil)

    /// Complexity: linear in the number of rows.
    package init(table: ELFSymbolTable, placement: SymbolPlacement, module: String? = nil) {
        self.table = table
        self.placement = placement
        self.module = module
        var keys: [UInt64] = []
        var kept: [UInt32] = []
        var otherKeys: [UInt64] = []
        var otherRows: [UInt32] = []
        keys.reserveCapacity(table.count)
        kept.reserveCapacity(table.count)
        // Rows are numbered in 32 bits: a table of more would be 96 GiB.
        for index in 0..<min(table.count, Int(UInt32.max)) {
            guard let symbol = table[index], let place = placement.place(symbol, row: index) else { continue }
            if Self.isLocalLabel(table.strings, Int(symbol.name)) { continue }
            if placement.hasMappingSymbols, symbol.type == 0, table.strings[Int(symbol.name)] == 0x24 { continue }
            if placement.keepsApart(place) {
                otherKeys.append(place.address)
                otherRows.append(UInt32(truncatingIfNeeded: index))
            } else {
                keys.append(place.address)
                kept.append(UInt32(truncatingIfNeeded: index))
            }
        }
        let order = ascendingOrder(of: keys)
        addresses = order.map { keys[Int($0)] }
        let rows = order.map { kept[Int($0)] }
        self.rows = rows
        others = ascendingOrder(of: otherKeys).map { otherRows[Int($0)] }
        var ends: [UInt64] = []
        ends.reserveCapacity(rows.count)
        var furthest: UInt64 = 0
        for (row, address) in zip(rows, addresses) {
            let end = address.addingReportingOverflow(table[Int(row)]?.size ?? 0)
            furthest = max(furthest, end.overflow ? .max : end.partialValue)
            ends.append(furthest)
        }
        self.ends = ends
    }

    /// `.L…`: labels that the compiler made for its strings and jumps; kallsyms leaves them out as well
    /// (scripts/kallsyms.c, is_ignored_symbol).
    private static func isLocalLabel(_ strings: ByteSlice, _ name: Int) -> Bool {
        strings[name] == 0x2e && strings[name &+ 1] == 0x4c
    }

    /// How many symbols there are.
    package var count: Int { rows.count + others.count }

    package func symbols(named name: String) -> [Symbol] {
        let candidates = names.withLock { index -> [UInt32] in
            let built = index ?? NameIndex(table: table, rows: [rows, others])
            index = built
            return built.rows(named: name, in: table)
        }
        return candidates.compactMap { symbol(row: $0) }.sorted { $0.address < $1.address }
    }

    package func forEach(_ body: (Symbol) throws -> Void) rethrows {
        var next = others.startIndex
        for (row, address) in zip(rows, addresses) {
            while next < others.endIndex, let other = symbol(row: others[next]), other.address.rawValue <= address {
                try body(other)
                next += 1
            }
            if let symbol = symbol(row: row) { try body(symbol) }
        }
        for row in others[next...] {
            if let symbol = symbol(row: row) { try body(symbol) }
        }
    }

    /// Among the symbols that reach over `address` the one that begins last; without any, the nearest below that
    /// has no size, provided that no symbol with a size ends in between. So a label inside a function of assembly does
    /// not hide the function, and a label after it does not reach back.
    package func symbol(covering address: VirtualAddress) -> Symbol? {
        let value = address.rawValue
        guard var index = lastIndex(atMost: value, count: addresses.count, key: { addresses[$0] }) else { return nil }
        let nearest = index
        // A table with one symbol that covers everything makes each search long; a real one nests two or three deep.
        for _ in 0..<4096 {
            let size = table[Int(rows[index])]?.size ?? 0
            if size > value &- addresses[index] {
                return best(at: addresses[index], from: index) { $0.size > value &- addresses[index] }
            }
            guard index > 0, ends[index &- 1] > value else { break }
            index &-= 1
        }
        guard table[Int(rows[nearest])]?.size == 0 else { return nil }
        // A label reaches to the next symbol; behind the last one lies nothing that it could be the label of.
        if nearest + 1 == addresses.count, value &- addresses[nearest] > 4096 { return nil }
        return best(at: addresses[nearest], from: nearest) { $0.size == 0 }
    }

    /// Of the symbols at one address, of which `last` is the last one in order, the one that people know it by.
    private func best(at address: UInt64, from last: Int, where fits: (ELFSymbol) -> Bool) -> Symbol? {
        var best: (rank: Int, row: UInt32)?
        var index = last
        for _ in 0..<4096 {
            if let row = table[Int(rows[index])], fits(row) {
                let rank = rank(row)
                // Later rows come first here; on a tie the earlier row of the table wins.
                if best.map({ rank >= $0.rank }) ?? true { best = (rank, rows[index]) }
            }
            guard index > 0, addresses[index &- 1] == address else { break }
            index &-= 1
        }
        return best.flatMap { symbol(row: $0.row) }
    }

    /// Functions and objects before labels, global before weak before local, names without an underscore first.
    private func rank(_ symbol: ELFSymbol) -> Int {
        let typed = symbol.type == 1 || symbol.type == 2 || symbol.type == 10 ? 8 : 0
        let bound = symbol.binding == 1 ? 4 : symbol.binding == 2 ? 2 : 0
        let plain = table.strings[Int(symbol.name)] == 0x5f ? 0 : 1
        return typed + bound + plain
    }

    private func symbol(row: UInt32) -> Symbol? {
        guard let symbol = table[Int(row)], let place = placement.place(symbol, row: Int(row)) else { return nil }
        return Symbol(
            name: table.name(symbol), address: VirtualAddress(place.address), size: symbol.size, kind: place.kind,
            binding: symbol.binding == 1 ? .global : symbol.binding == 2 ? .weak : .local, module: module)
    }
}

/// Rows by the hash of their names, sorted: unlike a table with probing, its cost does not depend on what the
/// names are. The rows of one hash are in the order that they were given in.
private struct NameIndex {
    private let hashes: [UInt32]
    private let rows: [UInt32]

    init(table: ELFSymbolTable, rows parts: [[UInt32]]) {
        var keys: [UInt64] = []
        var all: [UInt32] = []
        keys.reserveCapacity(parts.reduce(0) { $0 + $1.count })
        table.strings.withBytes { span in
            for part in parts {
                for row in part {
                    guard let symbol = table[Int(row)] else { continue }
                    keys.append(UInt64(Self.hash(span, Int(symbol.name))))
                    all.append(row)
                }
            }
        }
        let order = ascendingOrder(of: keys)
        hashes = order.map { UInt32(truncatingIfNeeded: keys[Int($0)]) }
        rows = order.map { all[Int($0)] }
    }

    /// FNV-1a of the bytes up to the NUL, at most 4096.
    private static func hash(_ span: borrowing RawSpan, _ start: Int) -> UInt32 {
        var hash: UInt32 = 0x811c_9dc5
        var at = start
        let end = start &+ 4096
        while at < end {
            let byte = span.u8(at)
            if byte == 0 { break }
            hash = (hash ^ UInt32(byte)) &* 0x0100_0193
            at &+= 1
        }
        return hash
    }

    /// The same of a name asked for.
    private static func hash(_ name: [UInt8]) -> UInt32 {
        name.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    func rows(named name: String, in table: ELFSymbolTable) -> [UInt32] {
        let bytes = Array(name.utf8)
        let wanted = Self.hash(bytes)
        guard bytes.count < 4096, !bytes.contains(0) else { return [] }
        var found: [UInt32] = []
        guard var index = lastIndex(atMost: UInt64(wanted), count: hashes.count, key: { UInt64(hashes[$0]) })
        else { return [] }
        while index >= 0, hashes[index] == wanted {
            if let symbol = table[Int(rows[index])], table.strings.hasBytes(bytes, at: Int(symbol.name)),
                table.strings[Int(symbol.name) + bytes.count] ?? 0 == 0
            {
                found.append(rows[index])
            }
            index -= 1
        }
        return found
    }
}

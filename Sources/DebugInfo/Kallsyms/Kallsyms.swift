// The kernel's own symbol table, as it lies in memory (kernel/kallsyms.c, scripts/kallsyms.c).

package import Bytes
package import DebugModel
internal import Synchronization

/// The tables of kallsyms, cut out of memory by whoever found them.
package struct KallsymsTables: Sendable {
    /// `kallsyms_num_syms`.
    package var count: Int
    /// From `kallsyms_names` to at least the end of the markers behind them.
    package var names: ByteSlice
    /// `kallsyms_token_table`: at least its 256 strings.
    package var tokens: ByteSlice
    /// `kallsyms_token_index`: 256 half-words.
    package var tokenIndex: ByteSlice
    /// `kallsyms_offsets`: one signed word a symbol; or, when `isAbsolute`, one address a symbol.
    package var offsets: ByteSlice
    package var isAbsolute = false
    /// `kallsyms_relative_base`, as it is at run time.
    package var relativeBase: UInt64

    package init(
        count: Int, names: ByteSlice, tokens: ByteSlice, tokenIndex: ByteSlice, offsets: ByteSlice, relativeBase: UInt64
    ) {
        self.count = count
        self.names = names
        self.tokens = tokens
        self.tokenIndex = tokenIndex
        self.offsets = offsets
        self.relativeBase = relativeBase
    }
}

/// The symbols of a kernel from its own memory. Names stay compressed until they are asked for.
package final class Kallsyms: SymbolSource {
    private let tables: KallsymsTables
    /// Where each symbol's name stands in `names`, at its length.
    private let places: [UInt32]
    /// The addresses in table order.
    private let addresses: [UInt64]
    /// Table indices of the symbols that are addresses in the image, ascending by address.
    private let sorted: [UInt32]
    private let tokenStarts: [Int]
    /// Whether a length byte with bit 7 set is the first of two (6.1, 73bbb94466fd).
    private let hasLongNames: Bool
    /// Whether values that are not negative are no addresses but per-CPU offsets and absolutes (until 6.14).
    private let hasAbsolutePerCPU: Bool
    private let perCPUEnd: UInt64
    private let hashes = Mutex<NameHash?>(nil)
    /// What was dropped because a table is damaged or cut short.
    package let remark: String?

    private struct NameHash {
        /// Table index plus one; 0 marks an empty slot.
        var slots: [UInt32]
    }

    /// Throws when nothing of the tables can be used; otherwise keeps what is sound and says in `remark` what is not.
    package init(_ tables: KallsymsTables) throws(ParseFault) {
        self.tables = tables
        var remarks: [String] = []
        tokenStarts = try Self.tokenStarts(tables)
        guard let (places, long) = Self.places(tables) else {
            throw ParseFault(
                "kallsyms_names", in: tables.names.name, at: 0, .invalid("the names do not meet their markers"))
        }
        if places.count < tables.count {
            remarks.append("kallsyms_names ends after \(places.count) of \(tables.count) symbols")
        }
        let width = tables.isAbsolute ? 8 : 4
        var usable = places.count
        if tables.offsets.count / width < usable {
            usable = tables.offsets.count / width
            remarks.append("kallsyms_offsets ends after \(usable) of \(tables.count) symbols")
        }
        self.places = Array(places.prefix(usable))
        hasLongNames = long
        let (addresses, absolute) = Self.addresses(tables, usable)
        self.addresses = addresses
        hasAbsolutePerCPU = absolute
        var order: [UInt32] = []
        order.reserveCapacity(usable)
        for (index, address) in addresses.enumerated() where !absolute || address >= Self.upperHalf {
            order.append(UInt32(truncatingIfNeeded: index))
        }
        // The table is in address order but for the last few; a stable sort keeps the first of equals first.
        if !zip(order, order.dropFirst()).allSatisfy({ addresses[Int($0)] <= addresses[Int($1)] }) {
            order.sort { (addresses[Int($0)], $0) < (addresses[Int($1)], $1) }
        }
        sorted = order
        // Per-CPU offsets end at __per_cpu_end; the numbers beyond are absolute symbols.
        perCPUEnd = absolute ? 1 << 20 : 0
        remark = remarks.isEmpty ? nil : remarks.joined(separator: "; ")
    }

    private static let upperHalf: UInt64 = 1 << 63

    package var count: Int { places.count }

    private static func tokenStarts(_ tables: KallsymsTables) throws(ParseFault) -> [Int] {
        var starts: [Int] = []
        for index in 0..<256 {
            guard let start = tables.tokenIndex.withBytes({ $0.little(index * 2, as: UInt16.self) }),
                Int(start) < tables.tokens.count
            else {
                throw ParseFault(
                    "kallsyms_token_index", in: tables.tokenIndex.name, at: UInt64(index * 2),
                    .invalid("token \(index) lies outside kallsyms_token_table"))
            }
            starts.append(Int(start))
        }
        return starts
    }

    /// The place of each name, and how lengths are written. Of the two readings the one is right after whose
    /// last name the markers follow: an offset into the names for every 256th symbol, the first one 0.
    private static func places(_ tables: KallsymsTables) -> (places: [UInt32], long: Bool)? {
        var best: (places: [UInt32], long: Bool)?
        for long in [true, false] {
            let places = scan(tables, long: long)
            if places.count == tables.count, meetsMarkers(tables, places, long: long) { return (places, long) }
            if places.count > best?.places.count ?? 0 { best = (places, long) }
        }
        // Without the markers (a table cut short): the reading that went further.
        return best
    }

    private static func scan(_ tables: KallsymsTables, long: Bool) -> [UInt32] {
        tables.names.withBytes { names in
            var places: [UInt32] = []
            places.reserveCapacity(min(tables.count, names.byteCount / 2))
            var at = 0
            while places.count < tables.count, at < names.byteCount {
                let (length, header) = length(names, at, long: long)
                guard length > 0, at + header + length <= names.byteCount else { break }
                places.append(UInt32(truncatingIfNeeded: at))
                at += header + length
            }
            return places
        }
    }

    private static func length(_ names: RawSpan, _ at: Int, long: Bool) -> (length: Int, header: Int) {
        let first = Int(names.u8(at))
        guard long, first & 0x80 != 0 else { return (first, 1) }
        return (first & 0x7f | Int(names.u8(at + 1)) << 7, 2)
    }

    private static func meetsMarkers(_ tables: KallsymsTables, _ places: [UInt32], long: Bool) -> Bool {
        guard let last = places.last else { return false }
        return tables.names.withBytes { names in
            let (length, header) = length(names, Int(last), long: long)
            let end = (Int(last) + header + length + 7) & ~7
            guard names.little(end, as: UInt32.self) == 0 else { return false }
            for (number, index) in stride(from: 256, to: min(places.count, 4096), by: 256).enumerated()
            where names.little(end + 4 + number * 4, as: UInt32.self) != places[index] {
                return false
            }
            return true
        }
    }

    private static func addresses(_ tables: KallsymsTables, _ count: Int) -> ([UInt64], Bool) {
        tables.offsets.withBytes { span in
            var raw: [Int64] = []
            raw.reserveCapacity(count)
            if tables.isAbsolute {
                return ((0..<count).map { span.little($0 * 8, as: UInt64.self) ?? 0 }, true)
            }
            var negative = 0
            for index in 0..<count {
                let value = Int64(span.little(index * 4, as: Int32.self) ?? 0)
                if value < 0 { negative += 1 }
                raw.append(value)
            }
            // With ABSOLUTE_PERCPU nearly all offsets are negative: -1 - offset counts from the base.
            let absolute = negative * 2 > count
            let base = tables.relativeBase
            let addresses = raw.map { value -> UInt64 in
                if absolute {
                    return value >= 0 ? UInt64(value) : base &+ UInt64(bitPattern: -1 - value)
                }
                return base &+ UInt64(UInt32(truncatingIfNeeded: value))
            }
            return (addresses, absolute)
        }
    }

    /// The letter of `nm` and the name of a symbol.
    private func expand(_ index: Int) -> (letter: UInt8, name: [UInt8]) {
        var text: [UInt8] = []
        expand(index) { text.append($0) }
        return (text.first ?? 0x3f, Array(text.dropFirst()))
    }

    /// The characters of a symbol's entry, its letter first.
    private func expand(_ index: Int, _ body: (UInt8) -> Void) {
        tables.names.withBytes { names in
            tables.tokens.withBytes { tokens in
                let at = Int(places[index])
                let (length, header) = Self.length(names, at, long: hasLongNames)
                for position in 0..<length {
                    var token = tokenStarts[Int(names.u8(at + header + position))]
                    while true {
                        let character = tokens.u8(token)
                        if character == 0 { break }
                        body(character)
                        token += 1
                    }
                }
            }
        }
    }

    private func hash(_ index: Int) -> UInt32 {
        var hash: UInt32 = 0x811c_9dc5
        var isLetter = true
        expand(index) { byte in
            if !isLetter { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
            isLetter = false
        }
        return hash
    }

    private func withHash<Result>(_ body: (NameHash) -> Result) -> Result {
        hashes.withLock { known in
            if let known { return body(known) }
            var size = 16
            while size < places.count * 2 { size *= 2 }
            var made = NameHash(slots: [UInt32](repeating: 0, count: size))
            for index in places.indices {
                var slot = Int(hash(index)) & (size - 1)
                while made.slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
                made.slots[slot] = UInt32(truncatingIfNeeded: index + 1)
            }
            known = made
            return body(made)
        }
    }

    private func make(_ index: Int) -> Symbol {
        let (letter, name) = expand(index)
        let address = addresses[index]
        let lower = letter | 0x20
        var kind: Symbol.Kind
        switch lower {
        case 0x74: kind = .function
        case 0x61: kind = .absolute
        case 0x77: kind = letter == 0x77 || letter == 0x57 ? .function : .object
        default: kind = .object
        }
        if hasAbsolutePerCPU, address < Self.upperHalf { kind = address < perCPUEnd ? .perCPU : .absolute }
        let binding: Symbol.Binding = lower == 0x77 || lower == 0x76 ? .weak : letter & 0x20 == 0 ? .global : .local
        return Symbol(
            name: String(decoding: name, as: UTF8.self), address: VirtualAddress(address), size: size(of: index),
            kind: kind, binding: binding)
    }

    /// Sizes are not stored: a symbol reaches to the next one at another address.
    private func size(of index: Int) -> UInt64 {
        let address = addresses[index]
        guard !hasAbsolutePerCPU || address >= Self.upperHalf else { return 0 }
        let next = upperBound(address)
        return next < sorted.count ? addresses[Int(sorted[next])] &- address : 0
    }

    /// The first place in `sorted` whose address is beyond `address`.
    private func upperBound(_ address: UInt64) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if addresses[Int(sorted[middle])] <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package func symbols(named name: String) -> [Symbol] {
        let wanted = Array(name.utf8)
        let hash = wanted.reduce(UInt32(0x811c_9dc5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        let indices = withHash { table -> [Int] in
            var found: [Int] = []
            var slot = Int(hash) & (table.slots.count - 1)
            while table.slots[slot] != 0 {
                let index = Int(table.slots[slot] - 1)
                if expand(index).name == wanted { found.append(index) }
                slot = (slot + 1) & (table.slots.count - 1)
            }
            return found
        }
        return indices.map { make($0) }.sorted { $0.address < $1.address }
    }

    package func symbol(covering address: VirtualAddress) -> Symbol? {
        let next = upperBound(address.rawValue)
        guard next > 0 else { return nil }
        // Beyond the image nothing is covered: the last symbol has no size.
        if next == sorted.count, address.rawValue &- addresses[Int(sorted[next - 1])] > 4096 { return nil }
        let nearest = addresses[Int(sorted[next - 1])]
        var candidates: [Symbol] = []
        var position = next - 1
        while position >= 0, addresses[Int(sorted[position])] == nearest, candidates.count < 64 {
            candidates.append(make(Int(sorted[position])))
            position -= 1
        }
        func rank(_ symbol: Symbol) -> Int {
            let binding = symbol.binding == .global ? 0 : symbol.binding == .weak ? 1 : 2
            return binding * 2 + (symbol.name.hasPrefix("_") ? 1 : 0)
        }
        return candidates.reversed().min { rank($0) < rank($1) }
    }

    package func forEach(_ body: (Symbol) throws -> Void) rethrows {
        // Per-CPU offsets and absolute symbols stand below all addresses.
        if hasAbsolutePerCPU {
            let low = addresses.indices.filter { addresses[$0] < Self.upperHalf }
                .sorted { (addresses[$0], $0) < (addresses[$1], $1) }
            for index in low { try body(make(index)) }
        }
        for index in sorted { try body(make(Int(index))) }
    }
}

// The kernel's own symbol table, as it lies in memory (kernel/kallsyms.c, scripts/kallsyms.c).

package import Bytes
package import DebugModel
internal import Synchronization

/// The symbols of a kernel from its own memory. Names stay compressed until they are asked for.
package final class Kallsyms: SymbolSource {
    private let names: KallsymsNames
    /// The addresses in table order.
    private let addresses: [UInt64]
    /// Table indices of the symbols that are addresses in the image, ascending by address.
    private let sorted: [UInt32]
    /// Likewise those that are per-CPU offsets and absolute numbers.
    private let low: [UInt32]
    /// Whether values that are not negative are no addresses but per-CPU offsets and absolutes (until 6.14).
    private let hasAbsolutePerCPU: Bool
    /// Table indices of symbols whose addresses could not be read, and of the last ones before them.
    private let lostAddresses: [Range<Int>]
    private let openEnded: Set<Int>
    private let perCPUEnd: UInt64
    private let chains = Mutex<NameChains?>(nil)
    private let readOnly = Mutex<[Range<UInt64>]?>(nil)
    private let data = Mutex<[Range<UInt64>]?>(nil)
    /// What is damaged, a sentence each; all else is there.
    package let remarks: [String]

    /// More symbols of one name than any kernel has; damaged names may all be the same.
    private static let mostOfOneName = 1 << 16

    /// Throws when nothing of the tables can be used; otherwise keeps what is sound and says in `remarks` what is not.
    /// A symbol whose name is lost is found by no name, and covers its addresses without one.
    package init(_ tables: KallsymsTables) throws(ParseFault) {
        var remarks: [String] = []
        guard let names = KallsymsNames(tables) else {
            throw ParseFault("kallsyms_names", in: tables.names.name, at: 0, .invalid("not one name can be read"))
        }
        self.names = names
        if names.tokens.lost > 0 {
            remarks.append("kallsyms_token_table is damaged: \(names.tokens.lost) of 256 tokens are lost")
        }
        if names.places.count < tables.count {
            remarks.append("kallsyms_names ends after \(names.places.count) of \(tables.count) symbols")
        }
        let width = tables.isAbsolute ? 8 : 4
        var usable = names.places.count
        if tables.offsets.count / width < usable {
            usable = tables.offsets.count / width
            remarks.append("kallsyms_offsets ends after \(usable) of \(tables.count) symbols")
        }
        let (addresses, absolute) = Self.addresses(tables, usable)
        self.addresses = addresses
        (lostAddresses, openEnded) = Self.lost(tables.offsetHoles, width: width, count: usable)
        if !lostAddresses.isEmpty {
            let count = lostAddresses.reduce(0) { $0 + $1.count }
            remarks.append("the addresses of \(count) of \(tables.count) symbols cannot be read")
        }
        hasAbsolutePerCPU = absolute
        var order: [UInt32] = []
        order.reserveCapacity(usable)
        var low: [UInt32] = []
        for (index, address) in addresses.enumerated() {
            let number = UInt32(truncatingIfNeeded: index)
            if Self.isIn(lostAddresses, index) { continue }
            if !absolute || address >= Self.upperHalf { order.append(number) } else { low.append(number) }
        }
        // The table is in address order but for the last few; a stable sort keeps the first of equals first.
        if !zip(order, order.dropFirst()).allSatisfy({ addresses[Int($0)] <= addresses[Int($1)] }) {
            order.sort { (addresses[Int($0)], $0) < (addresses[Int($1)], $1) }
        }
        sorted = order
        low.sort { (addresses[Int($0)], $0) < (addresses[Int($1)], $1) }
        self.low = low
        // Per-CPU offsets end at __per_cpu_end; the numbers beyond are absolute symbols.
        perCPUEnd = absolute ? 1 << 20 : 0
        let lost =
            names.tokens.lost == 0
            ? names.lost
            : addresses.indices.reduce(0) { lost, index in
                names.expand(index) { _ in } ? lost : lost + 1
            }
        if lost > 0 { remarks.append("the names of \(lost) of \(tables.count) symbols are lost") }
        self.remarks = remarks
    }

    private static let upperHalf: UInt64 = 1 << 63

    /// The symbols whose addresses lie in holes, and those before them: nobody knows how far these reach.
    private static func lost(_ holes: Holes, width: Int, count: Int) -> ([Range<Int>], Set<Int>) {
        var lost: [Range<Int>] = []
        for hole in holes.ranges {
            let range = hole.lowerBound / width..<min((hole.upperBound + width - 1) / width, count)
            if !range.isEmpty { lost.append(range) }
        }
        return (lost, Set(lost.map { $0.lowerBound - 1 }))
    }

    private static func isIn(_ ranges: [Range<Int>], _ index: Int) -> Bool {
        !ranges.isEmpty && ranges.contains { $0.contains(index) }
    }

    /// What the linker script bounds as read-only data, without what is read-only once the kernel has booted: variables
    /// as others are (include/asm-generic/vmlinux.lds.h, RO_DATA).
    private var readOnlyRanges: [Range<UInt64>] {
        readOnly.withLock { known in
            if let known { return known }
            func address(_ name: String) -> UInt64? { symbols(named: name).first?.address.rawValue }
            func range(_ start: UInt64?, _ end: UInt64?) -> Range<UInt64>? {
                guard let start, let end, start < end else { return nil }
                return start..<end
            }
            var made: [Range<UInt64>] = []
            if let all = range(address("__start_rodata"), address("__end_rodata")) {
                if let later = range(address("__start_ro_after_init"), address("__end_ro_after_init")) {
                    made = [all.clamped(to: 0..<later.lowerBound), all.clamped(to: later.upperBound..<UInt64.max)]
                } else {
                    made = [all]
                }
            }
            known = made
            return made
        }
    }

    /// What the linker script bounds as data. Where one input section of `.data` is marked as code all of `.data` is (7.3), and
    /// `nm`, which wrote the letters, calls what is in it text.
    private var dataRanges: [Range<UInt64>] {
        data.withLock { known in
            if let known { return known }
            let bounds = [
                ("_sdata", "_edata"), ("__start_rodata", "__end_rodata"), ("__bss_start", "__bss_stop"),
            ]
            let made = bounds.compactMap { first, last -> Range<UInt64>? in
                guard let start = indices(named: first).first, let end = indices(named: last).first else { return nil }
                return addresses[start] < addresses[end] ? addresses[start]..<addresses[end] : nil
            }
            known = made
            return made
        }
    }

    package var count: Int { addresses.count }

    private static func addresses(_ tables: KallsymsTables, _ count: Int) -> ([UInt64], Bool) {
        tables.offsets.withBytes { span in
            var raw: [Int64] = []
            raw.reserveCapacity(count)
            if tables.isAbsolute {
                return ((0..<count).map { span.little($0 * 8, as: UInt64.self) ?? 0 }, true)
            }
            if let start = tables.offsetsAddress {
                let addresses = (0..<count).map { index -> UInt64 in
                    let value = Int64(span.little(index * 4, as: Int32.self) ?? 0)
                    return start.rawValue &+ UInt64(index * 4) &+ UInt64(bitPattern: value)
                }
                return (addresses, false)
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

    private func withChains<Result>(_ body: (NameChains) -> Result) -> Result {
        chains.withLock { known in
            if let known { return body(known) }
            var made = NameChains(count: addresses.count)
            for index in addresses.indices.reversed() {
                var hash = NameFNV()
                var isLetter = true
                let isSound = names.expand(index) { byte in
                    if !isLetter { hash.add(byte) }
                    isLetter = false
                }
                if isSound, !Self.isIn(lostAddresses, index) { made.enter(index, hash: hash.value) }
            }
            known = made
            return body(made)
        }
    }

    /// Nil when the symbol's name is lost.
    private func make(_ index: Int) -> Symbol? {
        var text: [UInt8] = []
        guard names.expand(index, { text.append($0) }), let letter = text.first, !Self.isIn(lostAddresses, index)
        else { return nil }
        let address = addresses[index]
        let lower = letter | 0x20
        var kind: Symbol.Kind
        switch lower {
        case 0x74, 0x77: kind = dataRanges.contains { $0.contains(address) } ? .object : .function
        case 0x61: kind = .absolute
        default: kind = .object
        }
        if hasAbsolutePerCPU, address < Self.upperHalf { kind = address < perCPUEnd ? .perCPU : .absolute }
        let binding: Symbol.Binding = lower == 0x77 || lower == 0x76 ? .weak : letter & 0x20 == 0 ? .global : .local
        return Symbol(
            name: String(decoding: text.dropFirst(), as: UTF8.self), address: VirtualAddress(address),
            size: size(of: index), kind: kind, binding: binding, isSizeBound: true)
    }

    /// Sizes are not stored: a symbol reaches to the next one at another address.
    private func size(of index: Int) -> UInt64 {
        let address = addresses[index]
        let isLow = hasAbsolutePerCPU && address < Self.upperHalf
        // A number that is no address has no extent.
        if isLow, address >= perCPUEnd { return 0 }
        if openEnded.contains(index) { return 0 }
        let order = isLow ? low : sorted
        let next = upperBound(address, order)
        return next < order.count ? addresses[Int(order[next])] &- address : 0
    }

    /// The first place in `order`, which is `sorted` or `low`, whose address is beyond `address`.
    private func upperBound(_ address: UInt64, _ order: [UInt32]) -> Int {
        var first = 0
        var last = order.count
        while first < last {
            let middle = (first + last) / 2
            if addresses[Int(order[middle])] <= address { first = middle + 1 } else { last = middle }
        }
        return first
    }

    /// In read-only data lie strings and constants that have no symbol, after whatever variable comes before them:
    /// there a symbol covers nothing but the place that it names. The letter of `nm` tells read-only data only where its
    /// section is not marked as writable, as that of many kernels is for the sake of what is written at boot.
    private func coversWhatFollows(_ index: Int) -> Bool {
        if openEnded.contains(index) { return false }
        let address = addresses[index]
        if readOnlyRanges.contains(where: { $0.contains(address) }) { return false }
        var letter: UInt8 = 0
        _ = names.expand(index) { if letter == 0 { letter = $0 | 0x20 } }
        switch letter {
        case 0x72, 0x76: return false  // r, v
        default: return true
        }
    }

    package func symbols(named name: String) -> [Symbol] {
        indices(named: name).compactMap { make($0) }.sorted { $0.address < $1.address }
    }

    private func indices(named name: String) -> [Int] {
        let wanted = Array(name.utf8)
        return withChains { chains -> [Int] in
            var found: [Int] = []
            chains.forEach(hash: NameFNV.of(wanted)) { index in
                if isNamed(index, wanted) { found.append(index) }
                return found.count < Self.mostOfOneName
            }
            return found
        }
    }

    private func isNamed(_ index: Int, _ wanted: [UInt8]) -> Bool {
        var at = -1
        var same = true
        let isSound = names.expand(index) { byte in
            if at >= 0, at >= wanted.count || wanted[at] != byte { same = false }
            at += 1
        }
        return isSound && same && at == wanted.count
    }

    package func symbol(covering address: VirtualAddress) -> Symbol? {
        let next = upperBound(address.rawValue, sorted)
        guard next > 0 else { return nil }
        // Beyond the image nothing is covered: the last symbol has no size.
        if next == sorted.count, address.rawValue &- addresses[Int(sorted[next - 1])] > 4096 { return nil }
        let nearest = addresses[Int(sorted[next - 1])]
        var candidates: [Symbol] = []
        var position = next - 1
        while position >= 0, addresses[Int(sorted[position])] == nearest, next - position < 64 {
            let index = Int(sorted[position])
            if nearest == address.rawValue || coversWhatFollows(index), let symbol = make(index) {
                candidates.append(symbol)
            }
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
            for index in low { if let symbol = make(Int(index)) { try body(symbol) } }
        }
        for index in sorted { if let symbol = make(Int(index)) { try body(symbol) } }
    }
}

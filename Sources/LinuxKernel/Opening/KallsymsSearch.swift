// Finds kallsyms in physical memory, when nothing says where it is: the tables validate each other.
//
// The only bytes that are the same in every kernel are those of ten tokens: a token that no longer name uses stands
// for its own character, and the digits always do, so that "0\01\0...9\0" is tokens 48 to 57 of
// kallsyms_token_table. From there: 48 strings back and 198 forward make the table; kallsyms_token_index behind it must
// hold the offsets of just these strings. What is left to find lies around it in one of two orders
// (404bad70fcf7 changed it in 6.4):
//
//   until 6.3   offsets, relative_base, num_syms, names, markers, [seqs_of_names], token_table, token_index
//   since 6.4   num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names
//
// and since 7.0 (a081b5789255) as since 6.4, without relative_base.
//
// Every label is aligned to 8 bytes. A number of symbols is believed when that many names, read from behind it, end
// where markers begin that count them.

internal import Bytes
internal import DebugInfo
internal import DebugModel
internal import Memory
internal import Target

final class KallsymsSearch {
    private let memory: any PhysicalMemory

    /// Names of the largest kernels are some 8 MiB.
    private static let reach: UInt64 = 24 << 20
    private static let digits: [UInt8] = (0x30...0x39).flatMap { [UInt8($0), 0] }
    /// How often the digits may be looked around, and how many names read in vain, before the search gives up: a
    /// dump's memory may be made to look like tables everywhere. Real dumps have a handful of hits, and a few
    /// thousand numbers in vain.
    private var hitsLeft = 1 << 14
    private var namesLeft = 1 << 28
    /// Why the search ended early.
    private(set) var remark: String?
    /// The last bytes of the page looked at last, and the place behind it.
    private var tail: [UInt8] = []
    private var expected: PhysicalAddress?

    private let progress: Progress

    init(memory: any PhysicalMemory, progress: Progress = .none) {
        self.memory = memory
        self.progress = progress
    }

    /// Calls `accept` with each set of tables that hold together, and where, until it returns true; those in pages
    /// before `start` are left out. Memory may hold an earlier kernel's tables, and copies: the caller verifies.
    func find(
        from start: PhysicalAddress = PhysicalAddress(0), accept: (_ symbols: Kallsyms, PhysicalAddress) -> Bool
    ) {
        memory.forEachSavedPage(progress) { base in
            guard base.advanced(by: UInt64(memory.pageSize)) > start else { return true }
            guard let page = try? memory.page(containing: base).bytes else { return true }
            return !look(at: page, base, accept: accept)
        }
    }

    /// Looks for tables whose digits begin in this page, or on the one before it and end on this one. True when
    /// nothing is left to look for: `accept` took some, or the search gave up.
    func look(
        at page: ByteSlice, _ base: PhysicalAddress, accept: (_ symbols: Kallsyms, PhysicalAddress) -> Bool
    ) -> Bool {
        var hits = Self.hits(page)
        if expected == base, Self.mayCross(tail.last ?? 0xff, page[0] ?? 0xff) {
            hits += Self.hits(ByteSlice(tail + page.clamped(0, 32).array, name: "memory")).map { $0 - tail.count }
        }
        for hit in hits.isEmpty ? [] : Set(hits).sorted() {
            guard hitsLeft > 0, namesLeft > 0 else {
                remark = "too much in memory looks like kallsyms; the search ended at \(base)"
                return true
            }
            hitsLeft -= 1
            let place = PhysicalAddress(base.rawValue &+ UInt64(bitPattern: Int64(hit)))
            if let symbols = tables(aroundDigits: place), accept(symbols, place) { return true }
        }
        tail = page.clamped(UInt64(max(page.count - 19, 0)), 19).array
        expected = base.advanced(by: UInt64(memory.pageSize))
        return false
    }

    /// Whether two neighbouring bytes may be of the ten tokens: a digit and a NUL, in either order.
    private static func mayCross(_ last: UInt8, _ first: UInt8) -> Bool {
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        return last == 0 && isDigit(first) || isDigit(last) && first == 0
    }

    /// Offsets at which the ten tokens begin. Wherever they lie, one aligned word is all of digits and NULs in turn:
    /// a load and two comparisons for eight bytes.
    private static func hits(_ bytes: ByteSlice) -> [Int] {
        bytes.withBytes { span in
            var hits: [Int] = []
            var at = 0
            while at < span.byteCount {
                let word = (span.little(at, as: UInt64.self) ?? 0) & 0xf0f0_f0f0_f0f0_f0f0
                if word == 0x0030_0030_0030_0030 || word == 0x3000_3000_3000_3000 {
                    for start in max(at - 12, 0)...at where begins(span, start) { hits.append(start) }
                }
                at &+= 8
            }
            return hits
        }
    }

    private static func begins(_ span: RawSpan, _ at: Int) -> Bool {
        at + digits.count <= span.byteCount && digits.indices.allSatisfy { span.u8(at + $0) == digits[$0] }
    }

    private func read(_ address: PhysicalAddress, _ count: UInt64) -> ByteSlice? {
        guard count < 1 << 28 else { return nil }
        return try? memory.read(address, count: Int(count))
    }

    /// Bytes before a place, as many as a token table may have there and the dump holds.
    private func run(before place: PhysicalAddress) -> [UInt8] {
        let low = max(firstSaved(below: place, reach: 2048).rawValue, place.rawValue - min(place.rawValue, 2048))
        return read(PhysicalAddress(low), place.rawValue - low)?.array ?? []
    }

    /// Bytes from a place on, likewise.
    private func run(from place: PhysicalAddress) -> [UInt8] {
        var bytes: [UInt8] = []
        var at = place
        while bytes.count < 6144, let page = try? memory.page(containing: at) {
            bytes += page.bytes.clamped(at.rawValue - page.base.rawValue, 6144).array
            at = page.base.advanced(by: UInt64(memory.pageSize))
        }
        return bytes
    }

    /// All tables, from the place of token 48.
    private func tables(aroundDigits place: PhysicalAddress) -> Kallsyms? {
        guard let (table, size, index) = tokens(place) else { return nil }
        let indexPlace = PhysicalAddress((table.rawValue &+ size &+ 7) & ~7)
        guard let tokenBytes = read(table, size) else { return nil }
        // The names lie before the tokens, in what is there of the reach.
        let lowest = firstSaved(below: table)
        var below: UInt64 = 1 << 16
        var tried: UInt64 = 0
        while namesLeft > 0 {
            let distance = min(below, Self.reach, table.rawValue - lowest.rawValue)
            guard distance > tried, let window = read(PhysicalAddress(table.rawValue - distance), distance) else {
                break
            }
            if let symbols = search(
                window, from: tried, table: table, tokens: tokenBytes, index: index,
                behind: indexPlace.advanced(by: UInt64(512)))
            {
                return symbols
            }
            tried = distance
            below *= 4
        }
        return nil
    }

    /// The start of the run of saved pages that `place` lies in, as far as the reach.
    private func firstSaved(below place: PhysicalAddress, reach: UInt64 = reach) -> PhysicalAddress {
        let size = UInt64(memory.pageSize)
        var first = place.pageStart(memory.pageSize)
        while place.rawValue - first.rawValue < reach, first.rawValue >= size,
            (try? memory.page(containing: PhysicalAddress(first.rawValue - size))) != nil
        {
            first = PhysicalAddress(first.rawValue - size)
        }
        return first
    }

    /// The token table around token 48: its start, its size, and the index behind it.
    private func tokens(_ place: PhysicalAddress) -> (PhysicalAddress, UInt64, ByteSlice)? {
        let back = run(before: place)
        let forward = run(from: place)
        guard back.last == 0 else { return nil }
        // Step over the strings of tokens 47 to 1; bytes of another table may be glued to token 0.
        var at = back.count - 1
        for _ in 0..<47 {
            guard let previous = back[..<at].lastIndex(of: 0) else { return nil }
            at = previous
        }
        let first = UInt64(back.count - (at + 1))
        var end = 0
        for _ in 48..<256 {
            guard end < forward.count, let next = forward[end...].firstIndex(of: 0) else { return nil }
            end = next + 1
        }
        let indexAt = (place.rawValue &+ UInt64(end) &+ 7) & ~7
        guard let index = read(PhysicalAddress(indexAt), 512) else { return nil }
        func entry(_ number: Int) -> UInt64 { UInt64(index.withBytes { $0.little(number * 2, as: UInt16.self) } ?? 0) }
        // Token 1 begins `first` bytes before token 48, and entry(1) bytes behind the start.
        guard entry(0) == 0, entry(48) == entry(1) + first else { return nil }
        for number in 48..<58 where entry(number) != entry(48) + UInt64(number - 48) * 2 { return nil }
        for number in 1..<256 where entry(number) <= entry(number - 1) { return nil }
        return (PhysicalAddress(place.rawValue - entry(48)), entry(48) + UInt64(end), index)
    }

    /// Looks through the bytes before the tokens, backwards, for a number that as many names follow.
    private func search(
        _ window: ByteSlice, from tried: UInt64, table: PhysicalAddress, tokens: ByteSlice, index: ByteSlice,
        behind: PhysicalAddress
    ) -> Kallsyms? {
        let start = table.rawValue - UInt64(window.count)
        var at = window.count - 16 - Int(min(tried, UInt64(window.count)))
        // Labels are aligned to 8, as addresses.
        at -= Int((start &+ UInt64(max(at, 0))) & 7)
        while at >= 0, namesLeft > 0 {
            let number = window.withBytes { $0.little(at, as: UInt64.self) } ?? 0
            // A name takes at least two bytes, and the markers four for each 256.
            if number >= 256, number < UInt64((window.count - at) / 2),
                window.withBytes({ namesEnd($0, at + 8, Int(number)) }) != nil
            {
                var tables = KallsymsTables(
                    count: Int(number), names: window.clamped(UInt64(at + 8), .max), tokens: tokens, tokenIndex: index,
                    offsets: .empty, relativeBase: 0)
                let size = (number * 4 + 7) & ~7
                let labels: [(PhysicalAddress, PhysicalAddress)] = [
                    (behind, behind.advanced(by: size)),
                    (
                        PhysicalAddress(start &+ UInt64(at) &- 8 &- size),
                        PhysicalAddress(start &+ UInt64(at) &- 8)
                    ),
                ]
                for (offsets, base) in labels {
                    guard let relative = try? memory.word(at: base), relative >= LinuxX86_64.imageMap,
                        relative & 0xfff == 0, let bytes = read(offsets, number * 4)
                    else { continue }
                    tables.offsets = bytes
                    tables.relativeBase = relative
                    if let symbols = try? Kallsyms(tables), symbols.remarks.isEmpty { return symbols }
                }
                if let symbols = placeRelative(tables, behind) { return symbols }
            }
            at -= 8
        }
        return nil
    }

    /// Tables without a base, whose offsets count from their own places. The image is one piece of physical memory, so
    /// that they lead to physical places as well as to virtual ones: to `phys_base`, which tells one from the other.
    private func placeRelative(_ tables: KallsymsTables, _ offsets: PhysicalAddress) -> Kallsyms? {
        guard let bytes = read(offsets, UInt64(tables.count) * 4) else { return nil }
        var tables = tables
        tables.offsets = bytes
        tables.offsetsAddress = VirtualAddress(offsets.rawValue)
        guard let physical = try? Kallsyms(tables), physical.remarks.isEmpty,
            let variable = physical.symbols(named: "phys_base").first?.address,
            let text = physical.symbols(named: "_text").first?.address,
            let base = try? memory.word(at: PhysicalAddress(variable.rawValue))
        else { return nil }
        let shift = LinuxX86_64.imageMap &- base
        guard (text.rawValue &+ shift) & 0xfff == 0, text.rawValue &+ shift >= LinuxX86_64.imageMap else { return nil }
        tables.offsetsAddress = VirtualAddress(offsets.rawValue &+ shift)
        return try? Kallsyms(tables)
    }

    /// Where `count` names from `start` end, if markers follow them; nil otherwise. Both ways of writing lengths.
    private func namesEnd(_ span: RawSpan, _ start: Int, _ count: Int) -> Int? {
        for long in [true, false] {
            var at = start
            var second = 0
            var number = 0
            while number < count, at < span.byteCount {
                if number == 256 { second = at - start }
                let first = Int(span.u8(at))
                let wide = long && first & 0x80 != 0
                let length = wide ? first & 0x7f | Int(span.u8(at + 1)) << 7 : first
                if length == 0 { break }
                at += (wide ? 2 : 1) + length
                number += 1
            }
            namesLeft -= number
            guard number == count else { continue }
            let markers = start + (at - start + 7) & ~7
            if span.little(markers, as: UInt32.self) == 0,
                count <= 256 || span.little(markers + 4, as: UInt32.self) == UInt32(truncatingIfNeeded: second)
            {
                return at
            }
        }
        return nil
    }
}

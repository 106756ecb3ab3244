// The compressed names of kallsyms: where each stands, and what it reads.

internal import Bytes

/// The names in table order.
///
/// They stand one after another, each behind its length, so that one damaged length would lose all that follow. But
/// `kallsyms_markers` say where every 256th begins: when the names read in one go do not meet the markers, each run
/// of 256 is read on its own, and only those runs are lost that do not end where the next one begins.
struct KallsymsNames: Sendable {
    private let names: ByteSlice
    let tokens: KallsymsTokens
    /// By symbol: the place of its length byte, or `lostPlace`.
    let places: [UInt32]
    /// Whether a length byte with bit 7 set is the first of two (6.1, 73bbb94466fd); before, lengths of 128 and more
    /// are plain. No release tells: the markers do.
    private let hasLongLengths: Bool
    /// Symbols whose name is lost.
    let lost: Int

    static let lostPlace = UInt32.max
    /// More than KSYM_NAME_LEN (512) with its letter: a name that expands to more is damaged.
    private static let longest = 1024

    /// Nil when not one name can be read.
    init?(_ tables: KallsymsTables) {
        names = tables.names
        tokens = KallsymsTokens(tables.tokens, index: tables.tokenIndex, holes: tables.tokenHoles)
        // A name takes two bytes at least: no more can be there, whatever the count says.
        let count = min(tables.count, tables.names.count / 2)
        let readings = [true, false].map { (long: $0, run: Self.run(tables.names, count, long: $0)) }
        if let whole = readings.first(where: { $0.run.places.count == count && $0.run.meetsMarkers }), count > 0 {
            places = Self.outside(tables.nameHoles, whole.run.places, tables.names, long: whole.long)
            hasLongLengths = whole.long
        } else {
            let blocks = [true, false].map { (long: $0, places: Self.blocks(tables.names, count, long: $0)) }
            let all = blocks + readings.map { (long: $0.long, places: $0.run.places) }
            func sound(_ places: [UInt32]) -> Int { places.reduce(0) { $0 + ($1 == Self.lostPlace ? 0 : 1) } }
            // Of all readings the one that gives most; the markers' own before a run that happens to give as many.
            var best: (long: Bool, places: [UInt32])?
            for reading in all where sound(reading.places) > best.map({ sound($0.places) }) ?? 0 { best = reading }
            guard let best else { return nil }
            places = Self.outside(tables.nameHoles, best.places, tables.names, long: best.long)
            hasLongLengths = best.long
        }
        lost = places.reduce(0) { $0 + ($1 == Self.lostPlace ? 1 : 0) }
    }

    /// The places without those of names that reach into a hole.
    private static func outside(_ holes: Holes, _ places: [UInt32], _ names: ByteSlice, long: Bool) -> [UInt32] {
        guard !holes.isEmpty else { return places }
        return names.withBytes { span in
            places.map { place in
                guard place != lostPlace else { return place }
                let (length, header) = length(span, Int(place), long: long)
                return holes.touch(Int(place)..<Int(place) + header + length) ? lostPlace : place
            }
        }
    }

    @inline(__always)
    private static func length(_ names: RawSpan, _ at: Int, long: Bool) -> (length: Int, header: Int) {
        let first = Int(names.u8(at))
        guard long, first & 0x80 != 0 else { return (first, 1) }
        return (first & 0x7f | Int(names.u8(at + 1)) << 7, 2)
    }

    /// Reads up to `count` names from `start` on, none beyond `end`; returns where they end.
    private static func read(
        _ names: RawSpan, from start: Int, to end: Int, _ count: Int, long: Bool, _ body: (UInt32) -> Void
    ) -> (read: Int, end: Int) {
        var at = start
        var read = 0
        while read < count, at < end {
            let (length, header) = length(names, at, long: long)
            guard length > 0, at + header + length <= end else { break }
            body(UInt32(truncatingIfNeeded: at))
            at += header + length
            read += 1
        }
        return (read, at)
    }

    /// All names in one go, and whether markers follow the last one that say where these names begin.
    private static func run(_ slice: ByteSlice, _ count: Int, long: Bool) -> (places: [UInt32], meetsMarkers: Bool) {
        slice.withBytes { names in
            var places: [UInt32] = []
            places.reserveCapacity(count)
            let (_, end) = read(names, from: 0, to: names.byteCount, count, long: long) { places.append($0) }
            let markers = (end + 7) & ~7
            var meets = true
            for (number, index) in stride(from: 0, to: places.count, by: 256).enumerated()
            where names.little(markers + number * 4, as: UInt32.self) != places[index] {
                meets = false
                break
            }
            return (places, meets)
        }
    }

    /// The names by runs of 256, as the markers say; empty when the markers are not found.
    private static func blocks(_ slice: ByteSlice, _ count: Int, long: Bool) -> [UInt32] {
        guard let (markers, end) = markers(slice, count) else { return [] }
        return slice.withBytes { names in
            var places: [UInt32] = []
            places.reserveCapacity(count)
            for (block, start) in markers.enumerated() {
                let size = min(256, count - block * 256)
                let next = block + 1 < markers.count ? Int(markers[block + 1]) : end
                let before = places.count
                var sound = Int(start) < next && next <= end
                if sound {
                    let (read, stop) = read(names, from: Int(start), to: next, size, long: long) { places.append($0) }
                    // Behind the last block there are up to seven bytes of padding.
                    sound = read == size && (block + 1 < markers.count ? stop == next : (stop + 7) & ~7 == next)
                }
                if !sound {
                    places.removeSubrange(before...)
                    places.append(contentsOf: repeatElement(lostPlace, count: size))
                }
            }
            return places
        }
    }

    /// The markers, found from behind: before the token table, or before the sequence numbers that may stand between
    /// (6.1 to 6.3). With where the names end.
    private static func markers(_ slice: ByteSlice, _ count: Int) -> (markers: [UInt32], end: Int)? {
        let blocks = (count + 255) / 256
        guard blocks > 0 else { return nil }
        return slice.withBytes { names in
            for behind in [0, (count * 3 + 7) & ~7] {
                let at = (names.byteCount & ~7) - behind - (blocks * 4 + 7) & ~7
                guard at > 0, names.little(at, as: UInt32.self) == 0 else { continue }
                let markers = (0..<blocks).map { names.little(at + $0 * 4, as: UInt32.self) ?? 0 }
                // Damage may have reached the markers too: one in ten may be wrong.
                let rising = zip(markers, markers.dropFirst()).filter { $0 < $1 && Int($1) < at }.count
                if rising * 10 >= (blocks - 1) * 9 { return (markers, at) }
            }
            return nil
        }
    }

    /// Calls `body` with the characters of a symbol's entry, the letter of `nm` first. False when the name is lost,
    /// or uses a token that is.
    @inline(__always)
    func expand(_ index: Int, _ body: (UInt8) -> Void) -> Bool {
        let place = places[index]
        guard place != Self.lostPlace else { return false }
        return names.withBytes { names in
            let (length, header) = Self.length(names, Int(place), long: hasLongLengths)
            var left = Self.longest
            var at = Int(place) + header
            let end = at + length
            while at < end {
                guard
                    tokens.expand(
                        names.u8(at),
                        { byte in
                            left -= 1
                            if left >= 0 { body(byte) }
                        }), left >= 0
                else { return false }
                at += 1
            }
            return true
        }
    }
}

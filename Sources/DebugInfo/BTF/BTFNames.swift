// Names of one BTF blob: its strings, and a hash of the types that have them.

internal import Bytes

/// The string section of a blob, whose offsets go on from the base's.
struct BTFStrings: Sendable {
    /// Beyond what the kernel allows (KSYM_NAME_LEN, 512 since 6.1); a string section without a NUL ends there.
    static let longest = 512

    let bytes: ByteSlice
    /// Where strings are lost.
    var holes = Holes()
    /// The offset of the first string, as types name it.
    let first: UInt32

    /// The offset after the last string.
    var end: UInt32 { first &+ UInt32(truncatingIfNeeded: bytes.count) }

    /// The string at an offset of these strings; nil for an offset that lies outside.
    func text(_ offset: UInt32) -> String? {
        guard offset >= first, Int(offset - first) < bytes.count else { return offset == 0 ? "" : nil }
        let text = bytes.clamped(UInt64(offset - first), UInt64(Self.longest)).cString
        let start = Int(offset - first)
        // A string that ends in a hole only seems to.
        if !holes.isEmpty, holes.touch(start..<start + text.utf8.count + 1) { return nil }
        return text
    }

    /// The hash of the string at an offset of these strings.
    static func hash(_ strings: RawSpan, _ start: Int) -> UInt32 {
        var hash = NameFNV()
        let end = min(strings.byteCount, start &+ longest)
        var at = start
        while at < end {
            let byte = strings.u8(at)
            if byte == 0 { break }
            hash.add(byte)
            at += 1
        }
        return hash.value
    }
}

/// From a name to the indices of the types that may have it.
struct BTFNames: Sendable {
    private let chains: NameChains

    /// `baseString` gives the strings below the first one, which are the base's.
    init(
        places: [UInt32], types: ByteSlice, order: ByteOrder, strings: BTFStrings, baseString: (UInt32) -> String?
    ) {
        var chains = NameChains(count: places.count)
        types.withBytes { types in
            strings.bytes.withBytes { span in
                for index in places.indices.reversed() {
                    guard places[index] != BTFScan.lostPlace,
                        let name = types.integer(Int(places[index]), order, as: UInt32.self), name != 0
                    else {
                        continue
                    }
                    if name >= strings.first {
                        chains.enter(index, hash: BTFStrings.hash(span, Int(name - strings.first)))
                    } else if let text = baseString(name) {
                        chains.enter(index, hash: NameFNV.of(text.utf8))
                    }
                }
            }
        }
        self.chains = chains
    }

    /// Ascending indices of the types that may be called `name`; the caller compares the names.
    func candidates(_ name: String) -> [UInt32] {
        var found: [UInt32] = []
        chains.forEach(hash: NameFNV.of(name.utf8)) {
            found.append(UInt32(truncatingIfNeeded: $0))
            return true
        }
        return found
    }
}

// The tables of kallsyms made of names and addresses, in every layout that kernels have had.

/// SOURCE: scripts/kallsyms.c of the releases named below.
package struct KallsymsBuilder: Sendable {
    /// What stands where; every label is aligned to 8.
    package enum Order: Sendable, CaseIterable {
        /// Until 6.3: offsets, relative_base, num_syms, names, markers, token_table, token_index.
        case offsetsFirst
        /// 6.1 to 6.3: as before, with seqs_of_names before the tokens.
        case offsetsFirstWithSequence
        /// Since 6.4: num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names.
        case namesFirst
    }

    package var order = Order.namesFirst
    /// CONFIG_KALLSYMS_ABSOLUTE_PERCPU: addresses are -1 - offset, other values stand for themselves.
    package var isAbsolutePerCPU = true
    /// Whether lengths of 128 and more take two bytes (since 6.1).
    package var hasLongLengths = true
    package var relativeBase: UInt64 = 0xffff_ffff_8100_0000
    /// Where the first byte of the image is, for offsets that count from their own places and have no base (since 7.0).
    package var placeRelative: UInt64?
    package private(set) var symbols: [(letter: Character, name: String, value: UInt64)] = []
    /// Tokens of more than one character, by number; the numbers must be those of characters that no name uses.
    package var tokens: [UInt8: String] = [0x01: "sys_", 0x02: "_call", 0x80: "long_piece_of_a_name_"]

    package init() {}

    /// Symbols are added in the order of the table: those that are no addresses first, then by address.
    package mutating func add(_ letter: Character, _ name: String, _ value: UInt64) {
        symbols.append((letter, name, value))
    }

    /// The bytes with the offset of each label: `kallsyms_names`, ... without the prefix.
    package struct Image: Sendable {
        package let bytes: [UInt8]
        package let labels: [String: Int]

        package subscript(label: String) -> Int { labels[label] ?? 0 }
    }

    package func build() -> Image {
        var names: [UInt8] = []
        var markers: [UInt8] = []
        for (index, symbol) in symbols.enumerated() {
            if index % 256 == 0 { markers += Self.word(UInt64(names.count), 4) }
            let entry = compress(Array("\(symbol.letter)\(symbol.name)".utf8))
            if hasLongLengths, entry.count >= 128 {
                names += [UInt8(entry.count & 0x7f) | 0x80, UInt8(entry.count >> 7)]
            } else {
                names.append(UInt8(truncatingIfNeeded: entry.count))
            }
            names += entry
        }
        var table: [UInt8] = []
        var index: [UInt8] = []
        for token in 0...255 {
            index += Self.word(UInt64(table.count), 2)
            table += text(UInt8(token)) + [0]
        }
        let offsets = symbols.flatMap { Self.word(offset($0.value), 4) }
        if let start = placeRelative {
            let parts = [("num_syms", Self.word(UInt64(symbols.count), 4)), ("names", names), ("markers", markers)]
            let pieces = [("token_table", table), ("token_index", index)]
            let place = start &+ UInt64(Self.lay(parts + pieces).bytes.count)
            let values = symbols.enumerated().flatMap { index, symbol in
                Self.word(symbol.value &- (place &+ UInt64(index * 4)), 4)
            }
            return Self.lay(parts + pieces + [("offsets", values), ("seqs_of_names", sequence())])
        }
        let base = ("relative_base", Self.word(relativeBase, 8))
        let number = ("num_syms", Self.word(UInt64(symbols.count), 4))
        let sequence = ("seqs_of_names", sequence())
        let middle = [number, ("names", names), ("markers", markers)]
        let pieces = [("token_table", table), ("token_index", index)]
        switch order {
        case .offsetsFirst: return Self.lay([("offsets", offsets), base] + middle + pieces)
        case .offsetsFirstWithSequence: return Self.lay([("offsets", offsets), base] + middle + [sequence] + pieces)
        case .namesFirst: return Self.lay(middle + pieces + [("offsets", offsets), base, sequence])
        }
    }

    private static func lay(_ parts: [(String, [UInt8])]) -> Image {
        var bytes: [UInt8] = []
        var labels: [String: Int] = [:]
        for (label, content) in parts {
            labels[label] = bytes.count
            bytes += content
            while bytes.count % 8 != 0 { bytes.append(0) }
        }
        return Image(bytes: bytes, labels: labels)
    }

    private static func word(_ value: UInt64, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    private func offset(_ value: UInt64) -> UInt64 {
        guard isAbsolutePerCPU else { return value &- relativeBase }
        return value < 1 << 31 ? value : relativeBase &- 1 &- value
    }

    /// Indices in the order of names, 3 bytes each, the highest first.
    private func sequence() -> [UInt8] {
        symbols.indices.sorted { symbols[$0].name < symbols[$1].name }
            .flatMap { Self.word(UInt64($0), 3).reversed() }
    }

    /// Printable characters stand for themselves; others are pieces, or no token at all.
    private func text(_ token: UInt8) -> [UInt8] {
        if let piece = tokens[token] { return Array(piece.utf8) }
        return (0x21..<0x7f).contains(token) ? [token] : []
    }

    private func compress(_ entry: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var at = 0
        while at < entry.count {
            if let (token, piece) = tokens.first(where: { entry[at...].starts(with: Array($0.value.utf8)) }) {
                output.append(token)
                at += piece.utf8.count
            } else {
                output.append(entry[at])
                at += 1
            }
        }
        return output
    }
}

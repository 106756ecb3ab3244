// Puts the entries of all threads in the order in which they are looked up.

internal import Bytes

extension IndexImage {
    /// The image of `found`: by name, definitions in the order of how often they were met. Declarations of what is
    /// defined under the same name are left out. `directories` are those of `sections`.
    static func make(
        _ found: [IndexEntry], directories: [UnitDirectory], file: DWARFFile
    ) throws(ParseFault) -> ByteSlice {
        // About two entries a bucket.
        var bits = 0
        while bits < 28, 1 << (bits + 1) < found.count { bits += 1 }
        let hashes = try IndexNames(file).hashes(found)
        let order = IndexOrder(found, hashes, bits: bits)
        let units = directories.reduce(0) { $0 + $1.starts.count }
        let size = headerSize + 8 * units + 4 * (1 << bits + 1) + entrySize * order.places.count
        let storage = ByteStorage(name: "index", count: size) { (output: inout MutableRawSpan) -> Int in
            writeHeader(&output, directories, bits: bits, entries: order.places.count, size: size)
            var writer = ImageWriter(at: headerSize)
            for directory in directories { for start in directory.starts { writer.write(start, &output) } }
            for start in order.buckets { writer.write(start, &output) }
            for place in order.places {
                let entry = found[Int(place)]
                writer.write(hashes[Int(place)], &output)
                writer.write(entry.name, &output)
                writer.write(entry.die.rawValue, &output)
            }
            output.storeBytes(of: IndexHeader.checksum(output.bytes).littleEndian, toByteOffset: 24, as: UInt64.self)
            return size
        }
        return ByteSlice(storage)
    }

    private static func writeHeader(
        _ output: inout MutableRawSpan, _ directories: [UnitDirectory], bits: Int, entries: Int, size: Int
    ) {
        var writer = ImageWriter(at: 0)
        writer.write(magic, &output)
        writer.write(version, &output)
        writer.write(UInt32(truncatingIfNeeded: bits), &output)
        writer.write(UInt64(truncatingIfNeeded: size), &output)
        writer.write(UInt64(0), &output)
        writer.write(UInt32(truncatingIfNeeded: entries), &output)
        for directory in directories { writer.write(UInt32(truncatingIfNeeded: directory.starts.count), &output) }
        writer.write(UInt32(0), &output)
        for directory in directories { writer.write(directory.end, &output) }
    }
}

/// Writes one number after another; what does not fit is dropped.
private struct ImageWriter {
    private var at: Int

    init(at: Int) { self.at = at }

    @inline(__always)
    mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ output: inout MutableRawSpan) {
        guard at <= output.byteCount &- MemoryLayout<T>.size else { return }
        output.storeBytes(of: value.littleEndian, toByteOffset: at, as: T.self)
        at &+= MemoryLayout<T>.size
    }
}

/// Entries by bucket, and within each by hash, kind and merit.
private struct IndexOrder {
    /// Where each bucket begins in `places`; one more than there are buckets.
    private(set) var buckets: [UInt32]
    /// Indices of entries.
    private(set) var places: [UInt32]

    init(_ entries: [IndexEntry], _ hashes: [UInt32], bits: Int) {
        buckets = [UInt32](repeating: 0, count: 1 << bits + 1)
        places = []
        let shift = UInt32(truncatingIfNeeded: 32 &- bits)
        for hash in hashes where hash != 0 { buckets[Int(hash >> shift) &+ 1] &+= 1 }
        for bucket in 1..<buckets.count { buckets[bucket] &+= buckets[bucket &- 1] }
        places = [UInt32](repeating: 0, count: Int(buckets[buckets.count &- 1]))
        var next = buckets
        for index in hashes.indices where hashes[index] != 0 {
            let bucket = Int(hashes[index] >> shift)
            places[Int(next[bucket])] = UInt32(truncatingIfNeeded: index)
            next[bucket] &+= 1
        }
        sortBuckets(entries, hashes)
    }

    /// Sorts each bucket, and closes up over the declarations that are not needed.
    private mutating func sortBuckets(_ entries: [IndexEntry], _ hashes: [UInt32]) {
        func precedes(_ left: UInt32, _ right: UInt32) -> Bool {
            let (first, second) = (hashes[Int(left)], hashes[Int(right)])
            return first != second ? first < second : Self.precedes(entries[Int(left)], entries[Int(right)])
        }
        var kept = 0
        for bucket in 0..<buckets.count &- 1 {
            let range = Int(buckets[bucket])..<Int(buckets[bucket &+ 1])
            if range.count > 16 { places[range].sort(by: precedes) } else { insertionSort(range, precedes) }
            buckets[bucket] = UInt32(truncatingIfNeeded: kept)
            let first = kept
            for place in range {
                let index = places[place]
                if entries[Int(index)].die.isDeclaration, isDefined(index, first..<kept, entries) { continue }
                places[kept] = index
                kept &+= 1
            }
        }
        buckets[buckets.count &- 1] = UInt32(truncatingIfNeeded: kept)
        places.removeSubrange(kept...)
    }

    @inline(__always)
    private mutating func insertionSort(_ range: Range<Int>, _ precedes: (UInt32, UInt32) -> Bool) {
        for end in range.dropFirst() {
            let place = places[end]
            var at = end
            while at > range.lowerBound, precedes(place, places[at &- 1]) {
                places[at] = places[at &- 1]
                at &-= 1
            }
            places[at] = place
        }
    }

    /// Of entries with one hash: by kind, definitions before declarations, the most frequent and then the first.
    private static func precedes(_ left: IndexEntry, _ right: IndexEntry) -> Bool {
        let kinds = (left.die.kind?.rawValue ?? 0, right.die.kind?.rawValue ?? 0)
        if kinds.0 != kinds.1 { return kinds.0 < kinds.1 }
        if left.die.isDeclaration != right.die.isDeclaration { return right.die.isDeclaration }
        if left.count != right.count { return left.count > right.count }
        return left.die.place.rawValue < right.die.place.rawValue
    }

    /// Whether a definition of the same name precedes the declaration. Only the nearest are looked at: names that
    /// share hash and kind are few, or were made to be many.
    private func isDefined(_ index: UInt32, _ earlier: Range<Int>, _ entries: [IndexEntry]) -> Bool {
        let entry = entries[Int(index)]
        for place in earlier.suffix(8) {
            let other = entries[Int(places[place])]
            if !other.die.isDeclaration, other.die.kind == entry.die.kind, other.name == entry.name,
                other.die.source == entry.die.source, other.die.source != .inline,
                other.die.place.isSupplementary == entry.die.place.isSupplementary
            {
                return true
            }
        }
        return false
    }
}

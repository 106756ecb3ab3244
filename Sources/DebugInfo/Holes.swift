// Parts of a table that could not be read.

/// Where a table's bytes are zeros because the page that held them is not there: what touches one of these places is
/// lost, whatever the zeros seem to say.
package struct Holes: Sendable, Equatable {
    /// Ascending, and apart from each other; offsets in bytes.
    package let ranges: [Range<Int>]

    package init(_ ranges: [Range<Int>] = []) { self.ranges = ranges }

    package var isEmpty: Bool { ranges.isEmpty }

    /// Bytes that are missing.
    package var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// Whether a byte of `range` is missing. Complexity: linear in the holes, of which there are few.
    func touch(_ range: Range<Int>) -> Bool { first(touching: range) != nil }

    func first(touching range: Range<Int>) -> Range<Int>? { ranges.first { $0.overlaps(range) } }

    /// The holes of the part from `start` on, `count` bytes long, as offsets into that part.
    func part(_ start: Int, _ count: Int) -> Holes {
        Holes(
            ranges.compactMap { hole in
                let (low, high) = (max(hole.lowerBound - start, 0), min(hole.upperBound - start, count))
                return low < high ? low..<high : nil
            })
    }
}

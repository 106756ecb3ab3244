// The names that somebody may have meant.

package enum NearNames {
    /// At most `limit` of `names`: those that begin with `name`, then those that differ in at most a third of its letters
    /// (one at least), the nearest first.
    package static func of(_ name: String, among names: [String], limit: Int = 4) -> [String] {
        guard !name.isEmpty else { return [] }
        let wanted = Wanted(name)
        let scored = names.compactMap { candidate in
            wanted.distance(to: candidate).map { (distance: $0, name: candidate) }
        }
        return scored.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(limit).map(\.name)
    }

    /// A name that was typed, to be compared with many.
    package struct Wanted {
        private let bytes: [UInt8]
        private let allowed: Int

        package init(_ name: String) {
            bytes = Array(name.utf8)
            allowed = max(1, bytes.count / 3)
        }

        /// How much differs; nil when it is too much for a slip. 0 for what begins with the name.
        package func distance(to candidate: String) -> Int? {
            guard bytes.count <= 64 else { return nil }
            let other = Array(candidate.utf8)
            if other.starts(with: bytes) { return 0 }
            // Each letter too many or too few is one difference.
            guard abs(other.count - bytes.count) <= allowed else { return nil }
            let distance = NearNames.distance(bytes, other)
            return distance <= allowed ? distance : nil
        }
    }

    /// What to say about a command that does not exist.
    package static func unknown(_ name: String, among names: [String]) -> String {
        let near = of(name, among: names)
        let hint = near.isEmpty ? "; see: help" : "; did you mean \(near.joined(separator: ", "))?"
        return "there is no command \(Escaping.text(name))" + hint
    }

    /// "; did you mean x?", or nothing.
    package static func hint(_ name: String, among names: [String]) -> String {
        let near = of(name, among: names)
        return near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?"
    }

    /// Insertions, deletions and replacements that turn one into the other; two neighbours swapped count once.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var row = Array(0...right.count)
        for i in left.indices {
            var next = [i + 1]
            for j in right.indices {
                var best = min(row[j + 1] + 1, next[j] + 1, row[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = min(best, before[j - 1] + 1)
                }
                next.append(best)
            }
            before = row
            row = next
        }
        return row[right.count]
    }
}

// Patterns for text: contained, or with * and ? the whole of it.

/// `*` stands for any text, `?` for any character; without either the pattern may stand anywhere. Linear in the length of
/// the text times that of the pattern, whatever they are.
package struct Pattern: Sendable {
    private let pattern: [UInt8]
    private let isGlob: Bool

    package init(_ pattern: String) {
        self.pattern = Array(pattern.utf8)
        isGlob = pattern.utf8.contains(UInt8(ascii: "*")) || pattern.utf8.contains(UInt8(ascii: "?"))
    }

    package func matches(_ text: String) -> Bool {
        let text = Array(text.utf8)
        return isGlob ? glob(text) : contains(text)
    }

    private func contains(_ text: [UInt8]) -> Bool {
        guard !pattern.isEmpty else { return true }
        guard text.count >= pattern.count else { return false }
        return (0...(text.count - pattern.count)).contains { text[$0...].starts(with: pattern) }
    }

    /// The last * is the only one that ever needs another try.
    private func glob(_ text: [UInt8]) -> Bool {
        var (t, p) = (0, 0)
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

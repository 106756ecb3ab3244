// The 256 pieces that the names of kallsyms are put together from.

internal import Bytes

/// The token table, expanded, without the tokens that are damaged.
///
/// The table and its index say the same thing twice: the index holds where each of 256 strings begins. A token is
/// sound where both agree: it begins where the index says and where the strings counted so far end, or it fills the
/// index's own gap. All others are lost, and the names that use them.
struct KallsymsTokens: Sendable {
    /// A token longer than a name can be is none (KSYM_NAME_LEN).
    private static let longest = 512

    private var text: [UInt8] = []
    private var starts = [Int](repeating: 0, count: 256)
    /// 0 for a token that is lost, or that no name uses: its string is empty.
    private var lengths = [Int](repeating: 0, count: 256)
    private(set) var lost = 0

    /// Without an index the strings are counted alone.
    init(_ table: ByteSlice, index: ByteSlice, holes: Holes = Holes()) {
        let wanted = index.withBytes { span in (0..<256).map { span.little($0 * 2, as: UInt16.self).map { Int($0) } } }
        table.withBytes { span in
            var counted: Int? = 0
            for number in 0..<256 {
                let walked = counted
                counted = walked.flatMap { Self.end(span, $0) }.map { $0 + 1 }
                guard let start = index.isEmpty ? walked : wanted[number], let end = Self.end(span, start),
                    !holes.touch(start..<end + 1), fits(start, end, number)
                else {
                    lost += 1
                    continue
                }
                starts[number] = text.count
                lengths[number] = end - start
                for at in start..<end { text.append(span.u8(at)) }

                func fits(_ start: Int, _ end: Int, _ number: Int) -> Bool {
                    if walked == start { return true }
                    guard start > 0, span.u8(start - 1) == 0, number < 255 else { return false }
                    return wanted[number + 1] == end + 1
                }
            }
        }
    }

    /// Where the string from `start` ends; nil when nothing ends it.
    private static func end(_ span: RawSpan, _ start: Int) -> Int? {
        var at = start
        let limit = min(span.byteCount, start + longest)
        while at < limit {
            if span.u8(at) == 0 { return at }
            at += 1
        }
        return nil
    }

    /// Calls `body` with the characters of a token; false for one that is lost.
    @inline(__always)
    func expand(_ token: UInt8, _ body: (UInt8) -> Void) -> Bool {
        let length = lengths[Int(token)]
        let start = starts[Int(token)]
        for at in start..<start &+ length { body(text[at]) }
        return length > 0
    }
}

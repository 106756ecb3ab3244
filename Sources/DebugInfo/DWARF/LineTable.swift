// The rows of one line program: which source line each address came from.

internal import Bytes
internal import DebugModel

/// A decoded line program: 16 bytes a row, and file names read only when asked for.
///
/// Where several rows share an address the last one counts, as in libdw and addr2line.
struct LineTable: Sendable {
    struct Row: Sendable, Equatable {
        let address: UInt64
        let line: UInt32
        /// As the program counts files; 0xffff and beyond are not told apart.
        let file: UInt16
        let column: UInt16
    }

    /// Consecutive rows, in address order, of code that lies together; none holds from `end` on.
    struct Sequence: Sendable {
        let start: UInt64
        let end: UInt64
        let rows: Range<Int>
    }

    let header: LineHeader
    let rows: [Row]
    /// In order of `start`; without those that the linker dropped (which begin at 0) or that are empty.
    let sequences: [Sequence]
    /// Why the program was given up before its end; what was decoded until then is kept.
    let fault: ParseFault?

    /// What keeping this costs, in bytes.
    var cost: Int { rows.count * MemoryLayout<Row>.stride + sequences.count * 32 + header.cost }

    /// The row that covers `address`. Complexity: logarithmic, unless sequences overlap.
    func row(at address: UInt64) -> Row? {
        guard var index = lastIndex(atMost: address, count: sequences.count, key: { sequences[$0].start }) else {
            return nil
        }
        // Sequences of one unit do not overlap in healthy files; look back a little for those that do.
        for _ in 0..<16 {
            let sequence = sequences[index]
            if address < sequence.end {
                let found = lastIndex(atMost: address, count: sequence.rows.count) {
                    rows[sequence.rows.lowerBound &+ $0].address
                }
                return found.map { rows[sequence.rows.lowerBound &+ $0] }
            }
            guard index > 0 else { return nil }
            index -= 1
        }
        return nil
    }

    /// The source line of `address`; nil where the table has no row, or one that names no line.
    func line(at address: UInt64) -> SourceLine? {
        guard let row = row(at: address) else { return nil }
        return SourceLine(file: header.path(of: UInt64(row.file)), line: Int(row.line), column: Int(row.column))
    }
}

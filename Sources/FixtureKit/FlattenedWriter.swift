// Flattened files: what a dump tool writes to a pipe instead of seeking (makedumpfile -F, QEMU).

internal import Bytes

/// Turns a file into its flattened form.
package struct FlattenedWriter {
    /// Bytes of one record.
    package var recordSize = 8192
    /// Records in an order that this decides; nil: in the order of the file.
    package var seed: UInt64?
    /// The first records are written twice: at first with other bytes, which the later ones overwrite.
    package var overwrites = false
    package var hasEndMark = true

    package init() {}

    package func flatten(_ file: [UInt8]) -> [UInt8] {
        var output = Output(.big)
        output.field("makedumpfile", 16)
        output.u64(1)
        output.u64(1)
        output.pad(to: 4096)
        if overwrites {
            // Crosses the borders of the records that follow.
            let early = min(file.count, 2 * recordSize + recordSize / 2)
            record(at: 0, [UInt8](repeating: 0xa5, count: early), &output)
        }
        var starts = Array(stride(from: 0, to: file.count, by: recordSize))
        if let seed {
            var numbers = SeededNumbers(seed: seed)
            starts.shuffle(using: &numbers)
        }
        for start in starts { record(at: start, Array(file[start..<min(start + recordSize, file.count)]), &output) }
        if hasEndMark {
            output.u64(.max)
            output.u64(.max)
        }
        return output.bytes
    }

    private func record(at offset: Int, _ bytes: [UInt8], _ output: inout Output) {
        output.u64(UInt64(offset))
        output.u64(UInt64(bytes.count))
        output.append(bytes)
    }
}

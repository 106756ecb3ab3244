// LZO1X streams, decoded by ourselves: the C library is GPL.

package import Bytes

/// The decoder of LZO1X as makedumpfile writes it (`-l`). SOURCE: Linux, Documentation/staging/lzo.rst.
///
/// A stream is a row of instructions. Each copies a match from what was already written and then 0 to 3 literals;
/// what an opcode below 16 means depends on how many literals came before it: that number is `state`, and 4 stands
/// for a run of literals.
package enum LZO: Codec {
    package static let name = "lzo"

    package static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice {
        let storage = try ByteStorage(name: label, count: count) { (output) throws(CodecFault) -> Int in
            switch input.withBytes({ decode($0, &output) }) {
            case .end(let produced): return produced
            case .input: throw CodecFault(name, "the data is cut short")
            case .output: throw CodecFault(name, "the data is longer than \(count) bytes")
            case .distance: throw CodecFault(name, "a match reaches before the beginning")
            }
        }
        return ByteSlice(storage)
    }

    private enum Stop {
        case end(Int)
        case input
        case output
        case distance
    }

    /// Decodes until the end mark or a fault. Ends: every turn consumes at least one byte of the input.
    private static func decode(_ source: RawSpan, _ output: inout MutableRawSpan) -> Stop {
        var at = 0
        var produced = 0
        var state = 0
        let end = source.byteCount

        if source.u8(0) > 17 {
            let run = Int(source.u8(0)) - 17
            at = 1
            if let stop = literals(run, source, &at, &output, &produced) { return stop }
            state = run < 4 ? run : 4
        }
        while at < end {
            let code = Int(source.u8(at))
            at &+= 1
            var length = 0
            var distance = 0
            var trailing = code & 3
            if code >= 64 {
                guard at < end else { return .input }
                distance = (Int(source.u8(at)) << 3) + (code >> 2 & 7) + 1
                length = code >= 128 ? 5 + (code >> 5 & 3) : 3 + (code >> 5 & 1)
                at &+= 1
            } else if code >= 16 {
                let bits = code >= 32 ? 31 : 7
                guard let size = extended(code & bits, over: bits, source, &at),
                    let word = source.little(at, as: UInt16.self)
                else { return .input }
                at &+= 2
                length = size + 2
                trailing = Int(word & 3)
                distance = Int(word >> 2) + (code >= 32 ? 1 : 16384 + (code & 8) << 11)
                // The end mark is a match at a distance that no other opcode can spell.
                if code < 32, distance == 16384 { return .end(produced) }
            } else if state == 0 {
                guard let run = extended(code, over: 15, source, &at) else { return .input }
                if let stop = literals(run + 3, source, &at, &output, &produced) { return stop }
                state = 4
                continue
            } else {
                guard at < end else { return .input }
                distance = (Int(source.u8(at)) << 2) + (code >> 2) + (state == 4 ? 2049 : 1)
                length = state == 4 ? 3 : 2
                at &+= 1
            }
            guard output.repeatBytes(distance: distance, count: length, at: produced) else {
                return distance > produced ? .distance : .output
            }
            produced &+= length
            if trailing != 0, let stop = literals(trailing, source, &at, &output, &produced) { return stop }
            state = trailing
        }
        return .input
    }

    /// A length that did not fit in the opcode: `value` itself, or when that is 0, `over` plus 255 for each zero
    /// byte that follows plus the byte that ends them. Nil when the input ends first.
    private static func extended(_ value: Int, over: Int, _ source: RawSpan, _ at: inout Int) -> Int? {
        if value != 0 { return value }
        var length = over
        while at < source.byteCount {
            let byte = Int(source.u8(at))
            at &+= 1
            if byte != 0 { return length + byte }
            length += 255
        }
        return nil
    }

    @inline(__always)
    private static func literals(
        _ count: Int, _ source: RawSpan, _ at: inout Int, _ output: inout MutableRawSpan, _ produced: inout Int
    ) -> Stop? {
        guard output.copy(source, from: at, count: count, at: produced) else {
            return count > source.byteCount &- at ? .input : .output
        }
        at &+= count
        produced &+= count
        return nil
    }
}

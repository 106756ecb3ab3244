// Raw Snappy blocks, decoded by ourselves: the C library needs the C++ runtime, which a static executable would carry.

package import Bytes

/// The decoder of raw (unframed) Snappy as makedumpfile writes it (`-p`). SOURCE: google/snappy, format_description.txt.
package enum Snappy: Codec {
    package static let name = "snappy"

    package static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice {
        var cursor = Cursor(input)
        guard let size = try? cursor.uleb128("length"), size <= UInt64(max(count, 0)) else {
            throw CodecFault(name, "the data is longer than \(count) bytes, or says no length")
        }
        let start = cursor.position
        let storage = try ByteStorage(name: label, count: Int(size)) { (output) throws(CodecFault) -> Int in
            let reason = input.withBytes { decode($0, from: start, &output) }
            if let reason { throw CodecFault(name, reason) }
            return output.byteCount
        }
        return ByteSlice(storage)
    }

    /// Decodes all of `source`; the reason when that fails. Ends: every turn consumes at least one byte.
    private static func decode(_ source: RawSpan, from start: Int, _ output: inout MutableRawSpan) -> String? {
        var at = start
        var produced = 0
        while at < source.byteCount {
            let tag = Int(source.u8(at))
            at &+= 1
            if tag & 3 == 0 {
                guard let count = literalLength(tag >> 2, source, &at) else { return "the data is cut short" }
                guard output.copy(source, from: at, count: count, at: produced) else {
                    return "a run of \(count) literals does not fit"
                }
                at &+= count
                produced &+= count
                continue
            }
            var count = 1 + tag >> 2
            let distance: Int
            switch tag & 3 {
            case 1:
                guard at < source.byteCount else { return "the data is cut short" }
                count = 4 + (tag >> 2 & 7)
                distance = (tag >> 5) << 8 | Int(source.u8(at))
                at &+= 1
            case 2:
                guard let offset = source.little(at, as: UInt16.self) else { return "the data is cut short" }
                distance = Int(offset)
                at &+= 2
            default:
                guard let offset = source.little(at, as: UInt32.self) else { return "the data is cut short" }
                distance = Int(offset)
                at &+= 4
            }
            guard output.repeatBytes(distance: distance, count: count, at: produced) else {
                return "a copy of \(count) bytes from \(distance) before byte \(produced) does not fit"
            }
            produced &+= count
        }
        return produced == output.byteCount ? nil : "\(produced) bytes where \(output.byteCount) were promised"
    }

    /// The length of a literal run: up to 60 in the tag itself, else in the 1 to 4 bytes after it.
    private static func literalLength(_ code: Int, _ source: RawSpan, _ at: inout Int) -> Int? {
        if code < 60 { return code + 1 }
        let bytes = code - 59
        guard bytes <= source.byteCount &- at else { return nil }
        var length = 0
        for index in 0..<bytes { length |= Int(source.u8(at &+ index)) << (8 &* index) }
        at &+= bytes
        return length + 1
    }
}

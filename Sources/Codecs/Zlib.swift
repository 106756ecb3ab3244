// RFC 1950 streams, through zlib.

package import Bytes
internal import CZlib

package enum Zlib: Codec {
    package static let name = "zlib"

    package static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice {
        let storage = try ByteStorage(name: label, count: count) { (output) throws(CodecFault) -> Int in
            var produced = uLongf(count)
            let status = input.withBytes { span in
                // Safe: both buffers are alive during the call, and zlib is told their true sizes.
                unsafe span.withUnsafeBytes { source in
                    unsafe output.withUnsafeMutableBytes { target in
                        unsafe uncompress(
                            target.baseAddress?.assumingMemoryBound(to: UInt8.self), &produced,
                            source.baseAddress?.assumingMemoryBound(to: UInt8.self), uLong(source.count))
                    }
                }
            }
            switch status {
            case Z_OK: return Int(produced)
            case Z_BUF_ERROR: throw CodecFault(name, "the data is cut short or longer than \(count) bytes")
            case Z_DATA_ERROR: throw CodecFault(name, "the data is damaged")
            default: throw CodecFault(name, "error \(status)")
            }
        }
        return ByteSlice(storage)
    }
}

// RFC 8878 frames, through libzstd.

package import Bytes
internal import CZstd

package enum Zstd: Codec {
    package static let name = "zstd"

    package static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice {
        let storage = try ByteStorage(name: label, count: count) { (output) throws(CodecFault) -> Int in
            let status = input.withBytes { span in
                // Safe: both buffers are alive during the call, and libzstd is told their true sizes.
                unsafe span.withUnsafeBytes { source in
                    unsafe output.withUnsafeMutableBytes { target in
                        unsafe ZSTD_decompress(target.baseAddress, target.count, source.baseAddress, source.count)
                    }
                }
            }
            guard ZSTD_isError(status) == 0 else {
                // Safe: a constant NUL-terminated string of the library.
                throw CodecFault(name, unsafe String(cString: ZSTD_getErrorName(status)))
            }
            return status
        }
        return ByteSlice(storage)
    }
}

// RFC 8878 frames, through libzstd.

package import Bytes
internal import CZstd
internal import Synchronization

package enum Zstd: Codec {
    package static let name = "zstd"

    package static func decode(_ input: ByteSlice, count: Int, label: String) throws(CodecFault) -> ByteSlice {
        let context = try Context.take()
        defer { context.giveBack() }
        let storage = try ByteStorage(name: label, count: count) { (output) throws(CodecFault) -> Int in
            let status = input.withBytes { span in
                // Safe: both buffers are alive during the call, libzstd is told their true sizes, and the context is
                // ours alone until it is given back.
                unsafe span.withUnsafeBytes { source in
                    unsafe output.withUnsafeMutableBytes { target in
                        unsafe ZSTD_decompressDCtx(
                            context.pointer, target.baseAddress, target.count, source.baseAddress, source.count)
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

/// libzstd's working memory, kept for the next call: making it runs CPUID, which traps in a virtual machine, and
/// that was two thirds of the time of a page (311 MB/s without, 1210 with, over the pages of a whole dump).
///
/// The list is the one mutable global here. It holds scratch memory and no state: a frame decodes the same in any of
/// them. `@unchecked Sendable`: a context is in the list, or held by one caller.
@safe private struct Context: @unchecked Sendable {
    let pointer: OpaquePointer

    /// As many as threads decode at once on most machines; a context is 160 KB.
    private static let most = 16
    private static let idle = Mutex<[Context]>([])

    static func take() throws(CodecFault) -> Context {
        if let known = idle.withLock({ $0.popLast() }) { return known }
        // Safe: the context is freed in giveBack(), or lives as long as the process in the list.
        guard let made = unsafe ZSTD_createDCtx() else { throw CodecFault(Zstd.name, "no memory for a decoder") }
        return unsafe Context(pointer: made)
    }

    func giveBack() {
        let isKept = Self.idle.withLock { idle in
            guard idle.count < Self.most else { return false }
            idle.append(self)
            return true
        }
        // Safe: not in the list, so nobody else has it.
        if !isKept { unsafe ZSTD_freeDCtx(pointer) }
    }
}

// A file of nothing but BTF, as `bpftool btf dump file` and /sys/kernel/btf/vmlinux give it.

internal import Bytes
internal import DebugModel

extension SymbolFileLocator {
    /// The bytes of a file that begins like BTF (include/uapi/linux/btf.h, BTF_MAGIC), in either byte order.
    func rawBTF(_ path: String) -> ByteSlice? {
        guard Directory.kind(of: path) == .file, let bytes = try? ByteSource.map(path),
            bytes.hasBytes([0x9f, 0xeb]) || bytes.hasBytes([0xeb, 0x9f])
        else { return nil }
        return bytes
    }

    /// The first of the files that the user named which is raw BTF. It has no build-id: whose it is, the kernel's memory
    /// has to tell.
    func typeFile() -> TypeFile? {
        for path in options.given {
            guard let bytes = rawBTF(path) else { continue }
            journal("\(path): raw BTF, \(bytes.count) bytes")
            return TypeFile(path: path, bytes: bytes, isForced: options.force)
        }
        return nil
    }
}

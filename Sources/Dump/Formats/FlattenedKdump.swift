// Flattened dumps: a kdump or an ELF core that was written to a pipe (makedumpfile -F, QEMU's dump-guest-memory).

package import Bytes

package enum FlattenedKdump: DumpFormat {
    package static let name = "flattened kdump"

    package static func matches(_ start: ByteSlice) -> Bool { FlatFile.matches(start) }

    package static func open(_ files: DumpFiles, _ limits: Limits) throws(DumpError) -> Dump {
        var remarks: [String] = []
        let bytes = try DumpBytes(files.first, limits, &remarks)
        let start = bytes.clamped(0, 4096)
        if Kdump.matches(start) { return try Kdump.open(files, limits) }
        if ELFCore.matches(start) {
            return try ELFCore.open(bytes, files: [try files.only("a flattened ELF core")], limits, remarks: remarks)
        }
        throw DumpError(
            files.first.path,
            "the flattened file holds neither a kdump nor an ELF core: its first bytes are \(start.clamped(0, 8).array)"
        )
    }
}

// The bytes of RAM one after another, with no header: what the user says they are.

package import Bytes
internal import Memory

package enum RawImage: DumpFormat {
    package static let name = "raw image"

    /// Never: any bytes at all could be one. It is asked for with `PATH@0xADDRESS`.
    package static func matches(_ start: ByteSlice) -> Bool { false }

    package static func open(_ files: DumpFiles, _ limits: Limits) throws(DumpError) -> Dump {
        var ranges = ExtentMemory.Ranges()
        for (index, file) in files.all.enumerated() {
            guard let base = file.base else {
                throw DumpError(file.path, "a raw image needs its address: \(file.path)@0xADDRESS")
            }
            ranges.saved.append(
                .init(start: base.rawValue, count: UInt64(file.bytes.count), position: 0, source: index))
        }
        var facts = Facts(format: name)
        facts.compression = ["none"]
        facts.files = files.all.map(\.path)
        let sources = files.all.map { DumpBytes($0.bytes, path: $0.path) }
        return Dump(memory: ExtentMemory(ranges, sources), facts: facts)
    }
}

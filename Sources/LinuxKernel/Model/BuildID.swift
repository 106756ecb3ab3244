// The build-id of the running kernel: which build it is, whatever its release calls itself.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

extension LinuxKernel {
    /// The build-id as the linker wrote it: from the image's notes in memory, else from the kernel's own copy
    /// (`vmlinux_build_id`, lib/buildid.c, 5.14), else from VMCOREINFO, where some stable kernels write garbage. Nil
    /// when none can be read.
    var buildID: [UInt8]? {
        if let noted = Self.notedBuildID(model) { return noted }
        if let place = model.symbols.symbol(named: "vmlinux_build_id")?.address,
            let bytes = try? model.space.read(place, count: 20).array, bytes.contains(where: { $0 != 0 })
        {
            return bytes
        }
        return info?.buildID
    }

    /// NT_GNU_BUILD_ID, of the owner "GNU" (ELF gABI: name size, description size, type; each part padded to 4 bytes).
    private static func notedBuildID(_ target: Target) -> [UInt8]? {
        guard let start = target.symbols.symbol(named: "__start_notes")?.address,
            let end = target.symbols.symbol(named: "__stop_notes")?.address, start < end
        else { return nil }
        let size = end.distance(from: start)
        guard size <= 1 << 16, let notes = try? target.space.read(start, count: Int(size)) else { return nil }
        let bytes = notes.array
        func word(_ at: Int) -> Int? {
            guard at >= 0, at <= bytes.count - 4 else { return nil }
            return (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
        }
        var here = 0
        while let nameSize = word(here), let textSize = word(here + 4), let type = word(here + 8) {
            guard nameSize <= bytes.count, textSize <= bytes.count else { return nil }
            let name = here + 12
            let text = name + (nameSize + 3) & ~3
            guard text + textSize <= bytes.count else { return nil }
            // 8 to 64 bytes: what linkers make has 16 or 20.
            if type == 3, bytes[name..<name + nameSize].elementsEqual([0x47, 0x4e, 0x55, 0]),
                (8...64).contains(textSize)
            {
                return Array(bytes[text..<text + textSize])
            }
            here = text + (textSize + 3) & ~3
        }
        return nil
    }
}

// ELF cores of machines, as /proc/vmcore and QEMU write them, and as odd producers do.

/// Describes a core; `build` makes its bytes. Every oddity is a property, so that a test names the one it means.
package struct ELFCoreWriter {
    package struct Load: Sendable {
        package var physical: UInt64
        package var virtual: UInt64
        package var bytes: [UInt8]
        /// `p_memsz`; more than the bytes means that the rest was left out.
        package var memorySize: UInt64
        /// Where the bytes stand, for sparse files whose bytes are written by somebody else; nil: after the notes.
        package var offset: UInt64?
        /// `p_filesz` when the bytes are written by somebody else.
        package var fileSize: UInt64?

        package init(
            physical: UInt64, virtual: UInt64 = 0, _ bytes: [UInt8], memorySize: UInt64? = nil, offset: UInt64? = nil,
            fileSize: UInt64? = nil
        ) {
            self.physical = physical
            self.virtual = virtual
            self.bytes = bytes
            self.memorySize = memorySize ?? fileSize ?? UInt64(bytes.count)
            self.offset = offset
            self.fileSize = fileSize
        }
    }

    package var loads: [Load] = []
    /// Notes in their order, as `noteBytes` makes them.
    package var notes: [[UInt8]] = []
    package var vmcoreinfo: String?
    package var machine: UInt16 = 62
    /// As QEMU 7.2: e_ehsize 8, a section header before the program headers, which begin at 192.
    package var isQEMU = false
    /// PN_XNUM: the count of program headers stands in section 0.
    package var usesExtendedCount = false

    package init(loads: [Load] = []) { self.loads = loads }

    package func build() -> [UInt8] {
        var noteSegment: [UInt8] = notes.flatMap { $0 }
        if let vmcoreinfo { noteSegment += noteBytes("VMCOREINFO", 0, Array(vmcoreinfo.utf8)) }
        let count = loads.count + 1
        let sectionOffset: UInt64 = isQEMU || usesExtendedCount ? 64 : 0
        let segmentOffset = isQEMU ? 192 : sectionOffset == 0 ? 64 : 128
        var output = Output()
        output.append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
        output.pad(to: 16)
        output.u16(4)
        output.u16(machine)
        output.u32(1)
        output.u64(0)
        output.u64(UInt64(segmentOffset))
        output.u64(sectionOffset)
        output.u32(0)
        output.u16(isQEMU ? 8 : 64)
        output.u16(56)
        output.u16(usesExtendedCount ? 0xffff : UInt16(count))
        output.u16(64)
        output.u16(usesExtendedCount ? 0 : isQEMU ? 2 : 0)
        output.u16(isQEMU ? 1 : 0)
        if sectionOffset != 0 {
            // Section 0: sh_size is the count of sections, sh_info that of segments.
            output.pad(to: 64 + 32)
            output.u64(usesExtendedCount ? 1 : 0)
            output.u32(0)
            output.u32(usesExtendedCount ? UInt32(count) : 0)
        }
        output.pad(to: segmentOffset)
        var position = UInt64(segmentOffset + count * 56)
        header(4, offset: position, 0, 0, file: UInt64(noteSegment.count), memory: UInt64(noteSegment.count), &output)
        position += UInt64(noteSegment.count)
        for load in loads {
            let size = load.fileSize ?? UInt64(load.bytes.count)
            header(
                1, offset: load.offset ?? position, load.virtual, load.physical, file: size, memory: load.memorySize,
                &output)
            if load.offset == nil { position += size }
        }
        output.append(noteSegment)
        for load in loads where load.offset == nil { output.append(load.bytes) }
        return output.bytes
    }

    private func header(
        _ type: UInt32, offset: UInt64, _ virtual: UInt64, _ physical: UInt64, file: UInt64, memory: UInt64,
        _ output: inout Output
    ) {
        output.u32(type)
        output.u32(0)
        for value in [offset, virtual, physical, file, memory, 0] { output.u64(value) }
    }
}

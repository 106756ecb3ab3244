// ELF cores of whole machines: /proc/vmcore's, makedumpfile -E's and QEMU's.

package import Bytes
internal import ELF
internal import Memory

package enum ELFCore: DumpFormat {
    package static let name = "ELF core"

    package static func matches(_ start: ByteSlice) -> Bool { ELFFile.matches(start) }

    package static func open(_ files: DumpFiles, _ limits: Limits) throws(DumpError) -> Dump {
        let file = try files.only("an ELF core")
        return try open(DumpBytes(file.bytes, path: file.path), files: [file], limits, remarks: [])
    }

    static func open(
        _ bytes: DumpBytes, files: [DumpFile], _ limits: Limits, remarks: [String]
    ) throws(DumpError) -> Dump {
        let elf: ELFFile
        do throws(ParseFault) {
            elf = try ELFFile(try headers(bytes, limits), limits: limits)
            guard elf.type == ELFFile.core else {
                throw ParseFault(
                    "e_type", in: bytes.path, at: 16, .invalid("an ELF file of type \(elf.type), expected 4 (core)"))
            }
        } catch {
            throw DumpError(error)
        }
        var facts = Facts(format: bytes.isFlattened ? "flattened ELF core" : name)
        facts.files = files.map(\.path)
        facts.machine = elf.machine
        facts.byteOrder = elf.order
        facts.compression = ["none"]
        facts.remarks = remarks
        // What is said of the program headers is wrong with the dump; sections are no part of a core.
        facts.remarks += elf.remarks.filter { $0.what == "program header" || $0.what == "e_phnum" }.map(\.description)
        for segment in elf.segments where segment.type == Segment.note {
            facts.notes += notes(bytes.clamped(segment.offset, min(segment.fileSize, limits.headerBytes)), elf.order)
        }
        facts.vmcoreinfo = facts.notes.first { $0.name == "VMCOREINFO" }?.description
        let cpus = facts.notes.count { $0.name == "CORE" && $0.type == 1 }
        facts.cpuCount = cpus > 0 ? cpus : nil
        let ranges = ranges(elf.segments.filter { $0.type == Segment.load }, bytes, &facts.remarks)
        guard !ranges.saved.isEmpty || !ranges.lost.isEmpty || !ranges.filtered.isEmpty else {
            let found = elf.segments.count
            throw DumpError(
                bytes.path, "offset 0x20: expected program headers of memory (PT_LOAD), found none among \(found)")
        }
        return Dump(memory: ExtentMemory(ranges, [bytes]), facts: facts)
    }

    /// The notes in `bytes`; a damaged one ends the list.
    static func notes(_ bytes: ByteSlice, _ order: ByteOrder) -> [RawNote] {
        var reader = Notes(bytes, order: order)
        var result: [RawNote] = []
        while let note = try? reader.next() {
            result.append(RawNote(name: note.name, type: note.type, description: note.description))
        }
        return result
    }

    /// The bytes that hold the ELF header and the program headers: the whole file where it is mapped, and of a
    /// flattened one, whose bytes must be copied together, only as many as the header asks for.
    private static func headers(_ bytes: DumpBytes, _ limits: Limits) throws(ParseFault) -> ByteSlice {
        guard bytes.isFlattened else { return bytes.clamped(0, bytes.count) }
        let start = try ELFFile(bytes.clamped(0, 1 << 16), limits: limits)
        guard let end = start.tablesEnd, end > 1 << 16 else { return start.bytes }
        guard end <= limits.headerBytes else {
            throw ParseFault("e_phoff", in: bytes.path, at: 32, .limit("program headers that end at \(end)"))
        }
        return bytes.clamped(0, end)
    }

    /// Where each PT_LOAD's bytes are, by physical address: `p_vaddr` is a hint, and wrong in many producers.
    private static func ranges(
        _ loads: [Segment], _ bytes: DumpBytes, _ remarks: inout [String]
    ) -> ExtentMemory.Ranges {
        var ranges = ExtentMemory.Ranges()
        let unaddressed = loads.count > 1 && loads.allSatisfy { $0.physicalAddress == 0 }
        var skipped = 0
        var missing: UInt64 = 0
        for load in loads {
            // Some producers leave p_paddr 0 everywhere; then p_vaddr is all there is, if it can be physical (52 bits).
            let start = unaddressed ? load.virtualAddress : load.physicalAddress
            guard start != .max, !unaddressed || start >> 52 == 0 else {
                skipped += 1
                continue
            }
            let saved = start.clampedRange(0, load.fileSize)
            // Not `count`: that is an Int, which a hostile size does not fit.
            let size = saved.upperBound - saved.lowerBound
            let present = bytes.count > load.offset ? bytes.count - load.offset : 0
            let kept = min(size, present)
            ranges.saved.append(.init(start: start, count: kept, position: load.offset, source: 0))
            ranges.lost.append(start.clampedRange(kept, load.fileSize))
            missing = missing.addingReportingOverflow(size - kept).partialValue
            if load.memorySize > load.fileSize {
                ranges.filtered.append(start.clampedRange(load.fileSize, load.memorySize))
            }
        }
        if skipped > 0 {
            remarks.append("\(bytes.path): \(skipped) of \(loads.count) segments say no physical address: left out")
        }
        if missing > 0 {
            remarks.append("\(bytes.path): the file is cut short: \(missing) bytes of memory are missing")
        }
        return ranges
    }
}

extension UInt64 {
    /// [self + from, self + to), cut off at the end of the address space.
    fileprivate func clampedRange(_ from: UInt64, _ to: UInt64) -> Range<UInt64> {
        let low = addingReportingOverflow(from)
        let high = addingReportingOverflow(to)
        let start = low.overflow ? .max : low.partialValue
        return start..<Swift.max(start, high.overflow ? .max : high.partialValue)
    }
}

// kdump-compressed files: makedumpfile's (-c -l -p, zstd), whole or split, and QEMU's; also those of diskdump.

package import Bytes
internal import ELF
internal import Memory

package enum Kdump: DumpFormat {
    package static let name = "kdump-compressed"

    package static func matches(_ start: ByteSlice) -> Bool { KdumpHeader.matches(start) }

    package static func open(_ files: DumpFiles, _ limits: Limits) throws(DumpError) -> Dump {
        var remarks: [String] = []
        let first = try part(files.first, limits, &remarks)
        var parts = [(file: files.first, part: first)]
        for file in files.others {
            let other = try part(file, limits, &remarks)
            guard first.header.part != nil, belongs(other, to: first) else {
                throw DumpError(file.path, "not a part of the same split dump as \(files.first.path)")
            }
            parts.append((file, other))
        }
        if files.others.isEmpty, first.header.part != nil {
            // What stands beside it need not be ours: what is not is passed over in silence.
            for file in files.neighbours() where matches(file.bytes) || FlatFile.matches(file.bytes) {
                var own: [String] = []
                guard let other = try? part(file, limits, &own), belongs(other, to: first) else { continue }
                guard !parts.contains(where: { $0.part.pages == other.pages }) else { continue }
                parts.append((file, other))
                remarks += own + ["\(file.path): opened too, as a part of the same split dump"]
            }
        }
        parts.sort { $0.part.pages.lowerBound < $1.part.pages.lowerBound }
        var facts = facts(first)
        facts.files = parts.map(\.file.path)
        facts.remarks += remarks
        facts.remarks += missing(parts.map(\.part), limits)
        let memory = KdumpMemory(parts.map(\.part), pageSize: first.header.blockSize)
        // 16 MiB of decoded pages, whatever their size.
        return Dump(memory: PageCache(memory, pages: (16 << 20) / first.header.blockSize), facts: facts)
    }

    private static func part(
        _ file: DumpFile, _ limits: Limits, _ remarks: inout [String]
    ) throws(DumpError) -> KdumpPart {
        let bytes = try DumpBytes(file, limits, &remarks)
        guard matches(bytes.clamped(0, 8)) else {
            throw DumpError(file.path, "offset 0x0: expected the signature KDUMP or DISKDUMP")
        }
        do throws(ParseFault) {
            return KdumpPart(bytes, try KdumpHeader(bytes, limits), limits)
        } catch {
            throw DumpError(error)
        }
    }

    /// Parts of one set have the same kernel, time and pages.
    private static func belongs(_ other: KdumpPart, to first: KdumpPart) -> Bool {
        let (left, right) = (first.header, other.header)
        return right.part != nil && left.utsname == right.utsname && left.seconds == right.seconds
            && left.blockSize == right.blockSize && left.maxPage == right.maxPage
    }

    /// What is wrong with the whole, a sentence each.
    private static func missing(_ parts: [KdumpPart], _ limits: Limits) -> [String] {
        var remarks: [String] = []
        for part in parts {
            if part.header.status & KdumpHeader.incomplete != 0 {
                remarks.append("\(part.bytes.path): marked incomplete: the dump tool did not finish")
            }
            if part.header.version > KdumpHeader.newest {
                remarks.append("\(part.bytes.path): header version \(part.header.version) is newer than any known here")
            }
            let count = part.savedCount
            if count > 0, part.descriptor(index: count - 1) == nil {
                remarks.append("\(part.bytes.path): the file is cut short: it ends within the page descriptors")
            } else if part.isCutShort {
                remarks.append("\(part.bytes.path): the file is cut short: its last pages are missing")
            }
            if part.saved.bits.count < part.header.maxPage {
                remarks.append(
                    "\(part.bytes.path): the bitmap has \(part.saved.bits.count) of \(part.header.maxPage) pages")
            }
        }
        guard let first = parts.first, first.header.part != nil else { return remarks }
        var covered: UInt64 = 0
        for part in parts {
            if part.pages.lowerBound > covered {
                remarks.append("a part of the split dump is missing: pages \(covered) to \(part.pages.lowerBound)")
            }
            covered = max(covered, part.pages.upperBound)
        }
        if covered < first.header.maxPage {
            remarks.append("a part of the split dump is missing: pages \(covered) to \(first.header.maxPage)")
        }
        return remarks
    }

    private static func facts(_ part: KdumpPart) -> Facts {
        let header = part.header
        let flattened = part.bytes.isFlattened ? "flattened " : ""
        var facts = Facts(format: "\(flattened)\(name) (version \(header.version))")
        facts.machine = machine(header.utsname.last { !$0.isEmpty && machine($0) != nil } ?? "")
        facts.byteOrder = header.order
        facts.utsname = header.utsname
        facts.dumpTime = header.seconds == 0 ? nil : header.seconds
        facts.dumpLevel = header.dumpLevel
        facts.physicalBase = header.physicalBase
        facts.cpuCount = header.cpuCount > 0 ? Int(header.cpuCount) : nil
        facts.compression = part.compression
        // Both stand in the file before the pages, and are small: 1 MiB is a note of 3 kB for each of 300 CPUs.
        facts.notes = ELFCore.notes(
            part.bytes.clamped(header.notes.offset, min(header.notes.size, 64 << 20)), header.order)
        let text = part.bytes.clamped(header.vmcoreinfo.offset, min(header.vmcoreinfo.size, 1 << 20))
        facts.vmcoreinfo = text.isEmpty ? facts.notes.first { $0.name == "VMCOREINFO" }?.description : text
        return facts
    }

    /// `e_machine` of what `uname -m` says; nil for machines that no dump was seen of.
    private static func machine(_ name: String) -> UInt16? {
        switch name {
        case "x86_64": 62
        case "aarch64": 183
        case "i386", "i486", "i586", "i686": 3
        case "ppc64", "ppc64le": 21
        case "s390x": 22
        case "riscv64": 243
        case "loongarch64": 258
        default: nil
        }
    }
}

extension KdumpPart {
    /// The compressions in use: the header's word, and that of the first descriptors, since pages that did not
    /// shrink are stored as they are.
    fileprivate var compression: [String] {
        var names = KdumpHeader.codecs(header.status)
        for index in 0..<min(savedCount, 256) {
            guard let page = descriptor(index: index) else { break }
            for name in KdumpHeader.codecs(page.flags) where !names.contains(name) { names.append(name) }
        }
        return names.isEmpty ? ["none"] : names
    }

    /// Whether the last page descriptors lead beyond the end of the file. The last pages stand last, but zero pages
    /// share one place: some are looked at.
    fileprivate var isCutShort: Bool {
        let count = savedCount
        for index in (count - min(count, 256))..<count {
            guard let page = descriptor(index: index) else { return true }
            let end = page.offset.addingReportingOverflow(page.size)
            if end.overflow || end.partialValue > bytes.count || page.offset == 0 { return true }
        }
        return false
    }
}

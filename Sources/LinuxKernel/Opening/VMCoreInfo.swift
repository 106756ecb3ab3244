// VMCOREINFO: what the kernel itself wrote down for whoever reads its dump.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// The lines of VMCOREINFO (kernel/vmcore_info.c; kernel/crash_core.c before 6.9). Bases differ by kind: SYMBOL and
/// KERNELOFFSET are hexadecimal without a prefix, the others decimal and NUMBER may be negative or, for some,
/// hexadecimal with a prefix.
struct VMCoreInfo: Sendable {
    private let values: [String: String]

    /// The text is at most a page; a last line that was cut short is dropped.
    init(_ text: ByteSlice) {
        var values: [String: String] = [:]
        let lines = String(decoding: text.clamped(0, 1 << 16).array.prefix { $0 != 0 }, as: UTF8.self)
        for line in lines.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        self.values = values
    }

    subscript(key: String) -> String? { values[key] }

    var release: String? { values["OSRELEASE"] }
    /// The build-id of vmlinux, as hexadecimal digits; some stable kernels write garbage.
    var buildID: [UInt8]? {
        guard let text = values["BUILD-ID"] else { return nil }
        let digits = Array(text.utf8)
        guard digits.count == 40 || digits.count == 32 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        return bytes.allSatisfy { $0 == 0 } ? nil : bytes
    }
    var kernelOffset: UInt64? { values["KERNELOFFSET"].flatMap { UInt64($0, radix: 16) } }
    /// When the kernel crashed, in seconds since 1970; only after a panic.
    var crashTime: UInt64? { values["CRASHTIME"].flatMap { UInt64($0) } }

    func symbol(_ name: String) -> VirtualAddress? {
        values["SYMBOL(\(name))"].flatMap { UInt64($0, radix: 16) }.map { VirtualAddress($0) }
    }

    /// The first symbol that is elsewhere in an image than this says, when it is loaded `offset` bytes above its link
    /// addresses: the image is another build's then. Nil when all that both know agree.
    func disagreement(with image: any KernelImage, offset: UInt64) -> String? {
        for (key, value) in values {
            guard key.hasPrefix("SYMBOL("), key.hasSuffix(")"), let said = UInt64(value, radix: 16) else { continue }
            let name = String(key.dropFirst(7).dropLast())
            // What is exported under this name is the value of a variable, not its address.
            guard name != "vmemmap", let linked = image.address(of: name) else { continue }
            let here = linked.rawValue &+ offset
            if here != said { return "\(name) is at 0x\(hex(said)) and not at 0x\(hex(here))" }
        }
        return nil
    }

    func number(_ name: String) -> Int64? {
        guard let text = values["NUMBER(\(name))"] else { return nil }
        if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16).map { Int64(bitPattern: $0) } }
        return Int64(text)
    }
}

extension VMCoreInfo {
    /// The start of the note as it lies in the kernel's memory: name size 11, description size (any), type 0, name.
    private static let noteName: [UInt8] = Array("VMCOREINFO\0".utf8)

    /// What a note at the start of a page of memory says, for dumps that do not carry one: that is where the kernel
    /// keeps it. Nil when there is none. Free memory can hold that of an earlier kernel: callers verify what it says.
    init?(noteIn page: ByteSlice) {
        guard page.withBytes({ $0.little(0, as: UInt32.self) }) == 11, page.hasBytes([0, 0, 0, 0], at: 8),
            page.hasBytes(Self.noteName, at: 12), page.hasBytes(Array("OSRELEASE=".utf8), at: 24),
            let size = page.withBytes({ $0.little(4, as: UInt32.self) })
        else { return nil }
        self.init(page.clamped(24, UInt64(size)))
    }
}

extension PhysicalMemory {
    /// Every page that the dump holds from `start` on, in order, until `body` returns false.
    func forEachSavedPage(
        from start: PhysicalAddress = PhysicalAddress(0), _ progress: Progress = .none,
        _ body: (PhysicalAddress) -> Bool
    ) {
        var seen: UInt64 = 0
        var next = start
        while let range = nextSaved(from: next) {
            var base = range.lowerBound.pageStart(pageSize)
            while base < range.upperBound {
                guard body(base) else { return }
                seen += 1
                // Every 16 MiB, with pages of 4 KiB.
                if seen % 4096 == 0 { progress.report("looking for the kernel in memory, pages", seen) }
                let (following, overflow) = base.rawValue.addingReportingOverflow(UInt64(pageSize))
                if overflow { return }
                base = PhysicalAddress(following)
            }
            // A range that does not move on would be a bug of the format; it must not become a hang.
            guard range.upperBound > next else { return }
            next = range.upperBound
        }
    }
}

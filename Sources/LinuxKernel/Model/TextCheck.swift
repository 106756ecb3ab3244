// Code in memory against code in the symbol file: every difference told as the kernel's own patching, or as corruption.
//
// Problem: a bit that flipped in code, or code that somebody overwrote, makes a kernel fail in ways that no data explain. But
// a running kernel's code differs from its file in ten thousands of places that it patched itself. Each difference is
// explained by one of: the KASLR offset added to an absolute address; a table entry of the build (see PatchSites), where what
// memory holds is also what such an entry can put there; a kprobe that is registered. What is left is corruption.
//
// What is still weak: an alternative's text may itself have been patched (a return thunk within it), so that any valid
// instructions of the right length are accepted there, told apart as "other"; the same for paravirt calls and retpolines.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// A run of bytes that differ, with one reason.
struct TextDifference: Sendable {
    enum Reason: Sendable, Equatable {
        /// An absolute address, moved with the image.
        case relocation
        case patch(PatchSite.Reason)
        /// Valid instructions in a place that is patched, but none of the texts that are known for it.
        case other(PatchSite.Reason)
        case kprobe
        case corruption

        var name: String {
            switch self {
            case .relocation: "relocation"
            case .patch(let reason): reason.name
            case .other(let reason): "\(reason.name) (other text)"
            case .kprobe: "kprobe"
            case .corruption: "CORRUPTION"
            }
        }
    }
    let start: VirtualAddress
    var file: [UInt8]
    var memory: [UInt8]
    let reason: Reason

    var end: VirtualAddress { start.advanced(by: UInt64(file.count)) }
}

/// Compares the code of one file.
struct TextCheck {
    private let target: Target
    private let image: any CodeImage
    private let sites: PatchSites
    private let probes: Set<VirtualAddress>
    private let disassembler: any Disassembler
    private let content: PatchedText

    /// What could not be compared: pages that the dump has not, tables that cannot be read.
    private(set) var gaps: [Gap] = []
    /// Bytes that were compared.
    private(set) var compared: UInt64 = 0

    init(_ image: any CodeImage, _ target: Target, probes: Set<VirtualAddress>, _ disassembler: any Disassembler) {
        self.target = target
        self.image = image
        self.probes = probes
        self.disassembler = disassembler
        sites = PatchSites(image, target)
        content = PatchedText(image, target, disassembler)
        gaps = sites.faults.map { Gap("a table of patched code", why: $0) }
    }

    /// Every difference within `range` (all code without one), in address order. Init code is left out: it is freed.
    mutating func run(_ range: Range<VirtualAddress>?, _ body: (TextDifference) throws -> Void) throws {
        for section in try image.codeSections() where !Self.isFreed(section.name) {
            let end = section.address.advanced(by: UInt64(section.bytes.count))
            let from = max(section.address, range?.lowerBound ?? section.address)
            let to = min(end, range?.upperBound ?? end)
            guard from < to else { continue }
            let expected = resolved(section)
            var position = from
            while position < to {
                let size = Int(min(to.distance(from: position), 4096 - position.rawValue & 4095))
                let offset = position.distance(from: section.address)
                let memory: ByteSlice
                do throws(MemoryFault) {
                    memory = try target.space.read(position, count: size)
                } catch {
                    gaps.append(Gap("code \(position)-\(position.advanced(by: UInt64(size)))", why: "\(error)"))
                    position = position.advanced(by: UInt64(size))
                    continue
                }
                compared += UInt64(size)
                try compare(expected, memory, position, Int(offset), section, body)
                position = position.advanced(by: UInt64(size))
            }
        }
    }

    private static func isFreed(_ name: String) -> Bool {
        name.hasPrefix(".init") || name.hasPrefix(".exit") || name.hasPrefix(".altinstr")
    }

    /// The section with the addresses of other files' symbols filled in; unknown symbols leave what memory holds.
    private func resolved(_ section: CodeSection) -> [UInt8] {
        var bytes = section.bytes.array
        for reference in section.references {
            guard let offset = Int(exactly: reference.offset), reference.width <= bytes.count,
                offset <= bytes.count - reference.width
            else { continue }
            let place = section.address.advanced(by: reference.offset)
            let current = try? target.space.unsigned(place, size: reference.width)
            let values = target.symbols.symbols(named: reference.symbol).map { symbol in
                var value = symbol.address.rawValue &+ UInt64(bitPattern: reference.addend)
                if reference.isRelative { value = value &- place.rawValue }
                return reference.width == 4 ? value & 0xffff_ffff : value
            }
            // Several symbols of one name: the one that memory has, if any.
            guard let value = values.first(where: { $0 == current }) ?? values.first ?? current else { continue }
            for index in 0..<reference.width {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        }
        return bytes
    }

    // MARK: One page

    private func compare(
        _ expected: [UInt8], _ memory: ByteSlice, _ position: VirtualAddress, _ offset: Int, _ section: CodeSection,
        _ body: (TextDifference) throws -> Void
    ) throws {
        let held = memory.array
        var index = 0
        var pending: TextDifference?
        while index < held.count {
            guard held[index] != expected[offset + index] else {
                index += 1
                continue
            }
            let place = position.advanced(by: UInt64(index))
            let (reason, length) = explain(place, expected, offset + index, section)
            let count = min(max(length, 1), held.count - index)
            let run = TextDifference(
                start: place, file: Array(expected[(offset + index)..<(offset + index + count)]),
                memory: Array(held[index..<(index + count)]), reason: reason)
            // Corrupted bytes side by side, or with one that happens to be the same between, are one.
            if var last = pending, last.reason == .corruption, reason == .corruption,
                place.distance(from: last.end) < 8
            {
                let gap = Int(place.distance(from: last.end))
                last.file += expected[(offset + index - gap)..<(offset + index)] + run.file
                last.memory += held[(index - gap)..<index] + run.memory
                pending = last
            } else {
                if let last = pending { try body(last) }
                pending = run
            }
            index += count
        }
        if let last = pending { try body(last) }
    }

    /// Why the byte at `place` differs, and how many bytes from there on the same reason explains.
    private func explain(
        _ place: VirtualAddress, _ expected: [UInt8], _ index: Int, _ section: CodeSection
    ) -> (TextDifference.Reason, Int) {
        // One place can be in several entries, for several features: the entry whose text is there is the one.
        var other: (TextDifference.Reason, Int)?
        for site in sites.sites(at: place) {
            guard let verdict = content.verdict(site, place) else { continue }
            let end = Int(clamping: site.end.distance(from: place))
            // Of a table that does not tell lengths the site is as long as its instruction.
            let length = min(
                end, content.length(site).map { $0 - Int(clamping: place.distance(from: site.start)) } ?? end)
            if case .other = verdict { other = other ?? (verdict, length) } else { return (verdict, length) }
        }
        if let other { return other }
        if let length = trampoline(place) { return (.patch(.staticCall), length) }
        if let length = moved(place, expected, index, section) { return (.relocation, length) }
        if let length = probe(place) { return (.kprobe, length) }
        return (.corruption, 1)
    }

    /// An address in the code that was moved with the image: the field of 4 or 8 bytes that holds it differs by exactly
    /// the KASLR offset. The offset's low bytes are zero, so that the field begins up to three bytes earlier. Per-CPU
    /// variables do not move: what is relative to the program counter then differs by as much the other way.
    private func moved(_ place: VirtualAddress, _ expected: [UInt8], _ index: Int, _ section: CodeSection) -> Int? {
        guard image.offset != 0 else { return nil }
        for width in [4, 8] {
            for back in 0..<4 where index >= back && index - back + width <= expected.count {
                let start = index - back
                var file: UInt64 = 0
                for byte in 0..<width { file |= UInt64(expected[start + byte]) << UInt64(8 * byte) }
                guard let held = try? target.space.unsigned(place.advanced(by: -Int64(back)), size: width) else {
                    continue
                }
                let mask: UInt64 = width == 4 ? 0xffff_ffff : .max
                let distance = (held &- file) & mask
                if distance == image.offset & mask || distance == (0 &- image.offset) & mask { return width - back }
            }
        }
        return nil
    }

    /// A static call's trampoline is five bytes that no table lists (`ARCH_DEFINE_STATIC_CALL_TRAMP`).
    private func trampoline(_ place: VirtualAddress) -> Int? {
        guard let symbol = target.symbols.symbol(covering: place), symbol.name.hasPrefix("__SCT__") else { return nil }
        let within = Int(clamping: place.distance(from: symbol.address))
        guard within < 5, content.isTrampoline(symbol.address) else { return nil }
        return 5 - within
    }

    /// A breakpoint of a registered probe, or the jump that replaced it: it covers up to five bytes, and the rest of the
    /// last instruction is left as it was.
    private func probe(_ place: VirtualAddress) -> Int? {
        for back in 0..<5 where probes.contains(place.advanced(by: -Int64(back))) {
            let start = place.advanced(by: -Int64(back))
            guard let first = try? target.space.unsigned(start, size: 1) else { return nil }
            if first == 0xcc, back == 0 { return 1 }
            if first == 0xe9 { return 5 - back }
        }
        return nil
    }
}

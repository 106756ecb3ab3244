// Where the kernel patches its own code, and with what: the tables that the build leaves for it.
//
// Each table is read from the symbol file: most are freed when the kernel has booted. Sources: arch/x86/include/asm/
// alternative.h (alt_instr, .smp_locks), include/linux/jump_label.h (jump_entry), include/linux/static_call_types.h,
// scripts/sorttable (__mcount_loc), arch/x86/include/asm/paravirt_types.h (paravirt_patch_site, until 6.8),
// tools/objtool/check.c (.retpoline_sites, .return_sites, .call_sites, .ibt_endbr_seal, .cfi_sites).

internal import Bytes
internal import DebugModel
internal import Target

/// A place that the kernel may patch.
struct PatchSite: Sendable {
    enum Reason: Sendable, Equatable {
        /// One of several texts for one job, by the CPU's features; where the replacement is in the file, and its length.
        case alternative(VirtualAddress, Int)
        case jumpLabel(target: VirtualAddress)
        case ftrace
        case smpLock
        case paravirt
        case retpoline
        case returnThunk
        case staticCall
        case callDepth
        case endbranch
        case controlFlow
        /// A number that is settled at boot, written into the instruction: of this variable.
        case constant(String)

        var name: String {
            switch self {
            case .alternative: "alternative"
            case .jumpLabel: "jump label"
            case .ftrace: "ftrace"
            case .smpLock: "SMP lock prefix"
            case .paravirt: "paravirt call"
            case .retpoline: "retpoline"
            case .returnThunk: "return thunk"
            case .staticCall: "static call"
            case .callDepth: "call depth tracking"
            case .endbranch: "ENDBR sealing"
            case .controlFlow: "control-flow integrity"
            case .constant: "run-time constant"
            }
        }
    }
    let start: VirtualAddress
    let length: Int
    let reason: Reason

    var end: VirtualAddress { start.advanced(by: UInt64(length)) }
}

/// The patch sites of one file, in address order.
struct PatchSites: Sendable {
    private let sites: [PatchSite]
    /// Tables that could not be read, with the reason.
    let faults: [String]

    /// The longest site: an alternative's length is one byte.
    private static let longest: UInt64 = 255

    init(_ image: any CodeImage, _ target: Target) {
        var reader = PatchTableReader(image: image, target: target)
        reader.readAll()
        sites = reader.sites.sorted { $0.start < $1.start }
        faults = reader.faults
    }

    /// The sites that cover an address.
    func sites(at address: VirtualAddress) -> [PatchSite] {
        // The first site that begins behind the address.
        var low = 0
        var high = sites.count
        while low < high {
            let middle = (low + high) / 2
            if sites[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        var found: [PatchSite] = []
        var index = low - 1
        while index >= 0, address.distance(from: sites[index].start) <= Self.longest {
            if sites[index].end > address { found.append(sites[index]) }
            index -= 1
        }
        return found
    }
}

private struct PatchTableReader {
    let image: any CodeImage
    let target: Target
    var sites: [PatchSite] = []
    var faults: [String] = []

    mutating func readAll() {
        read("alternatives") { try $0.alternatives() }
        read("jump labels") { reader in
            // In a module a section; in the image a part of one, between two symbols.
            try reader.relative("__jump_table", "__start___jump_table", "__stop___jump_table", size: 16) {
                code, cursor in
                let place = code.advanced(by: UInt64(4))
                let to = place.advanced(by: Int64(Int32(bitPattern: try cursor.u32("jump target"))))
                // Two bytes or five, as the file's own instruction says.
                return [2, 5].map { PatchSite(start: VirtualAddress(0), length: $0, reason: .jumpLabel(target: to)) }
            }
        }
        read("ftrace") { try $0.traced() }
        simple(".smp_locks", 1, .smpLock)
        simple(".retpoline_sites", 6, .retpoline)
        simple(".return_sites", 5, .returnThunk)
        simple(".call_sites", 5, .callDepth)
        simple(".ibt_endbr_seal", 4, .endbranch)
        simple(".cfi_sites", 16, .controlFlow)
        read("static calls") { reader in
            try reader.relative(
                ".static_call_sites", "__start_static_call_sites", "__stop_static_call_sites", size: 8
            ) { _, _ in [PatchSite(start: VirtualAddress(0), length: 6, reason: .staticCall)] }
        }
        read("paravirt calls") { try $0.paravirt() }
        read("run-time constants") { try $0.constants() }
    }

    /// `runtime_const_init` (6.11, e3c92e81711d): for each variable a section of places, between two symbols. A pointer
    /// takes eight bytes, a shift count one.
    private mutating func constants() throws {
        var starts: [(symbol: String, variable: String, width: Int)] = []
        let prefixes = [("__start_runtime_ptr_", 8), ("__start_runtime_shift_", 1)]
        guard target.symbols.symbols(named: "__start_runtime_ptr_dentry_hashtable").first != nil else { return }
        for source in target.symbols.sources {
            source.forEach { symbol in
                for (prefix, width) in prefixes where symbol.module == nil && symbol.name.hasPrefix(prefix) {
                    starts.append((symbol.name, String(symbol.name.dropFirst(prefix.utf8.count)), width))
                }
            }
        }
        for (start, variable, width) in starts {
            let stop = "__stop" + start.dropFirst("__start".utf8.count)
            try relative(nil, start, stop, size: 4) { _, _ in
                [PatchSite(start: VirtualAddress(0), length: width, reason: .constant(variable))]
            }
        }
    }

    private mutating func read(_ what: String, _ body: (inout Self) throws -> Void) {
        do { try body(&self) } catch { faults.append("\(what): \(error)") }
    }

    /// A table of distances to the places themselves.
    private mutating func simple(_ name: String, _ length: Int, _ reason: PatchSite.Reason) {
        read(name) { reader in
            try reader.relative(name, nil, nil, size: 4) { _, _ in
                [PatchSite(start: VirtualAddress(0), length: length, reason: reason)]
            }
        }
    }

    /// A table by its section or, in the image, by the symbols around it.
    private func table(_ section: String?, _ start: String?, _ stop: String?) throws -> (VirtualAddress, ByteSlice)? {
        if let section, let found = try image.section(named: section) { return (found.address, found.bytes) }
        guard let start, let stop, let from = symbol(start), let to = symbol(stop), from < to else { return nil }
        guard let bytes = image.bytes(at: from, count: Int(clamping: to.distance(from: from))) else { return nil }
        return (from, bytes)
    }

    /// A symbol of the kernel proper.
    private func symbol(_ name: String) -> VirtualAddress? {
        target.symbols.symbols(named: name).first { $0.module == nil }?.address
    }

    /// Entries that begin with the distance from their own first field to the place.
    private mutating func relative(
        _ section: String?, _ start: String?, _ stop: String?, size: Int,
        _ make: (_ entry: VirtualAddress, inout Cursor) throws -> [PatchSite]
    ) throws {
        guard let (base, bytes) = try table(section, start, stop) else { return }
        for offset in stride(from: 0, to: bytes.count - size + 1, by: size) {
            let entry = base.advanced(by: UInt64(offset))
            var cursor = Cursor(bytes, at: offset)
            let place = entry.advanced(by: Int64(Int32(bitPattern: try cursor.u32("patch site"))))
            for site in try make(entry, &cursor) {
                sites.append(PatchSite(start: place, length: site.length, reason: site.reason))
            }
        }
    }

    /// `struct alt_instr` has had four layouts; the kernel's types tell which.
    private mutating func alternatives() throws {
        guard let (base, bytes) = try table(".altinstructions", nil, nil) else { return }
        let type = try target.types.lookup(.structure, "alt_instr")
        let size = type.flatMap { try? target.types.size($0) } ?? 12
        func offset(_ name: String, _ otherwise: UInt64) -> Int {
            let known = type.flatMap { try? target.types.member(name, of: $0)?.bitOffset }
            return Int(clamping: known.map { $0 / 8 } ?? otherwise)
        }
        let lengthAt = offset("instrlen", size &- 2)
        let replacementAt = offset("replacementlen", size &- 1)
        let step = Int(clamping: size)
        guard step >= 12, lengthAt < step, replacementAt < step else { return }
        for start in stride(from: 0, to: bytes.count - step + 1, by: step) {
            var cursor = Cursor(bytes, at: start)
            let entry = base.advanced(by: UInt64(start))
            let place = entry.advanced(by: Int64(Int32(bitPattern: try cursor.u32("alternative"))))
            let text = entry.advanced(by: UInt64(4))
                .advanced(by: Int64(Int32(bitPattern: try cursor.u32("replacement"))))
            sites.append(
                PatchSite(
                    start: place, length: Int(bytes[start + lengthAt] ?? 0),
                    reason: .alternative(text, Int(bytes[start + replacementAt] ?? 0))))
        }
    }

    /// Addresses, of the file's in the image and of the running kernel's in a module.
    private mutating func traced() throws {
        guard let (_, bytes) = try table("__mcount_loc", "__start_mcount_loc", "__stop_mcount_loc") else { return }
        var cursor = Cursor(bytes)
        while cursor.remaining >= 8 {
            let place = VirtualAddress(try cursor.u64("traced function")).advanced(by: image.offset)
            sites.append(PatchSite(start: place, length: 5, reason: .ftrace))
        }
    }

    /// `struct paravirt_patch_site`: address, type, length, padded to 16.
    private mutating func paravirt() throws {
        guard let (_, bytes) = try table(".parainstructions", nil, nil) else { return }
        for start in stride(from: 0, to: bytes.count - 15, by: 16) {
            var cursor = Cursor(bytes, at: start)
            let place = VirtualAddress(try cursor.u64("paravirt call")).advanced(by: image.offset)
            sites.append(PatchSite(start: place, length: Int(bytes[start + 9] ?? 0), reason: .paravirt))
        }
    }
}

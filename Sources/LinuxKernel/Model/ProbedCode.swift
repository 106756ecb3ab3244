// The instructions that kprobes replaced: by a breakpoint, or by a jump to a detour.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// What stood where kprobes wrote. Read once.
struct ProbedCode: Sendable {
    /// By address, in order: the bytes that were there.
    let originals: [(address: UInt64, bytes: [UInt8])]

    private static let tableSize: UInt64 = 64
    /// Probes looked at: a system that traces thousands of functions has thousands.
    private static let mostProbes = 1 << 16
    /// `KPROBE_FLAG_OPTIMIZED` (include/linux/kprobes.h).
    private static let optimized: UInt64 = 4

    /// Follows `kprobe_table`, the hash table of all probes (kernel/kprobes.c); empty where it cannot be read, or where the
    /// kernel was built without kprobes.
    init(_ target: Target) {
        var found: [UInt64: [UInt8]] = [:]
        let table = target.symbols.symbol(named: "kprobe_table")?.address
        for slot in 0..<(table == nil ? 0 : Self.tableSize) {
            var node = table.flatMap { try? target.space.word($0.advanced(by: slot &* 8)) } ?? 0
            while node != 0, found.count < Self.mostProbes {
                // `hlist` is the first member.
                guard let probe = try? target.object(.structure, "kprobe", at: VirtualAddress(node)),
                    let address = try? probe["addr"].pointer().rawValue, found[address] == nil,
                    let opcode = try? probe["opcode"].unsigned()
                else { break }
                found[address] = [UInt8(truncatingIfNeeded: opcode)] + Self.rest(probe)
                node = (try? probe.path("hlist", "next").unsigned()) ?? 0
            }
        }
        originals = found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A probe that became a jump keeps the four bytes behind the first one.
    private static func rest(_ probe: Value) -> [UInt8] {
        guard let flags = try? probe["flags"].unsigned(), flags & optimized != 0,
            let whole = try? probe.target.object(.structure, "optimized_kprobe", at: try probe.address),
            let copied = try? whole.path("optinsn", "copied_insn").bytes()
        else { return [] }
        return copied.array
    }

    /// `bytes` of code at `address` as they were without probes.
    func restored(_ bytes: [UInt8], at address: UInt64) -> [UInt8] {
        guard !originals.isEmpty else { return bytes }
        var result = bytes
        var low = 0
        var high = originals.count
        while low < high {
            let middle = (low + high) / 2
            if originals[middle].address &+ 8 < address { low = middle + 1 } else { high = middle }
        }
        while low < originals.count, originals[low].address < address &+ UInt64(bytes.count) {
            restore(originals[low], &result, address)
            low += 1
        }
        return result
    }

    /// What ftrace calls for a probe, and what is not armed, stays as it is.
    private func restore(_ probe: (address: UInt64, bytes: [UInt8]), _ code: inout [UInt8], _ start: UInt64) {
        let first = probe.address &- start
        guard first < UInt64(code.count) else { return }
        let present = code[Int(first)]
        let count =
            present == Self.breakpoint ? 1 : present == Self.jump && probe.bytes.count > 1 ? probe.bytes.count : 0
        for index in 0..<count {
            let place = first &+ UInt64(index)
            if place < UInt64(code.count) { code[Int(place)] = probe.bytes[index] }
        }
    }

    private static let breakpoint: UInt8 = 0xcc
    private static let jump: UInt8 = 0xe9
}

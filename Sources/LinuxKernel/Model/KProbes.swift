// The probes that are registered: where the kernel has put breakpoints into its own code.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

enum KProbes {
    /// `1 << KPROBE_HASH_BITS` (kernel/kprobes.c).
    private static let buckets = 64
    /// More than any machine has; a longer chain goes in circles.
    private static let most = 100_000

    /// The addresses of all registered probes, from `kprobe_table`; none for a kernel without kprobes.
    static func addresses(_ target: Target) -> Set<VirtualAddress> {
        guard let symbol = target.symbols.symbol(named: "kprobe_table"),
            let type = (try? target.types.lookup(.structure, "kprobe")).flatMap({ $0 }),
            let hash = (try? target.types.offset(ofPath: "hlist", in: type)).flatMap({ $0 }),
            let place = (try? target.types.offset(ofPath: "addr", in: type)).flatMap({ $0 })
        else { return [] }
        var found: Set<VirtualAddress> = []
        var left = most
        for bucket in 0..<buckets {
            var seen: Set<UInt64> = []
            var node = (try? target.space.word(symbol.address.advanced(by: UInt64(bucket * 8)))) ?? 0
            while node != 0, left > 0, seen.insert(node).inserted {
                left -= 1
                let probe = VirtualAddress(node &- hash)
                if let address = try? target.space.word(probe.advanced(by: place)) {
                    found.insert(VirtualAddress(address))
                }
                node = (try? target.space.word(VirtualAddress(node))) ?? 0
            }
        }
        return found
    }
}

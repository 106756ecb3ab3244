// Whether what a stack says is a return address is one: a call stands before it.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Synchronization
internal import Target
internal import Unwind

/// Checks return addresses of one kernel. Remembers what it found: the stacks of a machine share most of them.
final class ReturnAddresses: Sendable {
    private let space: AddressSpace
    private let disassembler: (any Disassembler)?
    /// Code that is freed when the kernel has booted: what is there now says nothing of what was called. The outermost
    /// frames of the first CPU's idle task are in it.
    private let freed: Range<VirtualAddress>?
    private let image: (any CodeImage)?
    private let known = Mutex<[VirtualAddress: Bool?]>([:])

    /// All return addresses of a kernel's stacks are some thousands.
    private static let most = 65536

    init(_ target: Target) {
        space = target.space
        disassembler = target.machine.disassembler()
        image = target.debug.lazy.compactMap(\.sources.image).first
        let start = target.symbols.symbol(named: "_sinittext")?.address
        let end = target.symbols.symbol(named: "_einittext")?.address
        freed = start.flatMap { start in end.flatMap { start < $0 ? start..<$0 : nil } }
    }

    /// Whether the bytes before `address` end in a call; nil when they cannot be read or nobody decodes this machine's
    /// code. Where they can be read in several ways, one that ends in a call is enough.
    func followsCall(_ address: VirtualAddress) -> Bool? {
        if let answer = known.withLock({ $0[address] }) { return answer }
        let answer = look(address)
        known.withLock { known in
            if known.count >= Self.most { known = [:] }
            known[address] = .some(answer)
        }
        return answer
    }

    private func look(_ address: VirtualAddress) -> Bool? {
        guard let disassembler else { return nil }
        let most = disassembler.callLengths.upperBound
        // Code at the very start of a page whose predecessor is not mapped: fewer bytes will do.
        for count in [most, disassembler.callLengths.lowerBound] {
            let start = address.advanced(by: -Int64(count))
            let isFreed = freed?.contains(start) == true
            let found = isFreed ? image?.bytes(at: start, count: count) : try? space.read(start, count: count)
            guard let bytes = found else { continue }
            return !disassembler.calls(endingAt: address, before: bytes.array).isEmpty
        }
        return nil
    }

    /// The numbers of the frames whose address is said to be a return address and follows no call. Trampolines that
    /// tracers put in place of return addresses, and the entry code that builds frames by hand, are such.
    func suspects(_ frames: [Frame]) -> Set<Int> {
        var suspects: Set<Int> = []
        for (index, frame) in frames.enumerated() where frame.isReturnAddress {
            if followsCall(frame.programCounter) == false { suspects.insert(index) }
        }
        return suspects
    }
}

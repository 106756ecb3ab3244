// The memory of a stack, frame by frame, and what each word of it is.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Memory
internal import Target
internal import Unwind

/// One word of a frame.
struct FrameWord: Sendable {
    let address: VirtualAddress
    /// Nil when it cannot be read.
    let value: UInt64?
    /// What the word is for: "return address", "rbx of frame 3", "pt_regs.ip"; nil for what the function keeps there.
    let role: String?
    /// What its value is the address of.
    let meaning: String?
}

/// Annotates the words of one stack.
struct FrameMemory {
    private let target: Target
    private let identifier: (any AddressIdentifier)?

    /// `IRQ_STACK_SIZE` and `THREAD_SIZE` are 16 KiB, 32 with KASAN: no frame is larger.
    private static let mostBytes: UInt64 = 32 << 10

    /// Offsets within `struct pt_regs` (arch/x86/include/asm/ptrace.h), by their names there.
    private static let ptRegs = [
        "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "orig_ax", "ip",
        "cs", "flags", "sp", "ss",
    ]

    init(_ target: Target, _ identifier: (any AddressIdentifier)?) {
        self.target = target
        self.identifier = identifier
    }

    /// The words of machine frame `index`: from its stack pointer up to its caller's. Empty when either is unknown, or
    /// when the frame's caller is on another stack.
    func words(of index: Int, in stack: Stack, number: (Int) -> Int) -> [FrameWord] {
        let frames = stack.frames
        guard frames.indices.contains(index),
            let start = frames[index].registers[target.machine.layout.stackPointer].map({ VirtualAddress($0) }),
            let end = end(of: index, in: stack), end > start, end.distance(from: start) <= Self.mostBytes
        else { return [] }
        let frame = frames[index]
        var words: [FrameWord] = []
        var position = start
        while position < end {
            let value = try? target.space.word(position)
            words.append(
                FrameWord(
                    address: position, value: value, role: role(position, frame, caller: number(index + 1)),
                    meaning: value.flatMap { meaning(VirtualAddress($0)) }))
            position = position.advanced(by: UInt64(8))
        }
        return words
    }

    private func end(of index: Int, in stack: Stack) -> VirtualAddress? {
        let frame = stack.frames[index]
        guard let address = frame.frameAddress else { return nil }
        guard let exception = frame.exception else { return address }
        // The saved registers belong to the frame that they were saved by.
        let count = exception.isPartial ? 5 : Self.ptRegs.count
        return address.advanced(by: UInt64(count * 8))
    }

    private func role(_ address: VirtualAddress, _ frame: Frame, caller: Int) -> String? {
        if let exception = frame.exception, let start = frame.frameAddress, address >= start {
            let first = exception.isPartial ? 16 : 0
            let index = first + Int(clamping: address.distance(from: start) / 8)
            return Self.ptRegs.indices.contains(index) ? "pt_regs.\(Self.ptRegs[index])" : nil
        }
        guard let number = frame.saved.first(where: { $0.value == address })?.key else { return nil }
        let layout = target.machine.layout
        if number == layout.programCounter { return "return address" }
        return "\(layout.names[number] ?? "register \(number.rawValue)") of #\(caller)"
    }

    /// Symbols by name, everything else as the kernel's tables say; nil for what is no address of the kernel.
    private func meaning(_ address: VirtualAddress) -> String? {
        guard address.rawValue >> 47 == 0x1_ffff || address.rawValue >> 56 == 0xff, address.rawValue < .max - 4095
        else {
            return nil
        }
        if let symbol = target.symbols.symbol(covering: address), symbol.kind != .absolute, symbol.kind != .perCPU {
            return target.symbols.describe(address)
        }
        return identifier?.identify(address).first { $0.kind != "region" && $0.kind != "unknown" }?.text
    }
}

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
    /// `task_struct.stack_canary`, which functions that have arrays keep a copy of; 0 when unknown.
    private let canary: UInt64

    private static let returnAddress = "return address"

    /// `IRQ_STACK_SIZE` and `THREAD_SIZE` are 16 KiB, 32 with KASAN: no frame is larger.
    private static let mostBytes: UInt64 = 32 << 10

    /// Offsets within `struct pt_regs` (arch/x86/include/asm/ptrace.h), by their names there.
    private static let ptRegs = [
        "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "orig_ax", "ip",
        "cs", "flags", "sp", "ss",
    ]

    init(_ target: Target, _ task: Task, _ identifier: (any AddressIdentifier)?) {
        self.target = target
        canary = (try? task.value["stack_canary"].unsigned()) ?? 0
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
            let role = role(position, frame, caller: number(index + 1))
            words.append(
                FrameWord(
                    address: position, value: value, role: role,
                    meaning: value.flatMap { meaning(VirtualAddress($0), isReturn: role == Self.returnAddress) }))
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
        if number == layout.programCounter { return Self.returnAddress }
        return "\(layout.names[number] ?? "register \(number.rawValue)") of #\(caller)"
    }

    /// Symbols by name, everything else as the kernel's tables say; nil for what is no address of the kernel.
    private func meaning(_ address: VirtualAddress, isReturn: Bool) -> String? {
        if address.rawValue == canary, canary != 0 { return "the task's stack canary" }
        guard address.rawValue >> 47 == 0x1_ffff || address.rawValue >> 56 == 0xff, address.rawValue < .max - 4095
        else {
            return nil
        }
        // A call may be the last instruction of its function: the return address is then another's.
        let lookup = isReturn ? address.advanced(by: Int64(-1)) : address
        if let symbol = target.symbols.symbol(covering: lookup), symbol.kind != .absolute, symbol.kind != .perCPU {
            let module = symbol.module.map { " [\($0)]" } ?? ""
            return "\(symbol.name)+0x\(hex(address.distance(from: symbol.address)))\(module)"
        }
        return identifier?.identify(address).first { $0.kind != "region" && $0.kind != "unknown" }?.text
    }
}

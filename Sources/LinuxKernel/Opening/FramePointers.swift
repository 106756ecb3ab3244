// Unwinding by frame pointers, for kernels that were built without ORC (CONFIG_UNWINDER_FRAME_POINTER).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Says of every address that the frame pointer tells; `Unwinder` checks each step.
struct FramePointers: UnwindSource {
    private let symbols: any SymbolSource

    /// Functions that every kernel has, in C, with frames.
    private static let witnesses = [
        "schedule", "do_exit", "kthread", "worker_thread", "vfs_read", "kernel_clone", "wake_up_process",
        "do_filp_open",
    ]
    /// `push %rbp; mov %rsp, %rbp`
    private static let prologue: [UInt8] = [0x55, 0x48, 0x89, 0xe5]

    /// Nil unless the code of the kernel shows that it sets up frame pointers: elsewhere the register holds anything.
    /// The prologue may stand behind `endbr64` and the call that ftrace patches.
    init?(_ space: AddressSpace, _ symbols: any SymbolSource) {
        self.symbols = symbols
        var (with, without) = (0, 0)
        for name in Self.witnesses {
            guard let address = symbols.symbols(named: name).first?.address,
                let code = try? space.read(address, count: 24).array
            else { continue }
            let hasPrologue = (0...(code.count - 4)).contains { code[$0...].starts(with: Self.prologue) }
            if hasPrologue { with += 1 } else { without += 1 }
        }
        guard with > without * 3 else { return nil }
    }

    /// The frame pointer is the caller's until the function has set up its own: at its first instruction the return
    /// address lies on top of the stack.
    func row(at address: VirtualAddress) throws -> UnwindRow? {
        let isEntry = symbols.symbol(covering: address).map { $0.kind == .function && $0.address == address } ?? false
        return UnwindRow(
            kind: isEntry ? .call : .framePointer, cfa: .register(RegisterNumber(7), offset: 8),
            registers: [RegisterNumber(16): .atCFA(-8), RegisterNumber(6): .sameValue], isSignalFrame: false,
            source: "frame pointer")
    }
}

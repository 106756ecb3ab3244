// Frames of code that keeps a frame pointer, for kernels without unwind tables.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory

extension Unwinder {
    /// A stack is this large at most: a frame pointer farther up is none.
    private static let stackLimit: UInt64 = 64 << 10

    /// Leaves a frame by its frame pointer: there lies the caller's, and above it the return address.
    ///
    /// Linux marks a frame pointer that leads to saved registers instead by its lowest bit (ENCODE_FRAME_POINTER,
    /// arch/x86/include/asm/frame.h), and clears it on entry from user space, whose registers then lie at the stack
    /// pointer. A chain must lead up within one stack: what does not is corrupt, so that no chain goes in a circle.
    func followFramePointer(_ registers: Registers) throws -> (Next, VirtualAddress?) {
        let layout = machine.layout
        guard let pointer = registers[layout.framePointer], let stack = registers[layout.stackPointer] else {
            throw UnwindError("the frame pointer is unknown in this frame")
        }
        if pointer == 0 {
            // The first function; or the entry code of a system call.
            let saved = try? machine.exceptionFrame(at: VirtualAddress(stack), partial: false, in: space)
            if let saved, saved.interruptedUser { return (.end(.userMode(saved.registers)), VirtualAddress(stack)) }
            return (.end(.start), nil)
        }
        let frame = pointer & ~1
        guard frame & 7 == 0, frame >= stack, frame - stack < Self.stackLimit else {
            throw UnwindError(
                "the frame pointer 0x\(hex(pointer)) does not lead up from the stack pointer 0x\(hex(stack))")
        }
        if pointer & 1 == 1 { return try leaveSavedRegisters(VirtualAddress(frame)) }
        var caller = Registers()
        let frameAddress = VirtualAddress(frame &+ 16)
        let returnAddress = try space.word(VirtualAddress(frame &+ 8))
        guard returnAddress != 0 else { return (.end(.stopped("the return address is 0")), frameAddress) }
        caller[layout.programCounter] = returnAddress
        caller[layout.stackPointer] = frameAddress.rawValue
        caller[layout.framePointer] = try? space.word(VirtualAddress(frame))
        return (.frame(caller, isReturnAddress: true, interrupted: false), frameAddress)
    }

    private func leaveSavedRegisters(_ place: VirtualAddress) throws -> (Next, VirtualAddress?) {
        let saved = try machine.exceptionFrame(at: place, partial: false, in: space)
        if saved.interruptedUser { return (.end(.userMode(saved.registers)), place) }
        // A kernel thread begins with registers that were never saved.
        if saved.registers[machine.layout.programCounter] == 0 { return (.end(.start), place) }
        return (.frame(saved.registers, isReturnAddress: false, interrupted: true), place)
    }
}

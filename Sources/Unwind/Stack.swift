// What unwinding yields: frames, then why it stopped.

package import Bytes
package import DebugModel
package import Machine

/// One frame of a stack, as a machine runs it: inlined functions are not frames of their own here.
package struct Frame: Sendable {
    /// Where this frame was executing, or where it will go on when its callee returns.
    package let programCounter: VirtualAddress
    /// True when `programCounter` is a return address: what called stands before it.
    package let isReturnAddress: Bool
    /// Every register that is known in this frame.
    package let registers: Registers
    /// The canonical frame address: the stack pointer before the call; nil when no rule told.
    package let frameAddress: VirtualAddress?
    /// What told how to leave this frame: "ORC", "DWARF CFI", "frame pointer"; nil for the last one.
    package let rule: String?
    /// The frame was interrupted: the registers above this frame were saved by an exception or interrupt.
    package let wasInterrupted: Bool
    /// Where the caller's registers lie in memory, of those that the row tells: the program counter's place is that of
    /// the return address.
    package let saved: [RegisterNumber: VirtualAddress]
    /// The caller's registers were saved at `frameAddress` by an exception, interrupt or system call; `isPartial`: only
    /// what the hardware pushes.
    package let exception: Exception?

    package struct Exception: Sendable, Equatable {
        package let isPartial: Bool

        package init(isPartial: Bool) { self.isPartial = isPartial }
    }

    package init(
        programCounter: VirtualAddress, isReturnAddress: Bool, registers: Registers, frameAddress: VirtualAddress?,
        rule: String?, wasInterrupted: Bool, saved: [RegisterNumber: VirtualAddress] = [:], exception: Exception? = nil
    ) {
        self.programCounter = programCounter
        self.isReturnAddress = isReturnAddress
        self.registers = registers
        self.frameAddress = frameAddress
        self.rule = rule
        self.wasInterrupted = wasInterrupted
        self.saved = saved
        self.exception = exception
    }

    /// The address to look up: within the call that a return address belongs to. A call of a function that does
    /// not return may be the last instruction of its function, so that the return address is another's.
    package var lookupAddress: VirtualAddress {
        isReturnAddress ? programCounter.advanced(by: Int64(-1)) : programCounter
    }
}

/// Why a stack has no more frames.
package enum StackEnd: Sendable {
    /// The entry from user space: below it is the process's own stack. The user's registers, as they were saved.
    case userMode(Registers)
    /// The first function of a kernel thread, or of a CPU.
    case start
    /// The task was created and has not run yet.
    case neverRan
    /// The task has exited and its stack is freed: there is none to read.
    case exited
    /// It goes on, and cannot be followed; the text says why.
    case stopped(String)

    /// Why the walk ended before the stack did; nil when the whole stack is there.
    package var whyStopped: String? {
        if case .stopped(let why) = self { return why }
        return nil
    }
}

/// The frames from the innermost one, and why there are no more.
package struct Stack: Sendable {
    package let frames: [Frame]
    package let end: StackEnd

    package init(frames: [Frame], end: StackEnd) {
        self.frames = frames
        self.end = end
    }
}

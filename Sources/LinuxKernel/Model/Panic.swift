// Who died: the CPU and the task of a panic, taint flags.

internal import Bytes
internal import DebugModel
internal import Target

extension LinuxKernel {
    /// The CPU that panicked: `panic_cpu` (4.5), or `crashing_cpu` of the crash dump path; nil when nothing did.
    package var panicCPU: CPU? {
        let candidates: [Int64?] = [
            try? model.variable("panic_cpu")["counter"].signed(), try? model.variable("crashing_cpu").signed(),
        ]
        // PANIC_CPU_INVALID is -1.
        for number in candidates.compactMap({ $0 }) where number >= 0 {
            if let cpu = cpus.cpus.first(where: { Int64($0.number) == number }) { return cpu }
        }
        return nil
    }

    package var panicTask: Task? { try? panicCPU?.current }

    /// `tainted_mask`; nil when it cannot be read.
    package var taint: UInt64? { try? Globals.word(model, "tainted_mask") }

    /// What to do about an error that comes of types that nothing tells; nil when it does not.
    static func missingTypes(_ target: Target, _ error: any Error) -> String? {
        guard case ValueError.noVariableType = error else { return nil }
        let task = (try? target.types.lookup(.structure, "task_struct")).flatMap { $0 }
        return task != nil ? nil : "the types of this kernel are unknown; its vmlinux tells them (-s FILE)"
    }
}

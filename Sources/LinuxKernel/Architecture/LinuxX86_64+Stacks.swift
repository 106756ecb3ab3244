// The stacks of a CPU that belong to no task: interrupts, exceptions, entry (arch/x86).

internal import Bytes
internal import DebugModel
internal import Target

/// A stack of a CPU rather than of a task.
struct CPUStack: Sendable {
    let cpu: Int
    /// "IRQ", "NMI", "double fault", ...
    let name: String
    /// The lowest address.
    let start: VirtualAddress
    /// Bytes.
    let size: UInt64
}

extension LinuxX86_64 {
    /// `IRQ_STACK_SIZE`; twice as much with KASAN, which doubles `THREAD_SIZE` as well.
    private static let irqStackSize: UInt64 = 16 << 10

    /// The members of `struct cea_exception_stacks` (5.2, 019b17b3ffe4) and whose stacks they are.
    private static let exceptions: [(member: String, name: String)] = [
        ("DF_stack", "double fault"), ("NMI_stack", "NMI"), ("DB_stack", "debug"), ("MCE_stack", "machine check"),
        ("VC_stack", "VC"), ("VC2_stack", "VC2"),
    ]

    /// What cannot be found is left out: older layouts, CPUs that were never brought up.
    func cpuStacks(_ target: Target) -> [CPUStack] {
        var stacks: [CPUStack] = []
        for cpu in target.perCPU.offsets.indices where target.perCPU.offsets[cpu] != nil {
            if let top = irqTop(target, cpu), top > Self.irqStackSize {
                stacks.append(
                    CPUStack(
                        cpu: cpu, name: "IRQ", start: VirtualAddress(top - Self.irqStackSize), size: Self.irqStackSize))
            }
            stacks += entryArea(target, cpu)
        }
        return stacks
    }

    /// `hardirq_stack_ptr`, inside `pcpu_hot` from 6.2 (e57ef2ed97c1) to 6.14. It is the top, or 8 below it.
    private func irqTop(_ target: Target, _ cpu: Int) -> UInt64? {
        let plain = try? target.perCPUVariable("hardirq_stack_ptr", cpu: cpu).unsigned()
        let hot = try? target.perCPUVariable("pcpu_hot", cpu: cpu)["hardirq_stack_ptr"].unsigned()
        guard let pointer = plain ?? hot, pointer != 0 else { return nil }
        return (pointer &+ 15) & ~15
    }

    /// The per-CPU pointer `cea_exception_stacks` (5.2) leads to the exception stacks, which are a member of the
    /// CPU's `struct cpu_entry_area`: so its place need not be computed, which 6.2 made random (97e3d26b5e5f).
    private func entryArea(_ target: Target, _ cpu: Int) -> [CPUStack] {
        guard let exceptions = try? target.perCPUVariable("cea_exception_stacks", cpu: cpu).pointee(),
            let start = try? exceptions.address, !start.isNull
        else { return [] }
        var stacks: [CPUStack] = []
        func add(_ value: Value?, _ name: String) {
            guard let value, let start = try? value.address, let size = try? target.types.size(value.type), size > 0
            else { return }
            stacks.append(CPUStack(cpu: cpu, name: name, start: start, size: size))
        }
        for (member, name) in Self.exceptions { add(try? exceptions[member], name) }
        add(try? exceptions.container("cpu_entry_area", "estacks")["entry_stack_page"], "entry")
        return stacks
    }
}

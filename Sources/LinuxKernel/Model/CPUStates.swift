// Which of a dump's notes belongs to which CPU.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Target

extension LinuxKernel {
    /// The registers of a CPU, as the note that belongs to it by what it holds says: its per-CPU base; else a stack
    /// pointer on the stack of the task that runs there, or on one of the CPU's own stacks; else the pid of that task,
    /// when it is the only one of that pid. Only when none of this tells of any CPU, by position. Dumps lack notes of
    /// CPUs that were offline, and have them in another order than the CPUs' (osandov/drgn issue 404).
    func state(of cpu: CPU) -> CPUState? {
        let matches = CPUMatch(self)
        if let match = matches.byContent[cpu.number] { return states[match] }
        guard matches.byContent.isEmpty, states.count == cpus.cpus.count,
            let position = cpus.cpus.firstIndex(where: { $0.number == cpu.number }), position < states.count,
            states[position].perCPUBase == nil
        else { return nil }
        return states[position]
    }
}

/// The notes by CPU.
struct CPUMatch {
    /// Positions in the list of notes, by the number of the CPU.
    private(set) var byContent: [Int: Int] = [:]

    init(_ kernel: LinuxKernel) {
        let model = kernel.model
        var free = Set(kernel.states.indices)
        func take(_ rule: (CPU, CPUState) -> Bool) {
            for cpu in kernel.cpus.cpus where byContent[cpu.number] == nil {
                let found = free.sorted().filter { rule(cpu, kernel.states[$0]) }
                // Two notes that fit: neither is believed.
                guard found.count == 1, let match = found.first else { continue }
                byContent[cpu.number] = match
                free.remove(match)
            }
        }
        take { cpu, state in
            guard let base = state.perCPUBase, cpu.number < model.perCPU.offsets.count else { return false }
            return base == model.perCPU.offsets[cpu.number]
        }
        guard !free.isEmpty, byContent.count < kernel.cpus.cpus.count else { return }
        let number = model.machine.layout.stackPointer
        let size = model.stackSize
        take { cpu, state in
            guard state.perCPUBase == nil, let pointer = state.registers[number], let task = try? cpu.current,
                let stack = try? task.stack, !stack.isNull
            else { return false }
            return VirtualAddress(pointer).distance(from: stack) < size
        }
        guard !free.isEmpty, byContent.count < kernel.cpus.cpus.count else { return }
        let stacks = kernel.architecture.cpuStacks(model)
        take { cpu, state in
            guard state.perCPUBase == nil, let pointer = state.registers[number] else { return false }
            return stacks.contains {
                $0.cpu == cpu.number && VirtualAddress(pointer).distance(from: $0.start) < $0.size
            }
        }
        // In user mode the stack pointer is the process's. QEMU writes CPU + 1 as the pid, beside notes that have a base.
        take { cpu, state in
            guard state.perCPUBase == nil, state.isUserMode == true, let pid = state.pid, pid > 0 else { return false }
            return (try? cpu.current.pid) == Int(pid)
        }
    }
}

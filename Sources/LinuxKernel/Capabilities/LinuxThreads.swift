// Linux's CPUs and tasks as threads.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Target
internal import Unwind

struct LinuxThreads: ThreadSource {
    let kernel: LinuxKernel

    var representative: VirtualAddress? {
        (kernel.panicTask ?? (try? kernel.cpus.cpus.first?.current))?.address
    }

    func cpus() -> [CPUSnapshot] {
        kernel.cpus.cpus.compactMap { cpu in
            guard let task = try? cpu.current else { return nil }
            let state = kernel.state(of: cpu)
            return CPUSnapshot(
                number: cpu.number, thread: task.address, registers: state.map(registers) ?? [],
                isUserMode: state?.isUserMode)
        }
    }

    /// General registers in the order of their numbers, then the others.
    private func registers(_ state: CPUState) -> [(name: String, value: UInt64)] {
        let layout = kernel.model.machine.layout
        let general = state.registers.known.compactMap { number -> (name: String, value: UInt64)? in
            guard let name = layout.names[number], let value = state.registers[number] else { return nil }
            return (name, value)
        }
        return general + state.others.filter { other in !general.contains { $0.name == other.name } }
    }

    func stack(of thread: VirtualAddress) throws -> Stack {
        let task = Task(try kernel.model.object(.structure, "task_struct", at: thread))
        return try StackReader(kernel).stack(of: task).stack
    }
}

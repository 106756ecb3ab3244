// A CPU as the scheduler sees it: its run queue, the task on it, its clock.

internal import Bytes
internal import DebugModel
internal import Memory
package import Target

package struct CPU: Sendable {
    package let number: Int
    /// CPU's copy of `runqueues`: a `struct rq`.
    package let runQueue: Value

    /// The task on the CPU.
    package var current: Task { get throws { Task(try runQueue["curr"].pointee()) } }
    /// The CPU's idle task, which is on no list.
    package var idle: Task { get throws { Task(try runQueue["idle"].pointee()) } }
    /// `rq.clock_task` in nanoseconds: `rq.clock` less the time that interrupts took. Stale while the CPU is idle.
    package var clockTask: UInt64 {
        get throws { try runQueue[runQueue.has("clock_task") ? "clock_task" : "clock"].unsigned() }
    }
}

/// The CPUs of a kernel.
package struct CPUTable: Sendable {
    /// Those that are present and have a task, ascending. A panic takes the other CPUs offline while their tasks
    /// are still on them: being online is no condition.
    package let cpus: [CPU]
    /// The numbers of the CPUs that are online.
    package let online: [Int]
    /// The numbers of all possible CPUs.
    package let possible: [Int]
    /// Why `cpus` is empty: `runqueues` has no symbol or no type. Everything that needs no CPU goes on without.
    package let failure: String?

    package init(_ target: Target) {
        let possible = Self.mask(target, "possible") ?? Array(target.perCPU.offsets.indices.prefix(1))
        let present = Self.mask(target, "present") ?? possible
        online = Self.mask(target, "online") ?? possible
        self.possible = possible
        do {
            cpus = try present.compactMap { number in
                guard number < target.perCPU.offsets.count, target.perCPU.offsets[number] != nil else { return nil }
                let cpu = CPU(number: number, runQueue: try target.perCPUVariable("runqueues", cpu: number))
                return (try? cpu.current.address.isNull) == true ? nil : cpu
            }
            failure = nil
        } catch {
            cpus = []
            failure = LinuxKernel.missingTypes(target, error) ?? "\(error)"
        }
    }

    /// The bits of a mask where no type is known: as many as there can be CPUs.
    private static func untyped(_ target: Target, _ name: String) -> ByteSlice? {
        guard let mask = target.symbols.symbol(named: name)?.address,
            let count = try? Globals.word(target, "nr_cpu_ids", size: 4), count > 0, count <= 1 << 16
        else { return nil }
        return try? target.space.read(mask, count: (Int(count) + 63) / 64 * 8)
    }

    /// The numbers set in `__cpu_NAME_mask`; nil when there is no such variable (a kernel without SMP).
    static func mask(_ target: Target, _ name: String) -> [Int]? {
        let typed = (try? target.variable("__cpu_\(name)_mask")).flatMap { try? $0["bits"].bytes() }
        guard let bits = typed ?? untyped(target, "__cpu_\(name)_mask") else { return nil }
        var numbers: [Int] = []
        for index in 0..<bits.count {
            let byte = bits[index] ?? 0
            for bit in 0..<8 where byte >> UInt8(bit) & 1 == 1 { numbers.append(index * 8 + bit) }
        }
        return numbers
    }
}

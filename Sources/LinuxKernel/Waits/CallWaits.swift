// Which CPU waits for which other to answer its call, and what runs there.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

/// A CPU that calls another stands in a function of kernel/smp.c until the other has answered: one that has interrupts off
/// does not before it turns them on.
final class CallWaits: WaitSource {
    private let scene: WaitScene
    private lazy var calls = CPUCalls(scene.kernel.model, cpus: scene.kernel.cpus.cpus.map(\.number))

    init(_ scene: WaitScene) { self.scene = scene }

    private static let waiting = [
        "smp_call_function_single", "smp_call_function_many", "__csd_lock_wait", "csd_lock_wait",
    ]

    func wait(of task: Task) throws -> Wait? {
        guard let cpu = scene.running[task.address], scene.kernel.state(of: cpu) != nil else { return nil }
        let kernel = scene.kernel
        let whole = try scene.stacks.stack(of: task)
        let frames = whole.stack.frames
        let names = frames.map { SpinFunctions.name($0, kernel) }
        guard
            let index = names.firstIndex(where: { name in
                name.map { name in Self.waiting.contains { name.hasPrefix($0) } } ?? false
            }), let calls, let base = scene.stackBases[task.address]
        else { return nil }
        let recovered = kernel.recover(whole)
        var callee: Int?
        if names[index]?.hasPrefix("smp_call_function_single") == true,
            let argument = kernel.model.machine.layout.arguments.first,
            case .number(let number, _)? = recovered.registerAtEntry(argument, of: index)?.content
        {
            callee = Int(exactly: number & 0xffff_ffff)
        }
        let pending = calls.pending(
            of: cpu.number, stack: base..<base.advanced(by: scene.stackSize),
            polled: recovered.polledWord(inFrame: index)?.address, callee: callee
        ).map { (call: $0, holder: holder($0)) }
        // The one that will not answer soon, when there is one.
        guard
            let found = pending.min(by: { a, b in
                (a.holder?.grade ?? .possible, a.call.cpu) < (b.holder?.grade ?? .possible, b.call.cpu)
            }), let queue = calls.queue(of: found.call.cpu)
        else { return nil }
        let outer = frames.indices[(index + 1)...].first { number in
            !(names[number].map { name in CPUCalls.machinery.contains { name.hasPrefix($0) } } ?? false)
        }
        return Wait(
            task: task, lockClass: .cpuCall, lock: queue, mode: .wait,
            proof: .shown(command: "bt -N -c \(cpu.number)", text: names[index] ?? ""), since: nil,
            holder: found.holder, place: outer.map { frames[$0].lookupAddress }, name: "to CPU \(found.call.cpu)")
    }

    /// What runs on the CPU that has to answer.
    private func holder(_ call: CPUCalls.Pending) -> Holder? {
        let kernel = scene.kernel
        guard let cpu = kernel.cpus.cpus.first(where: { $0.number == call.cpu }), let task = try? cpu.current else {
            return nil
        }
        let isDeaf = hasInterruptsOff(cpu)
        let what = call.isQueued ? "" : ", and has the call in hand"
        return Holder(
            task: task.address, relation: .runs, grade: !isDeaf ? .possible : call.isQueued ? .exact : .derived,
            because: "on CPU \(call.cpu)" + (isDeaf ? " with interrupts off" : "") + what)
    }

    /// A CPU that was stopped for a panic or a reboot did not begin that way.
    private func hasInterruptsOff(_ cpu: CPU) -> Bool {
        guard let state = scene.kernel.state(of: cpu), state.isUserMode != true,
            scene.kernel.architecture.hasInterruptsOff(state.registers) == true
        else { return false }
        guard let stack = try? StackReader(scene.kernel).stack(of: cpu).stack else { return true }
        return !stack.frames.contains { frame in
            SpinFunctions.name(frame, scene.kernel).map { PreemptCount.stopping.contains($0) } ?? false
        }
    }
}

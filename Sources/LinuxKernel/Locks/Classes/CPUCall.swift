// Calls of other CPUs (kernel/smp.c): a CPU puts a call on another's list, interrupts it, and waits until it has answered.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

extension LockClass {
    /// Its address is that of the list of calls of the CPU that has to answer, `call_single_queue`. See CallWaits.
    package static let cpuCall = LockClass(
        "cpu call", type: "llist_head", .work, holdersRun: true, machinery: CPUCalls.machinery,
        read: { fields in
            guard let first = fields.word("first") else { return LockState() }
            let count = CPUCalls.length(of: fields.address, fields.model)
            return LockState(
                word: ("first", first),
                text: count == 0
                    ? "not behind with its calls" : "\(count) call\(count == 1 ? "" : "s") behind"
            )
        })
}

/// The calls that CPUs have made and that have not been answered.
struct CPUCalls {
    /// A call that somebody waits for.
    struct Pending {
        /// The CPU that has to answer.
        let cpu: Int
        /// It is on that CPU's list still; else that CPU runs it, or is just about to.
        let isQueued: Bool
    }

    static let machinery = [
        "smp_call_function", "on_each_cpu", "__csd_lock_wait", "csd_lock_wait", "generic_exec_single",
    ]

    private let model: Target
    private let cpus: [Int]
    /// Of a `call_single_data_t`.
    private let node: UInt64
    private let flags: UInt64
    /// The calls on each CPU's list.
    private var queued: [(cpu: Int, call: VirtualAddress)] = []

    // A CPU has at most one for each other that waits, and those that nobody waits for.
    private static let mostCalls = 1 << 16
    /// `CSD_FLAG_LOCK`: the call has not been answered (include/linux/smp_types.h, kernel/smp.c).
    private static let isLocked: UInt64 = 1

    /// Nil on a kernel without such lists.
    init?(_ model: Target, cpus: [Int]) {
        self.model = model
        self.cpus = cpus
        let types = ["__call_single_data", "call_single_data"]
        func offset(_ paths: [String]) -> UInt64? {
            types.lazy.flatMap { type in paths.lazy.compactMap { model.offset(of: $0, in: type) } }.first
        }
        // In a `node` of their own since 5.8 (4b44a21dd640); `u_flags` since 5.9.
        guard let node = offset(["node.llist", "llist"]), let flags = offset(["node.u_flags", "node.flags", "flags"])
        else { return nil }
        self.node = node
        self.flags = flags
        for cpu in cpus {
            guard let head = queue(of: cpu) else { return nil }
            for entry in Self.entries(of: head, model) {
                queued.append((cpu, entry.advanced(by: 0 &- node)))
            }
        }
    }

    /// The list of calls of a CPU.
    func queue(of cpu: Int) -> VirtualAddress? { place("call_single_queue", cpu) }

    private func place(_ name: String, _ cpu: Int) -> VirtualAddress? {
        guard let base = model.symbols.symbol(named: name)?.address, model.perCPU.offsets.indices.contains(cpu),
            let offset = model.perCPU.offsets[cpu]
        else { return nil }
        return base.advanced(by: offset)
    }

    private static func entries(of head: VirtualAddress, _ model: Target) -> [VirtualAddress] {
        var found: [VirtualAddress] = []
        var seen: Set<VirtualAddress> = []
        var here = head
        while seen.count < mostCalls, let next = try? model.space.word(here), next != 0 {
            here = VirtualAddress(next)
            guard seen.insert(here).inserted else { break }
            found.append(here)
        }
        return found
    }

    static func length(of head: VirtualAddress, _ model: Target) -> Int { entries(of: head, model).count }

    /// The calls that CPU `cpu`, which runs on that stack, has made and that have not been answered. `polled`: the word
    /// that it looks at. `callee`: the CPU that it was told to call, when it calls one.
    func pending(
        of cpu: Int, stack: Range<VirtualAddress>, polled: VirtualAddress?, callee: Int?
    ) -> [Pending] {
        let own = place("csd_data", cpu)
        let shared = ownCalls(cpu)
        var found: [Pending] = []
        for (target, call) in queued where target != cpu {
            if stack.contains(call) || call == own || call == shared[target] {
                found.append(Pending(cpu: target, isQueued: true))
            }
        }
        for (target, call) in shared.sorted(by: { $0.key < $1.key })
        where target != cpu && !found.contains(where: { $0.cpu == target }) && isLocked(call) {
            found.append(Pending(cpu: target, isQueued: false))
        }
        if found.isEmpty, let callee, callee != cpu, let polled,
            isLocked(polled.advanced(by: 0 &- flags))
        {
            found.append(Pending(cpu: callee, isQueued: false))
        }
        return found
    }

    private func isLocked(_ call: VirtualAddress) -> Bool {
        ((try? model.space.unsigned(call.advanced(by: flags), size: 4)) ?? 0) & Self.isLocked != 0
    }

    /// The calls that a CPU keeps for calling many at once, by the CPU that is called: `cfd_data.csd`, from 5.12 to 6.3 in a
    /// `struct cfd_percpu`.
    private func ownCalls(_ cpu: Int) -> [Int: VirtualAddress] {
        guard let data = place("cfd_data", cpu) else { return [:] }
        let within = model.offset(of: "pcpu", in: "call_function_data")
        guard let member = within ?? model.offset(of: "csd", in: "call_function_data"),
            let base = try? model.space.word(data.advanced(by: member)), base != 0
        else { return [:] }
        let inner = within == nil ? 0 : model.offset(of: "csd", in: "cfd_percpu") ?? 0
        var found: [Int: VirtualAddress] = [:]
        for other in cpus {
            guard model.perCPU.offsets.indices.contains(other), let offset = model.perCPU.offsets[other] else {
                continue
            }
            found[other] = VirtualAddress(base &+ offset &+ inner)
        }
        return found
    }
}

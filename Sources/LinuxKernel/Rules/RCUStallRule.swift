// RCU stalls: a grace period that does not end, and who holds it up.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

/// The kernel's own measure (kernel/rcu/tree_stall.h): the grace period is older than `rcu_cpu_stall_timeout` seconds.
enum RCUStallRule: Analysis {
    static let rule = "rcu-stall"
    static let question = "Is there an RCU grace period that does not end, and who holds it up?"

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        // A kernel for one CPU may have the tiny RCU, which has no grace periods that wait.
        guard kernel.model.symbols.symbol(named: "rcu_state") != nil else { return nil }
        do {
            var search = try Search(kernel)
            return try search.result()
        } catch { return .undecided("the state of RCU cannot be read: \(error)") }
    }

    private struct Search {
        let kernel: LinuxKernel
        let state: Value
        let clocks: KernelTime
        var unread: [String] = []

        init(_ kernel: LinuxKernel) throws {
            self.kernel = kernel
            state = try kernel.model.variable("rcu_state")
            clocks = KernelTime(kernel)
        }

        mutating func result() throws -> AnalysisResult {
            // RCU_SEQ_STATE_MASK: 0 between two grace periods (kernel/rcu/rcu.h).
            let phase = try state["gp_seq"].unsigned() & 3
            guard phase != 0 else { return .findings([]) }
            let jiffies = try kernel.model.variable("jiffies").unsigned()
            let age = jiffies &- (try state["gp_start"].unsigned())
            guard Int64(bitPattern: age) > 0 else { return .findings([]) }
            guard let ticks = clocks.ticks else { return .undecided("the kernel does not say how long a tick is") }
            let timeout = try kernel.model.variable("rcu_cpu_stall_timeout").unsigned()
            // rcu_jiffies_till_stall_check() takes no limit outside 3 to 300.
            let limit = min(max(timeout, 3), 300)
            guard age > limit &* ticks else { return .findings([]) }
            guard !clocks.hasPanicked else {
                return .undecided("the kernel panicked, and its time went on while no CPU could end a grace period")
            }
            return .findings([try finding(phase, age, ticks, timeout)])
        }

        private mutating func finding(
            _ phase: UInt64, _ age: UInt64, _ ticks: UInt64, _ timeout: UInt64
        ) throws -> Finding {
            var parties: [String] = []
            var evidence = [
                Evidence(
                    claim: "an RCU grace period is under way", expected: .number(phase),
                    reproduce: "print rcu_state.gp_seq & 3"),
                Evidence(
                    claim: "it has lasted \(age) ticks, of which \(ticks) are a second", expected: .number(age),
                    reproduce: "print jiffies - rcu_state.gp_start"),
                Evidence(
                    claim: "the kernel complains after \(timeout) s", expected: .number(timeout),
                    reproduce: "print rcu_cpu_stall_timeout"),
            ]
            for leaf in try leaves() {
                for blocker in cpus(leaf) + tasks(leaf) {
                    parties.append(blocker.who)
                    evidence += blocker.evidence
                }
            }
            let who =
                parties.isEmpty
                ? "nobody is marked as holding it up: the thread that drives grace periods does not run"
                : "it waits for " + parties.prefix(4).joined(separator: ", ") + (parties.count > 4 ? ", ..." : "")
            return Finding(
                rule: RCUStallRule.rule, confidence: .certain,
                summary: "an RCU grace period has not ended for \(age / ticks) s; \(who)", parties: parties,
                evidence: evidence, unread: unread)
        }

        private struct Blocker {
            let who: String
            let evidence: [Evidence]
        }

        private struct Leaf {
            let index: Int64
            let node: Value
        }

        /// The nodes of the tree that stand for CPUs.
        private func leaves() throws -> [Leaf] {
            let nodes = try state["node"]
            guard case .array(let array) = try nodes.strippedType, let count = array.count else {
                throw ValueError.wrongType("rcu_state.node", needed: "an array")
            }
            let levels = (try? kernel.model.variable("rcu_num_lvls").unsigned()) ?? 1
            var leaves: [Leaf] = []
            for index in 0..<Int64(min(count, 10_000)) {
                let node = try nodes.element(index)
                guard try node["level"].unsigned() &+ 1 == levels, try node["grpmask"].unsigned() != 0 || levels == 1
                else { continue }
                leaves.append(Leaf(index: index, node: node))
            }
            return leaves
        }

        /// CPUs that have not passed a quiescent state since the grace period began.
        private func cpus(_ leaf: Leaf) -> [Blocker] {
            guard let mask = try? leaf.node["qsmask"].unsigned(), let low = try? leaf.node["grplo"].signed() else {
                return []
            }
            return (0..<64).filter { mask >> UInt64($0) & 1 == 1 }.compactMap { bit -> Blocker? in
                let number = Int(low) &+ bit
                let claim = Evidence(
                    claim: "CPU \(number) has not said that it left its read-side sections", expected: .number(1),
                    reproduce: "print (rcu_state.node[\(leaf.index)].qsmask >> \(bit)) & 1")
                guard let cpu = kernel.cpus.cpus.first(where: { $0.number == number }) else {
                    return Blocker(who: "CPU \(number)", evidence: [claim])
                }
                let activity = CPUActivity(cpu, kernel)
                var evidence = [claim]
                var who = "CPU \(number) running \(activity.task)"
                if let place = activity.place, !activity.isIdle { who += " in \(place)" }
                if let pid = activity.pid {
                    evidence.append(
                        Evidence(
                            claim: "\(activity.task) is on CPU \(number)",
                            expected: .number(UInt64(bitPattern: Int64(pid))),
                            reproduce: "print per_cpu(runqueues, \(number)).curr->pid"))
                }
                if let task = try? cpu.current, let nesting = try? task.value["rcu_read_lock_nesting"].signed(),
                    nesting > 0
                {
                    evidence.append(
                        Evidence(
                            claim: "it is inside \(nesting) rcu_read_lock", expected: .number(UInt64(nesting)),
                            reproduce: "print per_cpu(runqueues, \(number)).curr->rcu_read_lock_nesting"))
                }
                return Blocker(who: who, evidence: evidence)
            }
        }

        /// Tasks that were preempted inside a read-side section that this grace period waits for: those of the node's
        /// list from `gp_tasks` on (kernel/rcu/tree_plugin.h).
        private mutating func tasks(_ leaf: Leaf) -> [Blocker] {
            guard leaf.node.has("gp_tasks"), let first = try? leaf.node["gp_tasks"].pointer(), !first.isNull,
                let head = try? leaf.node["blkd_tasks"].address
            else { return [] }
            var blockers: [Blocker] = []
            var link = first
            var seen: Set<VirtualAddress> = []
            while link != head, seen.insert(link).inserted, seen.count <= 4096 {
                guard let node = try? kernel.model.object(.structure, "list_head", at: link),
                    let value = try? node.container("task_struct", "rcu_node_entry"),
                    let pid = try? value["pid"].signed(), let next = try? node["next"].pointer()
                else {
                    unread.append("a link at \(link) of the tasks that block the grace period")
                    break
                }
                let task = Task(value)
                let nesting = (try? value["rcu_read_lock_nesting"].signed()) ?? 0
                let place = "((struct task_struct *)0x\(hex(task.address.rawValue)))"
                blockers.append(
                    Blocker(
                        who: "task \(StackOutput.name(task))",
                        evidence: [
                            Evidence(
                                claim: "task \(pid) was preempted inside a read-side section of node \(leaf.index)",
                                expected: .number((try? leaf.node.address.rawValue) ?? 0),
                                reproduce: "print (unsigned long)\(place)->rcu_blocked_node"),
                            Evidence(
                                claim: "task \(pid) is inside \(nesting) rcu_read_lock",
                                expected: .number(UInt64(bitPattern: nesting)),
                                reproduce: "print \(place)->rcu_read_lock_nesting"),
                        ]))
                link = next
            }
            return blockers
        }
    }
}

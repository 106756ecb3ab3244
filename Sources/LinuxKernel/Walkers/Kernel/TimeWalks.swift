// Timers, high-resolution timers, interrupts, workqueues.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
package import Target

/// The timer wheel: `timer_bases[]` of each CPU (two, three since 6.9, 83a665dc99a7), each with its buckets.
package enum TimerWalk: NamedWalk {
    package static let name = "timer"
    package static let aliases = ["timer_list"]
    package static let summary = "the timers of the timer wheel, by CPU; or of one timer_base"
    package static let root: String? = "struct timer_base"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        if let root {
            return try base(try WalkRoot(root, words, of: self).value("timer_base"), nil, emit)
        }
        let kernel = try linux(context)
        for cpu in kernel.cpus.possible {
            let bases = try kernel.model.perCPUVariable("timer_bases", cpu: cpu)
            guard case .array(let array) = try bases.strippedType else {
                try base(bases, cpu, emit)
                continue
            }
            for index in 0..<Int64(clamping: array.count ?? 0) { try base(try bases.element(index), cpu, emit) }
        }
    }

    private static func base(_ base: Value, _ cpu: Int?, _ emit: (Step) throws -> Void) throws {
        let vectors = try base.member("vectors")
        guard case .array(let array) = try vectors.strippedType, let count = array.count else {
            throw ValueError.wrongType(vectors.typeName, needed: "an array of buckets")
        }
        let pending = try base.member("pending_map").bytes()
        for bucket in 0..<count {
            let head = try vectors.element(Int64(clamping: bucket))
            let isPending = (pending[Int(clamping: bucket / 8)] ?? 0) >> UInt8(bucket % 8) & 1 == 1
            var isEmpty = true
            try KernelList.walk(head, "timer_list", "entry") { step in
                guard let timer = step.value else { return try emit(step) }
                isEmpty = false
                try emit(cpu.map { .indexed(StepIndex(UInt64(clamping: $0)), timer) } ?? step)
                // Bits 22 to 31 of the flags: the bucket.
                guard let flags = try? timer.member("flags").unsigned(), flags >> 22 & 0x3ff != bucket else { return }
                let told = "\(try timer.address) is in bucket \(bucket) and says that it is in \(flags >> 22 & 0x3ff)"
                try emit(.anomaly(Anomaly(.backLink, told, at: try timer.address)))
            }
            // A bit may stay behind when the last timer was deleted; the reverse loses a timer.
            guard !isEmpty, !isPending else { continue }
            let told = "bucket \(bucket) of \(try base.address) has timers, and its pending_map says that it has none"
            try emit(.anomaly(Anomaly(.shape, told, at: try head.address)))
        }
    }
}

/// High-resolution timers: a queue for each clock of each CPU.
package enum HRTimerWalk: NamedWalk {
    package static let name = "hrtimer"
    package static let summary = "the high-resolution timers, by CPU; or of one hrtimer_clock_base"
    package static let root: String? = "struct hrtimer_clock_base"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        if let root {
            return try clock(try WalkRoot(root, words, of: self).value("hrtimer_clock_base"), nil, emit)
        }
        let kernel = try linux(context)
        for cpu in kernel.cpus.possible {
            let base = try kernel.model.perCPUVariable("hrtimer_bases", cpu: cpu)
            let clocks = try base.member("clock_base")
            guard case .array(let array) = try clocks.strippedType, let count = array.count else { continue }
            let active = try base.member("active_bases").unsigned()
            for index in 0..<count {
                var isEmpty = true
                try clock(try clocks.element(Int64(clamping: index)), cpu) { step in
                    if step.value != nil { isEmpty = false }
                    try emit(step)
                }
                guard index < 64, isEmpty == (active >> index & 1 == 1) else { continue }
                let told =
                    "clock \(index) of CPU \(cpu) has \(isEmpty ? "no " : "")timers, and active_bases is 0x\(hex(active))"
                try emit(.anomaly(Anomaly(.shape, told, at: try base.address)))
            }
        }
    }

    private static func clock(_ clock: Value, _ cpu: Int?, _ emit: (Step) throws -> Void) throws {
        let timer = try ElementType("hrtimer", "node", clock.target)
        let own = try clock.address
        try TimerQueueWalk.nodes(try clock.member("active"), anomaly: { try emit(.anomaly($0)) }) { node in
            let value = timer.value(at: try node.address)
            try emit(cpu.map { .indexed(StepIndex(UInt64(clamping: $0)), value) } ?? .element(value))
            guard let base = try? value.member("base").pointer(), base != own else { return }
            let told = "\(try value.address) is a timer of \(own) and says that it is of \(base)"
            try emit(.anomaly(Anomaly(.backLink, told, at: try value.address)))
        }
    }
}

/// Interrupt descriptors: a radix tree until 6.4, a maple tree since 6.5 (721255b9826b), an array without SPARSE_IRQ.
package enum IRQWalk: NamedWalk {
    package static let name = "irq"
    package static let aliases = ["irq_desc"]
    package static let summary = "the descriptors of interrupts, by number"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let model = try linux(context).model
        let type = try ElementType(["irq_desc"], of: self, model)
        func give(_ index: StepIndex, _ address: VirtualAddress?) throws {
            guard let type, let address else { return }
            let value = type.value(at: address)
            try emit(.indexed(index, value))
            guard let number = try? value.path("irq_data", "irq").unsigned(), number != index.first else { return }
            let told = "the descriptor \(address) of interrupt \(index) says that it is of \(number)"
            try emit(.anomaly(Anomaly(.backLink, told, at: address)))
        }
        if model.symbols.symbol(named: "sparse_irqs") != nil {
            let tree = try Globals.structure(model, "sparse_irqs", "maple_tree")
            return try MapleTree.walk(tree, anomaly: { try emit(.anomaly($0)) }) { try give($0.index, $0.pointer) }
        }
        if model.symbols.symbol(named: "irq_desc_tree") != nil {
            let tree = try Globals.structure(model, "irq_desc_tree", "xarray")
            return try XArray.walk(tree, anomaly: { try emit(.anomaly($0)) }) { try give($0.index, $0.pointer) }
        }
        let first = try Globals.address(model, "irq_desc")
        let layout = try StructLayout(model, "irq_desc")
        for number in 0..<min(try Globals.word(model, "nr_irqs", size: 4), 1 << 20) {
            try give(StepIndex(number), first.advanced(by: number &* UInt64(layout.size)))
        }
    }
}

package enum WorkqueueWalk: NamedWalk {
    package static let name = "workqueue"
    package static let aliases = ["workqueue_struct"]
    package static let summary = "the workqueues"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try KernelList.walk(global: "workqueues", "workqueue_struct", "list", context, emit)
    }
}

package enum WorkerPoolWalk: NamedWalk {
    package static let name = "worker_pool"
    package static let summary = "the pools of workers, by id"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let model = try linux(context).model
        let type = try ElementType(["worker_pool"], of: self, model)
        let idr = try Globals.structure(model, "worker_pool_idr", "idr")
        try XArray.walk(try idr.member("idr_rt"), isIDR: true, anomaly: { try emit(.anomaly($0)) }) { entry in
            try emit(.indexed(entry.index, XArrayWalk.value(entry, type, model)))
        }
    }
}

package enum WorkerWalk: NamedWalk {
    package static let name = "worker"
    package static let summary = "the workers of a pool"
    package static let root: String? = "struct worker_pool"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let pool = try WalkRoot(root, words, of: self).value("worker_pool")
        let own = try pool.address
        try KernelList.walk(try pool.member("workers"), "worker", "node") { step in
            try emit(step)
            guard let worker = step.value, let other = try? worker.member("pool").pointer(), other != own else {
                return
            }
            let told = "the worker \(try worker.address) of the pool \(own) says that it is of \(other)"
            try emit(.anomaly(Anomaly(.backLink, told, at: try worker.address)))
        }
    }
}

package enum WorkWalk: NamedWalk {
    package static let name = "work"
    package static let summary = "the work that waits in a pool"
    package static let root: String? = "struct worker_pool"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        let pool = try WalkRoot(root, words, of: self).value("worker_pool")
        try KernelList.walk(try pool.member("worklist"), "work_struct", "entry", emit)
    }
}

package enum NetworkNamespaceWalk: NamedWalk {
    package static let name = "net"
    package static let summary = "the network namespaces"
    package static let root: String? = nil

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        try KernelList.walk(global: "net_namespace_list", "net", "list", context, emit)
    }
}

package enum NetDeviceWalk: NamedWalk {
    package static let name = "net_device"
    package static let aliases = ["netdev"]
    package static let summary = "the network devices of a namespace, of all of them without a root"
    package static let root: String? = "struct net"

    package static func walk(
        _ root: Value?, _ words: [String], _ context: Context, _ emit: (Step) throws -> Void
    ) throws {
        guard let root else {
            return try NetworkNamespaceWalk.walk(nil, [], context) { step in
                guard let net = step.value else { return try emit(step) }
                try walk(net, [], context, emit)
            }
        }
        let net = try WalkRoot(root, words, of: self).value("net")
        try KernelList.walk(try net.member("dev_base_head"), "net_device", "dev_list", emit)
    }
}

// irq: the interrupts and who handles them.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Interrupts: Stage {
    package static let manual = Manual(
        name: "irq", synopsis: "[-u] [-a] [-s] [NUMBER]...", summary: "interrupts and their handlers",
        text: """
            Of every interrupt that has a descriptor, or of those named: its descriptor, and each action with its name and \
            its handler.
            """,
        options: [
            .init("-u", "Only those that have a handler"), .init("-a", "The CPUs that each may go to"),
            .init("-s", "How often each CPU has taken it"),
        ],
        examples: [
            .init("irq", "all interrupts"), .init("irq -s -u", "those in use, with their counts"),
            .init("irq 4", "one of them"),
        ], emits: .subjects)
    private let arguments: Arguments
    private let numbers: [UInt64]

    /// More handlers than share any interrupt.
    private static let maximum = 1024

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        numbers = try arguments.operands.map { word in
            guard let number = UInt64(word) else { throw UsageError("irq: \(Escaping.text(word)) is not a number") }
            return number
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        var found: Set<UInt64> = []
        try IRQWalk.walk(nil, [], context) { step in
            if case .anomaly(let anomaly) = step { return try emit(.record(WalkOutput.record(anomaly))) }
            guard let descriptor = step.value, let number = step.index?.first else { return }
            guard numbers.isEmpty || numbers.contains(number) else { return }
            found.insert(number)
            try rows(number, descriptor, emit)
        }
        if let missing = numbers.first(where: { !found.contains($0) }) {
            throw CommandError("irq: interrupt \(missing) has no descriptor")
        }
    }

    private func rows(_ number: UInt64, _ descriptor: Value, _ emit: Emit) throws {
        let target = descriptor.target
        let next = try ElementType("irqaction", "next", target)
        var count = 0
        var chain = ChainWalk(next: next.offset)
        chain.maximum = Self.maximum
        try chain.walk(
            from: try descriptor.member("action").address, in: target.space,
            anomaly: { try emit(.record(WalkOutput.record($0))) }
        ) { address in
            count += 1
            let action = Value(target: target, type: next.type, place: .memory(address))
            try emit(.record(row(number, descriptor, action)))
        }
        if count == 0, !arguments.has("-u") { try emit(.record(row(number, descriptor, nil))) }
    }

    private func row(_ number: UInt64, _ descriptor: Value, _ action: Value?) -> Record {
        func read(_ body: () throws -> FieldValue) -> FieldValue { TaskContext.read(body) }
        var fields = [
            Field("irq", "IRQ", .unsigned(number)),
            Field("descriptor", "IRQ_DESC", read { .address(try descriptor.address.rawValue) }),
        ]
        if arguments.has("-a") { fields.append(Field("affinity", "CPUS", read { try Self.affinity(descriptor) })) }
        if arguments.has("-s") { fields.append(Field("counts", "COUNTS", read { try Self.counts(descriptor) })) }
        guard let action else {
            fields.append(Field("action", "IRQACTION", .none))
            fields.append(Field("name", "NAME", .none))
            return Record("irq", fields + [Field("handler", "HANDLER", .none)], subject: descriptor)
        }
        fields.append(Field("action", "IRQACTION", read { .address(try action.address.rawValue) }))
        fields.append(Field("name", "NAME", read { .text(try action.member("name").text(limit: 128)) }))
        fields.append(
            Field(
                "handler", "HANDLER",
                read {
                    let handler = try action.member("handler").pointer()
                    return .text(descriptor.target.symbols.describe(handler) ?? hex(handler.rawValue))
                }))
        return Record("irq", fields, subject: descriptor)
    }

    private static func affinity(_ descriptor: Value) throws -> FieldValue {
        var cpus: [FieldValue] = []
        var mask = try descriptor.path("irq_common_data", "affinity")
        // `cpumask_var_t`: an array of one, or a pointer with CPUMASK_OFFSTACK. Bits of no CPU may be set in it.
        if case .array = try mask.strippedType { mask = try mask.element(0) }
        let limit = try? Globals.word(descriptor.target, "nr_cpu_ids", size: 4)
        let root = try WalkRoot(mask, [], of: CPUMaskWalk.self)
        try Bitmap(root, mask, bits: limit, walk: "cpumask").forEach(
            anomaly: { throw ValueError.absent($0.description) }, { cpus.append(.unsigned($0)) })
        return .list(cpus)
    }

    /// `kstat_irqs`: numbers until 6.9, structures with `cnt` since (86d2a2f51fba); one for each CPU.
    private static func counts(_ descriptor: Value) throws -> FieldValue {
        let area = try descriptor.member("kstat_irqs").pointee()
        let target = descriptor.target
        return .list(
            try target.perCPU.offsets.indices.compactMap { cpu in
                guard target.perCPU.offsets[cpu] != nil else { return nil }
                let copy = try target.perCPUCopy(of: area, cpu: cpu)
                return .unsigned(try (copy.has("cnt") ? copy.member("cnt") : copy).unsigned())
            })
    }
}

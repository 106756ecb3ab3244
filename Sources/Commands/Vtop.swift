// vtop: a virtual address to a physical one, step by step.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Vtop: Stage {
    package static let manual = Manual(
        name: "vtop", synopsis: "[-c PID] ADDRESS", summary: "translate a virtual address, showing every level",
        text: "Walks the page tables of the kernel, or of a process, and shows each entry on the way.",
        options: [
            .init("-c", "PID", "Walk the page tables of this process"),
            .init("-u", "ADDRESS is a process's; which one, -c says"),
            .init("-k", "ADDRESS is the kernel's, which it is anyway"),
        ],
        examples: [
            .init("vtop &init_task", "a variable of the kernel"), .init("vtop &jiffies", "another one"),
            .init("vtop -c 1 0x400000", "an address of the first process"),
        ], takesOperand: true, section: .memory)

    private let address: String
    private let pid: Int?

    package init(_ arguments: Arguments) throws {
        address = arguments.operands.joined(separator: " ")
        guard !address.isEmpty else { throw UsageError("vtop: an address is missing; see: help vtop") }
        if let word = arguments.value("-c") {
            guard let number = Int(word) else { throw UsageError("vtop: \(word) is not a pid") }
            pid = number
        } else {
            guard !arguments.has("-u") else { throw UsageError("vtop: -u needs -c PID: whose address is it?") }
            pid = nil
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let source = try Self.source(context)
        let start = try AddressOperand.address(address, context.target, inCrash: AddressOperand.isCrash(context))
        let walk = try source.walk(start, pid: pid)
        var lines = ["virtual   \(hex(start.rawValue, width: 16))"]
        var steps: [FieldValue] = []
        for step in walk.steps {
            let name = step.table + String(repeating: " ", count: max(4 - step.table.count, 0))
            let entry = hex(step.entry, width: 16)
            lines.append(
                "  \(name)    \(hex(step.entryAddress.rawValue, width: 12)): \(entry)  \(step.flags.joined(separator: " "))"
            )
            let fields = [
                Field("table", nil, .text(step.table)), Field("at", nil, .address(step.entryAddress.rawValue)),
                Field("entry", nil, .address(step.entry)), Field("flags", nil, .list(step.flags.map { .text($0) })),
            ]
            steps.append(.record(Record("step", fields, presentation: .none)))
        }
        var fields = [
            Field("virtual", nil, .address(start.rawValue)),
            Field("pid", nil, pid.map { .signed(Int64($0)) } ?? .none), Field("steps", nil, .list(steps)),
        ]
        switch walk.result {
        case .success(let extent):
            let physical = extent.start.rawValue
            lines.append("physical  \(hex(physical, width: 16))  page frame \(hex(physical >> 12))")
            fields.append(Field("physical", nil, .address(physical)))
            fields.append(Field("page_frame", nil, .address(physical >> 12)))
            do throws(MemoryFault) {
                _ = try context.target.space.memory.page(containing: extent.start)
                fields.append(Field("is_saved", nil, .boolean(true)))
            } catch {
                lines.append("          \(error)")
                fields.append(Field("is_saved", nil, .boolean(false)))
            }
        case .failure(let fault):
            lines.append("physical  none: \(fault)")
            fields.append(Field("physical", nil, .gap("\(fault)")))
        }
        try emit(.record(Record("translation", fields, presentation: .block(lines))))
    }

    static func source(_ context: Context) throws -> any TranslationSource {
        guard let source = context.kernel.capability((any TranslationSource).self) else {
            throw CommandError("this kernel does not say how it translates addresses")
        }
        return source
    }
}

/// A physical address to the virtual ones.
package struct Ptov: Stage {
    package static let manual = Manual(
        name: "ptov", synopsis: "ADDRESS", summary: "the kernel's virtual addresses of a physical address",
        text: "The direct map's address first, then those of the kernel image, modules and vmalloc.",
        examples: [
            .init("ptov 0x1000000", "where the kernel sees this byte"),
            .init("ptov 0x2000", "a low page"),
        ], takesOperand: true, section: .memory)

    private let address: String

    package init(_ arguments: Arguments) throws {
        address = arguments.operands.joined(separator: " ")
        guard !address.isEmpty else { throw UsageError("ptov: an address is missing; see: help ptov") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let source = try Vtop.source(context)
        let physical = PhysicalAddress(
            try AddressOperand.address(address, context.target, inCrash: AddressOperand.isCrash(context)).rawValue)
        let aliases = source.aliases(of: physical)
        guard !aliases.isEmpty else { throw CommandError("the kernel maps physical address \(physical) nowhere") }
        for alias in aliases {
            try emit(
                .record(
                    Record(
                        "mapping",
                        [
                            Field("physical", "PHYSICAL", .address(physical.rawValue)),
                            Field("virtual", "VIRTUAL", .address(alias.rawValue)),
                            Field(
                                "symbol", "SYMBOL", context.target.symbols.describe(alias).map { .text($0) } ?? .none),
                        ])))
        }
    }
}

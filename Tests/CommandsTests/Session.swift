// A kernel, and what its commands say about it.

import Bytes
import Capabilities
import Commands
import DebugModel
import FixtureKit
import Pipeline
import Target

/// Names one page for everybody who asks.
private struct Pages: AddressIdentifier {
    func identify(_ address: VirtualAddress) -> [Identification] {
        address.rawValue >> 40 == 0xffff88 ? [Identification(kind: "page", text: "a page of the direct map")] : []
    }
}

struct Session {
    let context: Context
    let task: VirtualAddress
    let initTask: VirtualAddress

    init(
        offering capabilities: [any Capability] = [], pid: Int = 45,
        _ change: (KernelBuilder, _ task: VirtualAddress) -> Void = { _, _ in }
    ) {
        var types = TypeBuilder()
        types.structure("list_head") {
            $0.member("next", "struct list_head *")
            $0.member("prev", "struct list_head *")
        }
        types.structure("task_struct") {
            $0.member("pid", "int")
            $0.member("comm", "char [16]", at: 8)
            $0.member("tasks", "struct list_head")
            $0.member("parent", "struct task_struct *")
        }
        types.typedef("task_t", "struct task_struct")
        types.structure("rq") { $0.member("curr", "struct task_struct *") }
        types.union("either") {
            $0.member("word", "unsigned long")
            $0.member("half", "int")
        }
        let builder = KernelBuilder(types)
        initTask = builder.variable("init_task", "struct task_struct", [("comm", "swapper/0")])
        builder.variable("jiffies", "unsigned long")
        builder.function("schedule")
        builder.function("schedule")
        builder.symbol("mystery", size: 8)
        builder.nextPage()
        task = builder.object(
            "struct task_struct", [("pid", .number(UInt64(pid))), ("comm", "ru\nby"), ("parent", .address(initTask))])
        builder.perCPUVariable("runqueues", "struct rq", [[("curr", .address(initTask))], [("curr", .address(task))]])
        change(builder, task)
        context = Context(
            kernel: builder.kernel([Pages()] + capabilities), catalog: Catalog([[Help.self], Commands.all]),
            gaps: Gaps(),
            journal: Journal())
    }

    /// The lines that a command shows, and what it says when it fails.
    func run(_ line: String) -> [String] {
        var lines: [String] = []
        let outcome = Engine.run(line: line, context: context) { datum in
            switch datum {
            case .record(let record):
                switch record.presentation {
                case .block(let block): lines += block
                case .row:
                    lines.append(
                        record.fields.filter { $0.header != nil }.map { Self.text($0.value) }.joined(separator: " "))
                case .none: break
                }
            case .text(let text): lines.append(text)
            default: lines.append("?")
            }
        }
        if case .failed(let reason) = outcome { lines.append("failed: \(reason)") }
        return lines
    }

    func records(_ line: String) -> [Record] {
        var records: [Record] = []
        _ = Engine.run(line: line, context: context) { if case .record(let record) = $0 { records.append(record) } }
        return records
    }

    static func text(_ value: FieldValue) -> String {
        switch value {
        case .text(let text): text
        case .signed(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .address(let address): hex(address)
        case .boolean(let flag): "\(flag)"
        case .list(let values): "[" + values.map(text).joined(separator: " ") + "]"
        case .record(let record):
            "{" + record.fields.map { "\($0.name)=\(text($0.value))" }.joined(separator: " ") + "}"
        case .gap(let reason): "?\(reason)"
        case .none: "-"
        default: "other"
        }
    }
}

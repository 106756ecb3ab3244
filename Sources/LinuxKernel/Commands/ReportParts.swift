// The report's panic, memory, slab caches and log.

internal import Bytes
internal import Pipeline
internal import Target

extension ReportPage {
    func panic(_ log: Result<KernelLog, any Error>) throws {
        try part("PANIC") {
            var lines: [String] = []
            var fields: [Field] = []
            let message = try log.get().panicMessage
            let troubles = message?.troubles ?? []
            for trouble in troubles {
                lines.append("  \(trouble.kind.name): \(LogStyle.plain.prefix(trouble.record))\(trouble.line)")
            }
            fields.append(Field("message", nil, message?.headline.map { .text($0) } ?? .none))
            let reports = troubles.map { trouble in
                FieldValue.record(
                    Record(
                        "trouble",
                        [
                            Field("what", nil, .text(trouble.kind.name)), Field("line", nil, .text(trouble.line)),
                            Field("timestamp_ns", nil, .unsigned(trouble.record.timestamp)),
                        ]))
            }
            fields.append(Field("reports", nil, .list(reports)))
            if let cpu = kernel.panicCPU, let task = try? cpu.current {
                lines.append("  on CPU \(cpu.number), task \(StackOutput.name(task))")
                fields.append(Field("cpu", nil, .signed(Int64(cpu.number))))
                fields.append(Field("task", nil, .record(Record("task", StackOutput.identity(task)))))
                agreement(try? log.get(), cpu, &lines, &fields)
            } else if let failure = kernel.cpus.failure {
                // PANIC_CPU_INVALID is -1.
                let cpu = (try? Globals.word(kernel.model, "panic_cpu", size: 4)).flatMap { $0 < 1 << 16 ? $0 : nil }
                lines.append(
                    "  " + (cpu.map { "on CPU \($0); its task" } ?? "what ran then") + " cannot be told: \(failure)")
                context.gaps.note(Gap("what ran on the CPUs", why: failure))
                fields.append(Field("cpu", nil, cpu.map { .unsigned($0) } ?? .gap(failure)))
            } else {
                lines.append("  the kernel did not panic: it was running, or hanging, when the dump was taken")
                let blocked = try kernel.tasks().tasks.filter { (try? $0.state.isUninterruptible) == true }
                if !blocked.isEmpty {
                    let names = blocked.map { StackOutput.name($0) }
                    let verb = blocked.count == 1 ? "task is" : "tasks are"
                    lines.append("  \(blocked.count) \(verb) in uninterruptible sleep:")
                    lines += TextWrap.lines(Array(names.prefix(16)) + (names.count > 16 ? ["..."] : []), indent: 4)
                }
                fields.append(Field("cpu", nil, .none))
            }
            if let bits = kernel.taint, bits != 0 {
                lines.append("  tainted: \(Taint.letters(bits)) (\(Taint.meanings(bits).joined(separator: ", ")))")
            }
            try emit(.record(Record("panic", fields, presentation: .block(lines))))
        }
    }

    /// Whether the stack of the panicked task is the one that the kernel printed when it died.
    private func agreement(_ log: KernelLog?, _ cpu: CPU, _ lines: inout [String], _ fields: inout [Field]) {
        guard let log, let stack = try? StackReader(kernel).stack(of: cpu), let pid = try? stack.task.pid,
            let trace = log.traces.last(where: { $0.pid == pid && !$0.entries.isEmpty })
        else { return fields.append(Field("trace", nil, .none)) }
        let frames = StackListing(stack, kernel.model).frames
        switch TraceAgreement.compare(frames, with: trace, kernel.model) {
        case .none: fields.append(Field("trace", nil, .none))
        case .agrees(let count):
            lines.append("  its stack is the one of the log's Call Trace (\(count) frames are the same)")
            fields.append(Field("trace", nil, .text("agrees")))
        case .differs(let why):
            lines.append("  WARNING: its stack is not the one of the log's Call Trace: \(why)")
            fields.append(Field("trace", nil, .text("differs: \(why)")))
            context.gaps.note(Gap("the stack of the panicked task", why: "the log's Call Trace differs: \(why)"))
        }
    }

    func memory() throws {
        try part("MEMORY") {
            let summary = MemorySummary(kernel.model)
            var lines: [String] = []
            var fields: [Field] = []
            let width = summary.items.map(\.label.count).max() ?? 0
            for item in summary.items {
                let label = String(repeating: " ", count: width - item.label.count) + item.label
                switch item.value {
                case .success(let value):
                    lines.append("  \(label): \(byteSize(value))")
                    fields.append(Field(item.name, nil, .unsigned(value)))
                case .failure(let gap):
                    lines.append("  \(label): - (\(gap))")
                    fields.append(Field(item.name, nil, .gap(gap.description)))
                }
            }
            try emit(.record(Record("memory", fields, presentation: .block(lines))))
        }
    }

    func slabs() throws {
        try part("LARGEST SLAB CACHES") {
            let listing = try SlabListing(kernel.model, regions: kernel.regions)
            for row in listing.rows.prefix(10) {
                for gap in row.usage.gaps { context.gaps.note(Gap("slab cache \(row.cache.name)", why: gap)) }
                try emit(.record(row.record))
            }
            for anomaly in listing.anomalies + listing.rows.flatMap(\.usage.anomalies) {
                context.gaps.note(Gap("slab caches", why: anomaly.description))
            }
        }
    }

    func log(_ log: Result<KernelLog, any Error>, lines count: Int) throws {
        try part("LOG (last \(count) records)") {
            let log = try log.get()
            for record in log.records.suffix(count) { try emit(.record(LogStyle.plain.record(record))) }
            for anomaly in log.anomalies { context.gaps.note(Gap("part of the log", why: anomaly.description)) }
        }
    }
}

extension LogStyle {
    /// As dmesg prints without options.
    static let plain = LogStyle(levels: false, timestamps: true, callers: false, boot: nil)
}

// trace, alltrace, acttrace, show threads: stacks in ddb's look.

internal import Bytes
internal import Capabilities
internal import DebugModel
internal import Machine
internal import Pipeline
internal import Target
internal import Unwind

extension Runner {
    func trace(_ request: Request) throws {
        guard !request.modifier.contains("u") else {
            throw CommandError("trace/u: stacks of user space are not followed; the kernel's: trace")
        }
        let list = try list()
        let thread: KernelThread
        if request.hasAddress {
            let wanted = request.address
            // A thread's id, a process's, or the address of a thread.
            if let found = list.threads.first(where: { $0.id.map(Int64.init) == wanted })
                ?? list.threads.first(where: { $0.process.map(Int64.init) == wanted })
            {
                thread = found
            } else {
                let address = VirtualAddress(UInt64(bitPattern: wanted))
                guard let found = (list.threads + list.idle).first(where: { $0.address == address }) else {
                    throw CommandError("there is no thread \(wanted)")
                }
                thread = found
            }
        } else {
            thread = try chosen(list)
        }
        let heading =
            "Tracing pid \(ThreadText.number(thread.process)) tid \(ThreadText.number(thread.id)) td \(thread.address)"
        try show(thread, heading: [heading], count: request.count)
    }

    func traceAll(activeOnly: Bool) throws {
        let list = try list()
        let idle = list.idle.filter(\.isOnProcessor)
        for thread in idle + list.threads where !activeOnly || thread.isOnProcessor {
            if context.isInterrupted() { throw Interrupted() }
            let cpu = thread.isOnProcessor ? " (CPU \(ThreadText.number(thread.processor)))" : ""
            let heading =
                "Tracing command \(Escaping.text(thread.name ?? "?")) pid \(ThreadText.number(thread.process))"
                + " tid \(ThreadText.number(thread.id)) td \(thread.address)\(cpu)"
            try show(thread, heading: ["", heading], count: nil)
        }
    }

    private func show(_ thread: KernelThread, heading: [String], count: Int64?) throws {
        for gap in thread.gaps { context.gaps.note(gap) }
        var lines = heading
        var fields = ThreadText.fields(thread)
        do {
            let made = try source().stack(of: thread.address)
            if let why = made.stack.end.whyStopped {
                context.gaps.note(Gap("the rest of the stack of thread \(ThreadText.number(thread.id))", why: why))
            }
            let frames = count.map { made.stack.frames.prefix(Int(clamping: max($0, 0))) } ?? made.stack.frames[...]
            let isCut = frames.count < made.stack.frames.count
            for frame in frames {
                if frame.wasInterrupted { lines.append(trap("interrupted", frame.registers)) }
                lines.append(entry(frame))
            }
            if !isCut { lines += end(made.stack.end) }
            lines += made.remarks.map { "WARNING: \($0)" }
            fields.append(Field("frames", nil, .list(frames.map { .record(record($0)) })))
            fields.append(Field("complete", nil, .boolean(made.stack.end.whyStopped == nil && !isCut)))
        } catch {
            context.gaps.note(Gap("the stack of thread \(ThreadText.number(thread.id))", why: "\(error)"))
            lines.append("--- no stack: \(error) ---")
            fields.append(Field("frames", nil, .list([])))
            fields.append(Field("error", nil, .gap("\(error)")))
        }
        try emit(.record(Record("trace", fields, presentation: .block(lines))))
    }

    /// `function() at function+0x3b/frame 0x...`. The frame is where a frame pointer would have been saved, whether or
    /// not the function has one: eight bytes below its return address.
    func entry(_ frame: Frame) -> String {
        let symbol = context.target.symbols.symbol(covering: frame.lookupAddress)
        let name = symbol?.name ?? "??"
        let offset = symbol.map { frame.programCounter.distance(from: $0.address) }
        let place = offset.map { $0 == 0 ? name : "\(name)+0x\(hex($0))" } ?? "0x" + hex(frame.programCounter.rawValue)
        return "\(name)() at \(place)" + (frameBase(frame).map { "/frame 0x" + hex($0) } ?? "")
    }

    private func frameBase(_ frame: Frame) -> UInt64? { frame.frameAddress.map { $0.rawValue &- 16 } }

    private func record(_ frame: Frame) -> Record {
        let symbol = context.target.symbols.symbol(covering: frame.lookupAddress)
        return Record(
            "frame",
            [
                Field("function", nil, symbol.map { .text($0.name) } ?? .none),
                Field(
                    "offset", nil, symbol.map { .unsigned(frame.programCounter.distance(from: $0.address)) } ?? .none),
                Field("pc", nil, .address(frame.programCounter.rawValue)),
                Field("frame", nil, frameBase(frame).map { .address($0) } ?? .none),
                Field("interrupted", nil, .boolean(frame.wasInterrupted)),
                Field("module", nil, symbol?.module.map { .text($0) } ?? .none),
            ])
    }

    /// ddb's line between a trap's frames: `--- trap 0xc, rip = ..., rsp = ..., rbp = ... ---`.
    private func trap(_ what: String, _ registers: Registers) -> String {
        let layout = context.target.machine.layout
        let shown = [layout.programCounter, layout.stackPointer, layout.framePointer].compactMap { number -> String? in
            guard let name = layout.names[number], let value = registers[number] else { return nil }
            return "\(name) = 0x\(hex(value))"
        }
        return "--- " + ([what] + shown).joined(separator: ", ") + " ---"
    }

    private func end(_ end: StackEnd) -> [String] {
        switch end {
        case .userMode(let registers): [trap("user mode", registers)]
        case .start: []
        case .neverRan: ["--- has not run ---"]
        case .exited: ["--- has exited ---"]
        case .stopped(let why): ["--- stopped: \(why) ---"]
        }
    }

    /// `show threads`: a line for each, with its innermost frame.
    func threads() throws {
        let list = try list()
        let source = try source()
        for thread in list.idle.filter(\.isOnProcessor) + list.threads {
            if context.isInterrupted() { throw Interrupted() }
            for gap in thread.gaps { context.gaps.note(gap) }
            let id = ThreadText.number(thread.id)
            let stack = thread.stack.map { "\($0.lowerBound)" } ?? "none"
            let place: String
            var fields = ThreadText.fields(thread)
            do {
                let made = try source.stack(of: thread.address).stack
                place = made.frames.first.map { entry($0) } ?? end(made.end).first ?? "***"
                fields.append(Field("frame", nil, made.frames.first.map { .record(record($0)) } ?? .none))
            } catch {
                place = "*** \(error)"
                fields.append(Field("frame", nil, .gap("\(error)")))
            }
            let line =
                "  \(String(repeating: " ", count: max(6 - id.utf8.count, 0)))\(id) (\(thread.address))"
                + " (stack \(stack))  \(place)"
            try emit(.record(Record("thread", fields, presentation: .block([line]))))
        }
    }
}

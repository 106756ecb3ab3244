// A stack with names: one line a function, inlined ones too, ready to be shown, compared and grouped.

package import Bytes
package import DebugModel
internal import Machine
package import Pipeline
package import Target
internal import Unwind

/// One function of a stack.
package struct ListedFrame: Sendable, Equatable {
    /// The machine frame that the function runs in, as a position in `stack.frames`: functions inlined there share it.
    package let index: Int
    /// Where the frame goes on.
    package let programCounter: VirtualAddress
    /// The stack pointer in this frame; nil when unknown.
    package let stackPointer: VirtualAddress?
    /// As debug information names it, else as the symbol does; nil when neither covers the address.
    package let function: String?
    /// The symbol that covers the address, and the distance from it; nil for inlined functions.
    package let symbol: String?
    package let offset: UInt64?
    package let isInlined: Bool
    package let module: String?
    package let location: SourceLine?
    /// Registers below were saved by an exception or interrupt.
    package let wasInterrupted: Bool
    /// `programCounter` is where a call returns to, and no call stands before it.
    package let followsNoCall: Bool
}

/// A task's stack with names.
package struct StackListing: Sendable {
    package let stack: TaskStack
    package let frames: [ListedFrame]
    /// How many of `frames` each frame of the stack has: 1, and one more for each function inlined there.
    private let counts: [Int]

    /// How many functions frame `index` of the stack is listed as.
    package func functions(ofFrame index: Int) -> Int { counts.indices.contains(index) ? counts[index] : 0 }

    package init(_ stack: TaskStack, _ target: Target) {
        self.stack = stack
        let layout = target.machine.layout
        let lists = stack.stack.frames.enumerated().map { index, frame in
            let pointer = frame.registers[layout.stackPointer].map { VirtualAddress($0) }
            return Self.list(frame, index, pointer, stack.suspects.contains(index), target)
        }
        frames = lists.flatMap { $0 }
        counts = lists.map(\.count)
    }

    /// The functions of one frame, innermost first.
    private static func list(
        _ frame: Frame, _ index: Int, _ pointer: VirtualAddress?, _ isSuspect: Bool, _ target: Target
    ) -> [ListedFrame] {
        let lookup = frame.lookupAddress
        let symbol = target.symbols.symbol(covering: lookup)
        // A damaged line table or scope loses names, not the frame.
        let scopes = (try? target.functions(at: lookup)) ?? []
        func make(_ scope: FunctionScope?, inlined: Bool) -> ListedFrame {
            ListedFrame(
                index: index, programCounter: frame.programCounter, stackPointer: pointer,
                function: scope?.name ?? symbol?.name,
                symbol: inlined ? nil : symbol?.name,
                offset: inlined ? nil : symbol.map { frame.programCounter.distance(from: $0.address) },
                isInlined: inlined, module: symbol?.module,
                location: scope?.location ?? (scope == nil ? (try? target.line(at: lookup)).flatMap { $0 } : nil),
                wasInterrupted: frame.wasInterrupted, followsNoCall: isSuspect)
        }
        guard !scopes.isEmpty else { return [make(nil, inlined: false)] }
        return scopes.map { make($0, inlined: $0.isInlined) }
    }

    /// What is the same for tasks that wait in the same place: the addresses of the frames.
    package var signature: [UInt64] { stack.stack.frames.map(\.programCounter.rawValue) }

    /// The names of the functions that have a frame, innermost first: the same for stacks that went the same way, in
    /// every session and on every machine that runs this kernel, with debug information or without. What `group-by
    /// stack` groups by.
    package var key: String {
        frames.filter { !$0.isInlined }.map { $0.symbol ?? hex($0.programCounter.rawValue) }.joined(separator: ";")
    }
}

extension StackListing {
    /// crash's way of writing a frame, with the source line behind it or, if `separateLines`, below. `below` gives what
    /// else stands below a frame, by its number.
    package func lines(separateLines: Bool = false, below: (Int) -> [String] = { _ in [] }) -> [String] {
        var lines = frames.indices.flatMap { line($0, separateLines: separateLines) + below($0) }
        lines += endLines
        lines += stack.remarks.map { "    WARNING: \($0)" }
        return lines
    }

    /// The lines of one frame, as `bt` and `frame` show it.
    package func line(_ number: Int, separateLines: Bool = false) -> [String] {
        let frame = frames[number]
        let index = number < 10 ? " #\(number)" : "#\(number)"
        let place = frame.stackPointer.map { hex($0.rawValue, width: 16) } ?? "................"
        var text = "\(index) [\(place)] "
        if frame.isInlined {
            text += "\(frame.function ?? "?") (inlined)"
        } else if let symbol = frame.symbol {
            text += "\(symbol)+0x\(hex(frame.offset ?? 0))"
        } else {
            text += frame.function ?? "(unknown)"
        }
        text += " at \(hex(frame.programCounter.rawValue, width: 16))"
        if let module = frame.module { text += " [\(module)]" }
        if frame.followsNoCall { text += "  (no call stands before this address)" }
        guard let location = frame.location else { return [text] }
        if separateLines { return [text, "    \(location.file): \(location.line)"] }
        return [text + "  \(location.file):\(location.line)"]
    }

    private var endLines: [String] {
        switch stack.stack.end {
        case .start: return []
        case .neverRan: return ["    (created, and has not run yet)"]
        case .exited: return ["    (has exited; its stack is freed)"]
        case .stopped(let why): return ["    (stopped: \(why))"]
        case .userMode(let registers):
            let target = stack.task.value.target
            let layout = target.machine.layout
            let shown = [layout.programCounter, layout.stackPointer].compactMap { number -> String? in
                guard let name = layout.names[number], let value = registers[number] else { return nil }
                return "\(name) \(hex(value, width: 16))"
            }
            return ["    (user mode: \(shown.joined(separator: "  ")))"]
        }
    }

    /// The end as a JSON record.
    private var end: Record {
        switch stack.stack.end {
        case .start:
            return Record("end", [Field("reason", nil, .text("start")), Field("complete", nil, .boolean(true))])
        case .neverRan:
            return Record("end", [Field("reason", nil, .text("never-ran")), Field("complete", nil, .boolean(true))])
        case .exited:
            return Record("end", [Field("reason", nil, .text("exited")), Field("complete", nil, .boolean(true))])
        case .stopped(let why):
            return Record(
                "end",
                [
                    Field("reason", nil, .text("stopped")), Field("complete", nil, .boolean(false)),
                    Field("text", nil, .text(why)),
                ])
        case .userMode(let registers):
            let layout = stack.task.value.target.machine.layout
            let values = registers.known.compactMap { number -> Field? in
                guard let name = layout.names[number], let value = registers[number] else { return nil }
                return Field(name, nil, .address(value))
            }
            return Record(
                "end",
                [
                    Field("reason", nil, .text("user-mode")), Field("complete", nil, .boolean(true)),
                    Field("registers", nil, .record(Record("registers", values))),
                ])
        }
    }

    /// The stack as fields, for JSON.
    package var fields: [Field] {
        let origin: FieldValue =
            switch stack.origin {
            case .switchedOut: .text("switched-out")
            case .cpu(_, let note): .text(note)
            }
        return [
            Field("origin", nil, origin), Field("stack", nil, .text(key)),
            Field("frames", nil, .list(frames.indices.map { .record(record($0)) })),
            Field("end", nil, .record(end)),
            Field("remarks", nil, .list(stack.remarks.map { .text($0) })),
        ]
    }

    /// One frame as fields.
    package func record(_ number: Int) -> Record {
        let frame = frames[number]
        return Record(
            "frame",
            [
                Field("number", nil, .signed(Int64(number))),
                Field("function", nil, frame.function.map { .text($0) } ?? .none),
                Field("symbol", nil, frame.symbol.map { .text($0) } ?? .none),
                Field("offset", nil, frame.offset.map { .unsigned($0) } ?? .none),
                Field("pc", nil, .address(frame.programCounter.rawValue)),
                Field("sp", nil, frame.stackPointer.map { .address($0.rawValue) } ?? .none),
                Field("inlined", nil, .boolean(frame.isInlined)),
                Field("interrupted", nil, .boolean(frame.wasInterrupted)),
                Field("follows_no_call", nil, .boolean(frame.followsNoCall)),
                Field("module", nil, frame.module.map { .text($0) } ?? .none),
                Field("file", nil, frame.location.map { .text($0.file) } ?? .none),
                Field("line", nil, frame.location.map { .signed(Int64($0.line)) } ?? .none),
            ])
    }
}

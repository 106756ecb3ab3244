// frame, up, down: one frame of the current task's stack.

internal import Bytes
internal import Capabilities
package import Pipeline
internal import Target

package struct FrameStage: Stage {
    package static let manual = Manual(
        name: "frame", synopsis: "[-f] [-v] [NUMBER]", summary: "choose and show a frame of the current task's stack",
        text: """
            Frames are counted as `bt` counts them, from 0 at the innermost one, inlined functions too. The chosen one is \
            what `regs` and `dis` begin with; `up` goes to the caller, `down` to the callee. `set` chooses the task.
            """,
        options: [
            .init("-f", "also the memory of the frame, word by word"),
            .init("-v", "also its variables, and how each was found"),
        ],
        examples: [.init("frame", "the current frame"), .init("frame 1", "the caller of the innermost function")],
        section: .tasks)
    private let number: Int?
    private let showsMemory: Bool
    private let showsVariables: Bool

    package init(_ arguments: Arguments) throws {
        showsMemory = arguments.has("-f")
        showsVariables = arguments.has("-v")
        guard let word = arguments.operands.first else {
            number = nil
            return
        }
        let digits = word.hasPrefix("#") ? String(word.dropFirst()) : word
        guard let parsed = Int(digits), parsed >= 0, arguments.operands.count == 1 else {
            throw UsageError("frame: \(word) is no number of a frame")
        }
        number = parsed
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try FrameMove.show(context, emit, memory: showsMemory, variables: showsVariables) { _ in
            number ?? context.session.focus.frame
        }
    }
}

package struct Up: Stage {
    package static let manual = Manual(
        name: "up", synopsis: "[COUNT]", summary: "go to the frame that called the current one",
        text: "COUNT frames outwards, one unless said, at most to the outermost one. See `frame`.",
        examples: [.init("up", "the caller")], section: .tasks)
    private let count: Int

    package init(_ arguments: Arguments) throws { count = try FrameMove.count(arguments, "up") }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try FrameMove.show(context, emit) { last in min(context.session.focus.frame.addingClamped(count), last) }
    }
}

package struct Down: Stage {
    package static let manual = Manual(
        name: "down", synopsis: "[COUNT]", summary: "go to the frame that the current one called",
        text: "COUNT frames inwards, one unless said, at most to the innermost one. See `frame`.",
        examples: [.init("down", "the callee")], section: .tasks)
    private let count: Int

    package init(_ arguments: Arguments) throws { count = try FrameMove.count(arguments, "down") }

    package func finish(_ context: Context, _ emit: Emit) throws {
        try FrameMove.show(context, emit) { _ in max(context.session.focus.frame.addingClamped(-count), 0) }
    }
}

/// What the three have in common.
enum FrameMove {
    static func count(_ arguments: Arguments, _ name: String) throws -> Int {
        guard let word = arguments.operands.first else { return 1 }
        guard let count = Int(word), count > 0 else { throw UsageError("\(name): \(word) is no count") }
        return count
    }

    /// Shows a frame of the current task, and makes it the current one. `choose` is told the number of the last one.
    static func show(
        _ context: Context, _ emit: Emit, memory: Bool = false, variables: Bool = false, choose: (Int) -> Int
    ) throws {
        let kernel = try linux(context)
        let focus = context.session.focus
        let task = try Focused.task(focus.task, kernel)
        let listing = StackListing(try StackReader(kernel).stack(of: task), kernel.model)
        guard !listing.frames.isEmpty else {
            throw CommandError("task \(StackOutput.name(task)) has no frames in the kernel")
        }
        let number = choose(listing.frames.count - 1)
        guard listing.frames.indices.contains(number) else {
            throw CommandError(
                "the stack of task \(StackOutput.name(task)) has frames 0 to \(listing.frames.count - 1)")
        }
        context.session.focus = Focus(task: focus.task, frame: number)
        let reader = memory ? FrameMemory(kernel.model, task, kernel.capability((any AddressIdentifier).self)) : nil
        let words = FrameWords(listing, reader)
        // The memory of an inlined function is that of the function that it is inlined into.
        let holder = listing.frames.lastIndex { $0.index == listing.frames[number].index } ?? number
        let arguments = FrameArguments(
            listing, StackValues(listing, kernel), steps: variables, only: number)
        let fields =
            StackOutput.identity(task) + arguments.fields + [Field("frame", nil, .record(listing.record(number)))]
        try emit(
            .record(
                Record(
                    "frame", fields,
                    presentation: .block(listing.line(number) + arguments.lines(number) + words.lines(holder)))))
    }
}

extension Int {
    /// The sum, or the nearest number that there is.
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}

// held: the locks that tasks hold.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Held: Stage {
    package static let manual = Manual(
        name: "held", synopsis: "[--inferred] [PID|ADDRESS|NAME]...",
        summary: "the locks that tasks hold, and where they took them",
        text: """
            Of each lock: who has it, what it is, whether others may have it too, where it was taken, and how that is \
            known. Where the kernel keeps a record of what each task holds (lockdep), that is told. Otherwise it follows \
            from the code of the functions on the task's stack, which took a lock and have not given it back, as far as \
            the lock's own words agree, and from the owner words of the locks that others wait for. Without words: all \
            tasks.
            """,
        options: [.init("--inferred", "from code and locks alone, even where the kernel kept a record")],
        examples: [.init("held", "what anybody holds")], section: .tasks)
    private let words: [String]
    private let isInferred: Bool

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        isInferred = arguments.has("--inferred")
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        let model = try LockModel(kernel)
        LockOutput(model: model).note(context)
        if !isInferred, Lockdep(kernel)?.hasStopped == true {
            try emit(.text("lockdep has stopped, and its record is old: what follows is inferred"))
        }
        let tasks = words.isEmpty ? model.tasks : try words.flatMap { try TaskSelection.tasks($0, in: kernel.tasks()) }
        var count = 0
        for task in tasks {
            if context.isInterrupted() { throw Interrupted() }
            do {
                for holding in try model.holdings(of: task, followingLockdep: !isInferred) {
                    count += 1
                    try emit(.record(record(holding, task, model)))
                }
            } catch let error as ValueError {
                context.gaps.note(Gap("what \(model.title(task.address)) holds", why: "\(error)"))
            }
        }
        if count == 0 { try emit(.text("no lock is seen to be held")) }
    }

    private func record(_ holding: Holding, _ task: Task, _ model: LockModel) -> Record {
        let name = model.name(holding.lockClass, holding.lock)
        let line =
            "\(model.title(task.address)) holds \(name)\(holding.isShared ? " for reading" : "")"
            + (holding.place.map { ", taken in \($0)" } ?? "") + " [\(holding.because); \(holding.grade.rawValue)]"
        return Record(
            "held",
            TaskContext.fields(task) + [
                Field("comm", nil, (try? task.comm).map { .text($0) } ?? .gap("unreadable")),
                Field("class", nil, .text(holding.lockClass.name)),
                Field("lock", nil, .address(holding.lock.rawValue)), Field("name", nil, .text(name)),
                Field("mode", nil, .text(holding.isShared ? "read" : "write")),
                Field("grade", nil, .text(holding.grade.rawValue)), Field("because", nil, .text(holding.because)),
                Field("taken_in", nil, holding.place.map { .text($0) } ?? .none),
            ], presentation: .block([line]), subject: task.value)
    }
}

// What commands about one task after another share: which tasks, and the line above each.

internal import Bytes
internal import DebugModel
internal import Pipeline
internal import Target

enum TaskContext {
    /// The tasks that the words name; the one that the session looks at without any.
    static func tasks(_ words: [String], _ context: Context) throws -> [Task] {
        let kernel = try linux(context)
        guard !words.isEmpty else { return [try Focused.task(context.session.focus.task, kernel)] }
        return try words.flatMap { try TaskSelection.tasksOrIdle($0, kernel) }
    }

    /// The task of a datum that another command hands on: its `task_struct`.
    static func task(_ datum: Datum, _ command: String) throws -> Task {
        let value: Value?
        switch datum {
        case .object(let object): value = object
        case .record(let record): value = record.subject
        default: value = nil
        }
        guard var task = value else { throw UsageError("\(command) takes tasks from another command") }
        if case .pointer = try task.strippedType { task = try task.pointee() }
        guard case .aggregate(let type) = try task.strippedType, type.name == "task_struct" else {
            throw UsageError("\(command) takes tasks from another command, not a \(task.typeName)")
        }
        return Task(task)
    }

    static func line(_ task: Task) -> String {
        let pid = (try? task.pid).map { "\($0)" } ?? "?"
        let cpu = (try? task.cpu).map { "\($0)" } ?? "?"
        let name = Escaping.text((try? task.comm) ?? "?")
        return "PID: \(pid)  TASK: \(hex(task.address.rawValue))  CPU: \(cpu)  COMMAND: \"\(name)\""
    }

    /// The fields that tell which task a record is of.
    static func fields(_ task: Task) -> [Field] {
        [
            Field("pid", nil, (try? task.pid).map { .signed(Int64($0)) } ?? .none),
            Field("task", nil, .address(task.address.rawValue)),
        ]
    }

    /// A field's value, or the reason why it cannot be had.
    static func read(_ body: () throws -> FieldValue) -> FieldValue {
        do { return try body() } catch { return .gap("\(error)") }
    }
}

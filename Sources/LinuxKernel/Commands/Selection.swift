// Which tasks a command means: pids, task addresses, names, states, kinds.

internal import Bytes
internal import Pipeline
internal import Target

/// The context of a command, as a Linux one.
func linux(_ context: Context) throws -> LinuxKernel {
    guard let kernel = context.kernel as? LinuxKernel else {
        throw CommandError("this command needs a Linux kernel")
    }
    return kernel
}

/// Chooses tasks by words: a pid, the address of a `task_struct`, or a command name.
struct TaskSelection {
    /// The tasks that one word means. Throws when it means none.
    static func tasks(_ word: String, in table: TaskTable) throws -> [Task] {
        if let pid = Int(word) {
            let found = table.tasks.filter { (try? $0.pid) == pid }
            guard !found.isEmpty else { throw CommandError("there is no task with pid \(pid)") }
            return found
        }
        let digits = word.hasPrefix("0x") ? String(word.dropFirst(2)) : word
        if digits.count >= 8, let number = UInt64(digits, radix: 16) {
            let found = table.tasks.filter { $0.address.rawValue == number }
            guard !found.isEmpty else { throw CommandError("there is no task at 0x\(hex(number))") }
            return found
        }
        let found = table.tasks.filter { (try? $0.comm) == word }
        guard !found.isEmpty else { throw CommandError("no pid, task address or command name is \(word)") }
        return found
    }

    /// The same, idle tasks too: they are on no list, and are named by their addresses.
    static func tasksOrIdle(_ word: String, _ kernel: LinuxKernel) throws -> [Task] {
        let digits = word.hasPrefix("0x") ? String(word.dropFirst(2)) : word
        let idle = kernel.cpus.cpus.compactMap { try? $0.idle }
        if let match = idle.first(where: { hex($0.address.rawValue) == digits }) { return [match] }
        return try tasks(word, in: kernel.tasks())
    }

    /// A state as crash writes it.
    static func twoLetters(_ letter: String) -> String {
        switch letter {
        case "R": "RU"
        case "S": "IN"
        case "D": "UN"
        case "T": "ST"
        case "t": "TR"
        case "X": "DE"
        case "Z": "ZO"
        case "P": "PA"
        case "I": "ID"
        default: letter
        }
    }

    /// Whether a word names a task state: a letter of `ps`, or crash's two letters.
    static func state(_ word: String) -> Set<String>? {
        switch word {
        case "R", "RU": ["R"]
        case "S", "IN": ["S"]
        case "D", "UN": ["D"]
        case "T", "ST": ["T"]
        case "t", "TR": ["t"]
        case "X", "DE": ["X"]
        case "Z", "ZO": ["Z"]
        case "P", "PA": ["P"]
        case "I", "ID": ["I"]
        default: nil
        }
    }
}

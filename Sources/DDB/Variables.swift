// What ddb remembers between lines: places, variables, formats, the chosen thread.

internal import Bytes
internal import Pipeline

/// The `$` variables and the four places. Registers are not here: they belong to a thread.
struct Variables: Sendable {
    /// `.`: the current location.
    var dot: Int64 = 0
    /// `+`: where the next examination begins.
    var next: Int64 = 0
    /// `..`: where the last line that was examined began.
    var previous: Int64 = 0
    /// The ditto mark: the last address that was given.
    var ditto: Int64 = 0
    var radix: Int64 = 16
    /// An address further from its symbol is shown as a number.
    private(set) var maximumOffset: Int64 = 0x10000
    private(set) var width: Int64 = 79
    private var others: [String: Int64] = ["tabstops": 8, "lines": 24, "db_cpu": -1]

    /// The CPU that `$db_cpu` names, if any.
    var chosenCPU: Int? { others["db_cpu"].flatMap { Int(exactly: $0) }.flatMap { $0 < 0 ? nil : $0 } }

    static let names = ["radix", "maxoff", "maxwidth", "tabstops", "lines", "db_cpu"] + (0...31).map { "work\($0)" }

    func place(_ mark: String) -> Int64 {
        switch mark {
        case ".": dot
        case "..": previous
        case "+": next
        default: ditto
        }
    }

    subscript(name: String) -> Int64? {
        switch name {
        case "radix": radix
        case "maxoff": maximumOffset
        case "maxwidth": width
        default: Self.names.contains(name) ? others[name] ?? 0 : nil
        }
    }

    mutating func set(_ name: String, _ value: Int64) throws {
        switch name {
        case "radix":
            guard (2...16).contains(value) else { throw UsageError("$radix is 2 to 16 (0t2 to 0t16), not \(value)") }
            radix = value
        case "maxoff": maximumOffset = value
        case "maxwidth":
            guard (20...100_000).contains(value) else { throw UsageError("$maxwidth is 20 to 100000, not \(value)") }
            width = value
        case "curcpu": throw UsageError("$curcpu can only be read; set $db_cpu")
        default:
            guard Self.names.contains(name) else { throw UsageError("there is no variable $\(Escaping.text(name))") }
            others[name] = value
        }
    }
}

/// All of a session's memory.
struct Memo: Sendable {
    var variables = Variables()
    /// The letters of the last `examine`, and of `print`.
    var examineFormat = "x"
    var printFormat: Character = "x"
    /// How often, and over how many bytes, the last `examine` went: for `xf` and `xb`.
    var examineCount: Int64 = 1
    var examineStart: Int64 = 0
    var examineBytes: Int64 = 0
    /// What a blank line repeats.
    var lastCommand: Command?
    /// The structure of the thread that `thread` chose; nil for the kernel's own choice.
    var thread: VirtualAddress?
}

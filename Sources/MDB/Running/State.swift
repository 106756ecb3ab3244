// What mdb remembers from one line to the next: dot, the increment, variables, options, private symbols.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Synchronization
internal import Target

/// A variable of the user's, or one that always exists.
struct Variable: Sendable, Equatable {
    var value: UInt64
    /// Cannot be removed: `0`, `9`, `b`, `d`, `e`, `m`, `t`, `hits`, `thread`.
    var isPersistent = false
    var isReadOnly = false
    var isTagged = false
}

/// A symbol made with `::nmadd`.
struct PrivateSymbol: Sendable, Equatable {
    let name: String
    let address: UInt64
    let size: UInt64
    let kind: Symbol.Kind
}

/// What `::set -o` sets.
struct Options: Sendable, Equatable {
    /// Elements of an array that `::print` shows.
    var arrayLimit: UInt64? = 32
    /// Characters of a character array that it shows.
    var stringLimit: UInt64? = 1024
    /// The switches that are on.
    var switches: Set<String> = []
    var prompt = "> "

    /// Every switch that mdb has; those that would change a running program or a file change nothing here.
    static let known: Set<String> = [
        "adb", "autowrap", "ignoreeof", "pager", "repeatlast", "nostop", "noctf", "nomods", "showlmid",
        "write_readback", "allow_io_access", "follow_fork_mode", "follow_exec_mode",
    ]
}

struct Contents: Sendable {
    var dot: UInt64 = 0
    var increment: UInt64 = 0
    /// `&`: the dot with which a command was last run.
    var last: UInt64 = 0
    /// Of numbers without a prefix, 2 to 16, and of what `r`, `w` and `::echo` show.
    var radix: UInt64 = 16
    var variables: [String: Variable] = [:]
    var options = Options()
    /// How far from a symbol an address may be and still have its name; nil in smart mode.
    var distance: UInt64?
    var symbols: [PrivateSymbol] = []
    /// The process whose memory is read, with the target that reads it.
    var process: (address: VirtualAddress, target: Target)?
    /// Whether the variables that always exist were made.
    var hasSetUp = false
    /// What a naked expression repeats.
    var repeatable: [Command] = []
    /// What `/` without a format shows.
    var format: [FormatItem] = [FormatItem(count: nil, content: .letter(UInt8(ascii: "X")))]
    /// Names that `::typedef` gave to types.
    var typedefs: [String: String] = [:]
}

/// One session's memory of mdb. Changed by one line after another; a class because a dialect outlives its lines.
final class State: Sendable {
    private let contents = Mutex(Contents())

    func read<T: Sendable>(_ path: any KeyPath<Contents, T> & Sendable) -> T { contents.withLock { $0[keyPath: path] } }
    @discardableResult
    func change<T: Sendable>(_ body: (inout Contents) -> T) -> T { contents.withLock { body(&$0) } }

    var dot: UInt64 {
        get { contents.withLock { $0.dot } }
        set { contents.withLock { $0.dot = newValue } }
    }
    var increment: UInt64 {
        get { contents.withLock { $0.increment } }
        set { contents.withLock { $0.increment = newValue } }
    }
    var radix: UInt64 { contents.withLock { $0.radix } }

    /// Sets a variable that exists, or makes one.
    func set(_ name: String, _ value: UInt64) {
        contents.withLock { $0.variables[name, default: Variable(value: 0)].value = value }
    }
}

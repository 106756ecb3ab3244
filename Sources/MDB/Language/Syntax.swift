// What an mdb line says, before anything is looked up or read.

/// An expression. Its size is bounded by the parser, so that walking it needs bounded stack.
indirect enum Expression: Sendable, Equatable {
    case number(UInt64)
    /// Digits without a prefix: their value depends on the radix at the time.
    case digits(String)
    /// A name; also `f` and `dead`, which are numbers when no symbol has that name.
    case symbol(String)
    case variable(String)
    /// `.`
    case dot
    /// `+` and `^` as operands: dot more or less the increment.
    case next
    case previous
    /// `&`: the last dot that a command was run with.
    case last
    case prefix(Prefix, Expression)
    /// `*` (the address space) and `%` (the object file), of `size` bytes.
    case read(Expression, size: Int, isObject: Bool)
    case binary(Binary, Expression, Expression)

    enum Prefix: Sendable, Equatable {
        case minus, complement, not
    }

    /// Weakest first, as their ranks go.
    enum Binary: Sendable, Equatable {
        case or, xor, and, equal, unequal, shiftLeft, shiftRight, subtract, add, multiply, divide, roundUp, modulo

        var rank: Int {
            switch self {
            case .or: 1
            case .xor: 2
            case .and: 3
            case .equal, .unequal: 4
            case .shiftLeft, .shiftRight: 5
            case .subtract, .add: 6
            case .multiply, .divide, .roundUp: 7
            case .modulo: 8
            }
        }
    }
}

/// One statement of a line; lines hold several between semicolons.
struct Statement: Sendable, Equatable {
    var address: Expression?
    var count: Expression?
    /// Left to right; empty for a naked expression.
    var commands: [Command] = []
    /// What follows `!`.
    var shell: String?
    /// Nothing at all: an empty line.
    var isEmpty: Bool { address == nil && count == nil && commands.isEmpty && shell == nil }
}

/// One stage of a pipeline.
enum Command: Sendable, Equatable {
    /// `/` `\` `?` `=` `@` with a format.
    case format(FormatVerb, [FormatItem])
    /// `/W 1`, `/L 5 ff`: verbs that write or search.
    case modify(FormatVerb, letter: UInt8, [Argument])
    /// `>x`, `>/l/x`.
    case assign(String, size: Int?)
    /// `::name`, `$c`, `:c`, under that whole name (`print`, `$c`, `:c`).
    case dcmd(String, [Argument])
}

/// What a format is applied to.
enum FormatVerb: UInt8, Sendable, Equatable {
    case memory = 0x2f  // /
    case physical = 0x5c  // \ and its alias @
    case object = 0x3f  // ?
    case value = 0x3d  // =

    var spelling: String { String(UnicodeScalar(rawValue)) }
}

/// A letter of a format with its repeat count, or literal text.
struct FormatItem: Sendable, Equatable {
    enum Content: Sendable, Equatable {
        case letter(UInt8)
        case text(String)
    }
    enum Count: Sendable, Equatable {
        case number(UInt64)
        case expression(Expression)
    }
    let count: Count?
    let content: Content
}

/// An argument of a command: text, or the value of `$[...]`.
enum Argument: Sendable, Equatable {
    case text(String)
    case value(Expression)
}

// What an expression is worth: 64-bit unsigned arithmetic over symbols, variables, registers and memory.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

extension Interpreter {
    /// The value of an expression. Throws `CommandError` for what has none: an unknown symbol, a division by zero, a
    /// word of memory that cannot be read.
    func value(_ expression: Expression) throws -> UInt64 {
        switch expression {
        case .number(let number): return number
        case .digits(let digits): return try number(digits)
        case .symbol(let name): return try symbol(name)
        case .variable(let name): return try variable(name)
        case .dot: return state.dot
        case .next: return state.dot &+ state.increment
        case .previous: return state.dot &- state.increment
        case .last: return state.read(\.last)
        case .prefix(let prefix, let operand):
            let number = try value(operand)
            switch prefix {
            case .minus: return 0 &- number
            case .complement: return ~number
            case .not: return number == 0 ? 1 : 0
            }
        case .read(let place, let size, _):
            // A kernel's dump is its own object file: `%` and `*` read the same memory.
            let address = try value(place)
            do throws(MemoryFault) { return try target.space.unsigned(VirtualAddress(address), size: size) } catch {
                throw CommandError("failed to read data at 0x\(hex(address)): \(error)")
            }
        case .binary(let operation, let left, let right):
            return try Self.apply(operation, try value(left), try value(right))
        }
    }

    static func apply(_ operation: Expression.Binary, _ a: UInt64, _ b: UInt64) throws -> UInt64 {
        switch operation {
        case .or: return a | b
        case .xor: return a ^ b
        case .and: return a & b
        case .equal: return a == b ? 1 : 0
        case .unequal: return a != b ? 1 : 0
        case .shiftLeft: return a << b
        case .shiftRight: return a >> b
        case .subtract: return a &- b
        case .add: return a &+ b
        case .multiply: return a &* b
        case .divide, .modulo, .roundUp:
            guard b != 0 else { throw CommandError("attempted to divide by zero") }
            let (x, y) = (Int64(bitPattern: a), Int64(bitPattern: b))
            switch operation {
            case .divide: return UInt64(bitPattern: x.dividedReportingOverflow(by: y).partialValue)
            case .modulo: return UInt64(bitPattern: x.remainderReportingOverflow(dividingBy: y).partialValue)
            default: return ((a &+ b &- 1) / b) &* b
            }
        }
    }

    private func number(_ digits: String) throws -> UInt64 {
        let radix = state.radix
        if let number = Lexer.number(digits, radix: radix) { return number }
        let wrong = digits.utf8.contains { byte in Lexer.value(byte).map { $0 >= radix } == true }
        throw CommandError(
            wrong
                ? "\(digits) has a digit that radix \(radix) does not" : "\(digits) is more than 64 bits hold")
    }

    private func symbol(_ name: String) throws -> UInt64 {
        if let symbol = names.symbol(name) { return symbol.address.rawValue }
        if let number = Lexer.number(name, radix: state.radix) { return number }
        throw CommandError("failed to dereference symbol: unknown symbol name \(Escaping.text(name))")
    }

    func variable(_ name: String) throws -> UInt64 {
        if let variable = state.read(\.variables)[name] { return variable.value }
        if let register = registers[name] { return register }
        throw CommandError("variable <\(Escaping.text(name)) is not defined")
    }

    /// Whether everything that an expression names is there; reads no memory.
    func knows(_ expression: Expression) -> Bool {
        switch expression {
        case .number, .dot, .next, .previous, .last: true
        case .digits(let digits): Lexer.number(digits, radix: state.radix) != nil
        case .symbol(let name): names.symbol(name) != nil || Lexer.number(name, radix: state.radix) != nil
        case .variable(let name):
            state.read(\.variables)[name] != nil || Self.persistent.contains(name) || RegisterNames.known.contains(name)
        case .prefix(_, let operand), .read(let operand, _, _): knows(operand)
        case .binary(_, let left, let right): knows(left) && knows(right)
        }
    }
}

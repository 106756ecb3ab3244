// What a register or stack slot holds, as an expression over what the function began with.

internal import Bytes
internal import DebugModel

/// The number of a term in its table.
typealias TermID = Int32

/// A value that code computed. Two places with the same term hold the same value.
enum Term: Hashable, Sendable {
    case constant(UInt64)
    /// Canonical frame address + offset.
    case frame(Int64)
    /// A register as it was when the function was entered.
    case entry(RegisterNumber)
    /// The stack word at this offset from the canonical frame address as it was at the entry: a stack argument.
    case incoming(Int64)
    /// Modulo 2^64.
    case add(TermID, UInt64)
    /// The lowest bytes, zero-extended.
    case low(TermID, bytes: UInt8)
    /// The lowest bytes, sign-extended.
    case signed(TermID, bytes: UInt8)
    case negated(TermID)
    case inverted(TermID)
    case binary(TermOperator, TermID, TermID)
    /// Memory when the instruction at `place` read it last.
    case load(TermID, bytes: UInt8, place: UInt64)
    /// Memory of this CPU's area.
    case perCPULoad(TermID, bytes: UInt8, place: UInt64)
    /// What the instruction at `place` left in a location when it ran last, and nobody knows.
    case result(place: UInt64, location: Int64)
    /// What a location held when the block at `place` was entered last: predecessors disagree.
    case joined(place: UInt64, location: Int64)
}

enum TermOperator: UInt8, Hashable, Sendable {
    case add, subtract, multiply, and, or, xor, shiftLeft, shiftRight, shiftRightSigned

    func apply(_ left: UInt64, _ right: UInt64) -> UInt64 {
        switch self {
        case .add: left &+ right
        case .subtract: left &- right
        case .multiply: left &* right
        case .and: left & right
        case .or: left | right
        case .xor: left ^ right
        case .shiftLeft: left &<< right
        case .shiftRight: left &>> right
        case .shiftRightSigned: UInt64(bitPattern: Int64(bitPattern: left) &>> Int64(bitPattern: right & 63))
        }
    }
}

/// Terms by number; equal terms have one number, and what can be simplified is.
struct TermTable: Sendable {
    private(set) var terms: [Term] = []
    private var numbers: [Term: TermID] = [:]
    /// What a joined term may be, as far as few values are.
    private(set) var alternatives: [TermID: [TermID]] = [:]

    private static let mostAlternatives = 4

    /// Notes that `joined` is `term` on some way. The latest are kept: earlier ones may be of an unfinished analysis.
    mutating func note(_ term: TermID, asAlternativeOf joined: TermID) {
        guard term != joined, alternatives[joined]?.contains(term) != true else { return }
        var known = alternatives[joined] ?? []
        if known.count >= Self.mostAlternatives { known.removeFirst() }
        alternatives[joined] = known + [term]
    }

    subscript(id: TermID) -> Term {
        id >= 0 && Int(id) < terms.count ? terms[Int(id)] : .result(place: .max, location: Int64(id))
    }

    /// The number of a term that some code computed; nil when none did.
    func find(_ term: Term) -> TermID? { numbers[term] }

    mutating func make(_ term: Term) -> TermID {
        if let known = numbers[term] { return known }
        let id = TermID(truncatingIfNeeded: terms.count)
        terms.append(term)
        numbers[term] = id
        return id
    }

    mutating func constant(_ value: UInt64) -> TermID { make(.constant(value)) }

    mutating func add(_ id: TermID, _ value: UInt64) -> TermID {
        if value == 0 { return id }
        switch self[id] {
        case .constant(let known): return make(.constant(known &+ value))
        case .frame(let offset): return make(.frame(offset &+ Int64(bitPattern: value)))
        case .add(let inner, let first): return add(inner, first &+ value)
        default: return make(.add(id, value))
        }
    }

    mutating func low(_ id: TermID, _ bytes: UInt8) -> TermID {
        if bytes >= 8 { return id }
        switch self[id] {
        case .constant(let value): return make(.constant(value & Known.mask(Int(bytes))))
        case .low(let inner, let narrower):
            return narrower <= bytes ? id : make(.low(inner, bytes: bytes))
        case .signed(let inner, let from) where from >= bytes: return make(.low(inner, bytes: bytes))
        case .load(_, let size, _) where size <= bytes: return id
        default: return make(.low(id, bytes: bytes))
        }
    }

    mutating func signed(_ id: TermID, _ bytes: UInt8) -> TermID {
        if bytes >= 8 { return id }
        switch self[id] {
        case .constant(let value):
            let shift = UInt64(64 - Int(bytes) * 8)
            return make(.constant(UInt64(bitPattern: Int64(bitPattern: value &<< shift) &>> Int64(shift))))
        case .low(let inner, let from) where from >= bytes: return make(.signed(inner, bytes: bytes))
        default: return make(.signed(id, bytes: bytes))
        }
    }

    mutating func binary(_ operation: TermOperator, _ left: TermID, _ right: TermID) -> TermID {
        switch (operation, self[left], self[right]) {
        case (_, .constant(let a), .constant(let b)): return constant(operation.apply(a, b))
        case (.add, _, .constant(let value)): return add(left, value)
        case (.add, .constant(let value), _): return add(right, value)
        case (.subtract, _, .constant(let value)): return add(left, 0 &- value)
        case (.subtract, _, _) where left == right, (.xor, _, _) where left == right: return constant(0)
        case (.and, _, _) where left == right, (.or, _, _) where left == right: return left
        case (.and, _, .constant(0)): return constant(0)
        case (.or, _, .constant(.max)): return constant(.max)
        default: return make(.binary(operation, left, right))
        }
    }
}

// Which places of a frame are worth reading for a question.
//
// A frame has dozens of slots, a question needs the values of a few terms, and a dump has a hundred thousand frames that
// stand at the same place of the code: which of the slots tell of which terms follows from the code, and is found once.

internal import DebugModel
internal import Machine

/// Registers and slots that hold something of interest at one point.
struct FactSources: Sendable {
    struct SlotSource: Sendable {
        /// From the canonical frame address.
        let offset: Int64
        let slot: Slot
    }

    let registers: [RegisterNumber]
    /// Whole words first, each kind by its offset.
    let slots: [SlotSource]

    private init(registers: [RegisterNumber], slots: [SlotSource]) {
        self.registers = registers
        self.slots = slots
    }

    /// All that a state knows and a frame does not know anyway. What lies below the stack pointer is not the function's.
    init(_ state: FlowState, _ terms: TermTable, stackOffset: Int64?, _ layout: RegisterLayout) {
        registers = state.registers.indices.map { RegisterNumber(UInt16(truncatingIfNeeded: $0)) }
            .filter { $0 != layout.stackPointer }
        slots = state.slots.filter { offset, slot in
            guard offset >= stackOffset ?? .min else { return false }
            switch terms[slot.term] {
            case .constant, .frame: return false
            default: return true
            }
        }
        .map { SlotSource(offset: $0.key, slot: $0.value) }
        .sorted { ($0.slot.size == 8 ? 0 : 1, $0.offset) < ($1.slot.size == 8 ? 0 : 1, $1.offset) }
    }

    /// Those from which something follows for one of these terms.
    func telling(of wanted: Set<TermID>, in terms: TermTable, _ state: FlowState) -> FactSources {
        func tells(_ first: TermID) -> Bool {
            var id = first
            for _ in 0..<TermSolver.mostDepth {
                if wanted.contains(id) { return true }
                guard let inner = terms.undone(id) else { return false }
                id = inner
            }
            return false
        }
        return FactSources(
            registers: registers.filter { number in
                let index = Int(number.rawValue)
                return state.registers.indices.contains(index) && tells(state.registers[index])
            },
            slots: slots.filter { tells($0.slot.term) })
    }
}

extension TermTable {
    /// The term that a term was computed from in a way that can be undone; nil when it was not.
    func undone(_ id: TermID) -> TermID? {
        switch self[id] {
        case .add(let inner, _), .negated(let inner), .inverted(let inner), .low(let inner, _), .signed(let inner, _):
            return inner
        case .binary(.xor, let inner, let mask):
            guard case .constant = self[mask] else { return nil }
            return inner
        default: return nil
        }
    }

    /// The terms that a term is computed from directly.
    func operands(of id: TermID) -> [TermID] {
        switch self[id] {
        case .constant, .frame, .entry, .incoming, .result, .joined: []
        case .add(let term, _), .low(let term, _), .signed(let term, _), .negated(let term), .inverted(let term),
            .load(let term, _, _), .perCPULoad(let term, _, _):
            [term]
        case .binary(_, let left, let right): [left, right]
        }
    }

    /// The terms and all that they are computed from.
    func parts(of terms: some Sequence<TermID>) -> Set<TermID> {
        var found: Set<TermID> = []
        var waiting = Array(terms)
        while let id = waiting.popLast() {
            guard found.insert(id).inserted else { continue }
            waiting += operands(of: id)
        }
        return found
    }
}

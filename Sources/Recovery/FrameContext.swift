// One frame of a stack while values are recovered: what its places hold, and what follows from that.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Unwind

/// What is known of one frame; made when the frame is first looked at. Belongs to one `StackRecovery`.
final class FrameContext {
    let index: Int
    let frame: Frame
    /// The function and its code; nil when there is no symbol or its code cannot be read.
    let code: FunctionCode?
    let point: FlowPoint?
    /// The canonical frame address.
    let cfa: VirtualAddress?
    /// The places that are read for facts; nil: all of the point.
    private let sources: FactSources?
    /// What is known of terms, from the places that hold them; by nobody asked yet, nothing.
    fileprivate(set) var facts: [TermID: Known] = [:]
    fileprivate var isCollected = false
    /// What places hold of these terms does not count.
    private let excluded: Set<TermID>
    fileprivate var evaluated: [TermID: Known?] = [:]
    var arguments: [RegisterNumber: Known?] = [:]

    init(
        index: Int, frame: Frame, code: FunctionCode?, point: FlowPoint?, cfa: VirtualAddress?,
        sources: FactSources? = nil, excluding excluded: Set<TermID> = []
    ) {
        self.index = index
        self.frame = frame
        self.code = code
        self.point = point
        self.cfa = cfa
        self.sources = sources
        self.excluded = excluded
    }

    /// Takes in what the places hold, when that was not yet done.
    func collect(_ solver: TermSolver) {
        guard !isCollected else { return }
        isCollected = true
        guard let point else { return }
        solver.collect(self, sources ?? point.sources, point)
        for term in excluded { facts[term] = nil }
    }
}

/// Finds the values of terms in a frame.
struct TermSolver {
    let space: AddressSpace
    let layout: RegisterLayout
    /// An argument register at the entry of the frame's function, from its caller; nil when the caller does not tell.
    let entry: (RegisterNumber) -> Known?
    /// Per-CPU memory whose value is known for the task: its own address.
    let perCPU: (UInt64) -> Known?
    /// The registers that hold what they held at the frame's point.
    let registers: () -> [RegisterNumber: Known]

    /// Expressions deeper than this are no argument's.
    static let mostDepth = 24

    /// Takes in what the frame's registers and slots hold.
    fileprivate func collect(_ context: FrameContext, _ sources: FactSources, _ point: FlowPoint) {
        if !sources.registers.isEmpty {
            let registers = registers()
            for number in sources.registers {
                guard let known = registers[number] else { continue }
                note(point.state.registers[Int(number.rawValue)], known, context, point)
            }
        }
        guard let cfa = context.cfa else { return }
        for source in sources.slots {
            let address = cfa.advanced(by: source.offset)
            let size = Int(source.slot.size)
            guard let value = try? space.unsigned(address, size: size) else { continue }
            let grade: Grade = point.isPrivate(source.offset, source.slot) ? .exact : .reread
            note(
                source.slot.term,
                Known(
                    value: value, width: size, grade: grade, derivation: .slot(address, frame: context.index)),
                context, point)
        }
    }

    /// Notes what a term is, and what follows for the terms that it was computed from without loss.
    private func note(_ first: TermID, _ value: Known, _ context: FrameContext, _ point: FlowPoint) {
        var id = first
        var known = value
        for _ in 0..<Self.mostDepth {
            if let old = context.facts[id],
                old.grade < known.grade || old.grade == known.grade && old.width >= known.width
            {
                return
            }
            context.facts[id] = known
            switch point.terms[id] {
            case .add(let inner, let addend):
                known.value = known.value &- addend
                id = inner
            case .negated(let inner):
                known.value = 0 &- known.value
                id = inner
            case .inverted(let inner):
                known.value = ~known.value
                id = inner
            case .low(let inner, let bytes):
                known.width = min(known.width, Int(bytes))
                id = inner
                // The copy of a part is that part; nothing was computed.
                known.value &= Known.mask(known.width)
                continue
            case .signed(let inner, let bytes):
                known.width = min(known.width, Int(bytes))
                known.value &= Known.mask(known.width)
                id = inner
                continue
            case .binary(.xor, let inner, let mask):
                guard case .constant(let bits) = point.terms[mask] else { return }
                known.value ^= bits
                id = inner
            default: return
            }
            known.value &= Known.mask(known.width)
            known.grade = max(known.grade, .derived)
            known.derivation = .undone(known.derivation)
        }
    }

    /// The value of a term; nil when nothing tells it.
    func evaluate(_ id: TermID, _ context: FrameContext, depth: Int = 0) -> Known? {
        guard let point = context.point, depth < Self.mostDepth else { return nil }
        if let known = context.evaluated[id] { return known }
        context.collect(self)
        // A term that is asked for while it is evaluated depends on itself.
        context.evaluated[id] = .some(nil)
        var found = context.facts[id]
        if found == nil || found?.grade != .exact, let computed = compute(id, context, point, depth) {
            if let fact = found {
                if computed.grade < fact.grade || computed.grade == fact.grade && computed.width > fact.width {
                    found = computed
                }
            } else {
                found = computed
            }
        }
        context.evaluated[id] = .some(found)
        return found
    }

    private func compute(_ id: TermID, _ context: FrameContext, _ point: FlowPoint, _ depth: Int) -> Known? {
        func inner(_ id: TermID) -> Known? { evaluate(id, context, depth: depth + 1) }
        func through(_ known: Known, _ value: UInt64, width: Int) -> Known {
            Known(
                value: value & Known.mask(width), width: width, grade: max(known.grade, .derived),
                derivation: .computed(known.derivation))
        }
        switch point.terms[id] {
        case .constant(let value): return Known(value: value, width: 8, grade: .exact, derivation: .constant)
        case .frame(let offset):
            return context.cfa.map {
                Known(
                    value: $0.advanced(by: offset).rawValue, width: 8, grade: .exact,
                    derivation: .frameAddress(frame: context.index))
            }
        case .entry(let number): return entry(number)
        case .incoming(let offset): return incoming(offset, context, point)
        case .add(let term, let addend):
            return inner(term).map { through($0, $0.value &+ addend, width: $0.width) }
        case .negated(let term): return inner(term).map { through($0, 0 &- $0.value, width: $0.width) }
        case .inverted(let term): return inner(term).map { through($0, ~$0.value, width: $0.width) }
        case .low(let term, let bytes):
            return inner(term).map { known in
                var part = known
                part.value &= Known.mask(Int(bytes))
                // The bytes above are known to be zero.
                part.width = known.width >= Int(bytes) ? 8 : known.width
                return part
            }
        case .signed(let term, let bytes):
            guard let known = inner(term), known.width >= Int(bytes) else { return nil }
            let shift = UInt64(64 - Int(bytes) * 8)
            let value = UInt64(bitPattern: Int64(bitPattern: known.value &<< shift) &>> Int64(shift))
            return through(known, value, width: 8)
        case .binary(let operation, let left, let right):
            guard let one = inner(left), let two = inner(right), one.width == 8, two.width == 8 else { return nil }
            return Known(
                value: operation.apply(one.value, two.value), width: 8, grade: max(one.grade, two.grade, .derived),
                derivation: .computedOfTwo(one.derivation, two.derivation))
        case .load(let term, let bytes, _):
            guard let address = inner(term), address.width == 8,
                let value = try? space.unsigned(VirtualAddress(address.value), size: Int(bytes))
            else { return nil }
            return Known(
                value: value, width: 8, grade: max(address.grade, .reread),
                derivation: .memory(VirtualAddress(address.value), address.derivation))
        case .perCPULoad(let term, let bytes, _):
            guard bytes == 8, let address = inner(term), address.width == 8 else { return nil }
            return perCPU(address.value)
        case .result, .joined: return nil
        }
    }

    /// A stack argument: where it was, unless the function wrote there.
    private func incoming(_ offset: Int64, _ context: FrameContext, _ point: FlowPoint) -> Known? {
        guard let cfa = context.cfa, point.state.slots[offset] == nil else { return nil }
        let address = cfa.advanced(by: offset)
        guard let value = try? space.word(address) else { return nil }
        let isPrivate = point.lowestEscape.map { offset &+ 8 <= $0 } ?? true
        return Known(
            value: value, width: 8, grade: isPrivate ? .exact : .reread,
            derivation: .slot(address, frame: context.index))
    }
}

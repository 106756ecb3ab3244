// The flow of a function as far as it matters to the calls of interest on its ways, with their arguments as terms.

internal import Bytes
internal import DebugModel
internal import Machine

/// Something that a function does on its way, with the object as a term.
struct NotedCall: Sendable {
    let instruction: Int
    let address: VirtualAddress
    let effect: CallEffect
    let term: TermID
    /// Added to the term's value this is the object.
    let addend: UInt64
    /// Whether it happens whenever the instruction runs; else a helper decides.
    let isCertain: Bool
    /// An instruction of the function itself, not a call: it only means something when the object is one of the others'.
    let isInline: Bool
}

/// The flow of a function that was followed: to one place, or through all of it.
struct CallFlow {
    let code: FunctionCode
    /// The instruction before which the function stands.
    let target: Int
    let goal: Int
    let first: Int
    let order: [Int]
    let relevant: Set<Int>
    let point: FlowPoint
    let calls: [NotedCall]

    /// `throughout`: all ways of the function; else those that lead to `target`. Nil when none leads there, when it took
    /// too long, or when no call of interest is in it: that is looked at before anything is followed.
    init?(
        at target: Int, in code: FunctionCode, throughout: Bool, followingCalls: Bool, _ table: CallEffects,
        _ cache: FunctionCache
    ) {
        let layout = cache.registers
        guard let goal = code.block(of: target), let entry = code.instruction(at: code.extent.entry.rawValue),
            let first = code.block(of: entry)
        else { return nil }
        let (order, relevant) =
            throughout ? FunctionFlow.reachable(code, from: first) : FunctionFlow.reachable(code, from: first, to: goal)
        guard relevant.contains(goal), relevant.contains(first) else { return nil }
        let interest = Interest(code, relevant, throughout: throughout, followingCalls, table, cache)
        guard !interest.calls.isEmpty else { return nil }
        guard var (entries, transfer) = FunctionFlow.states(code, from: first, order, relevant, layout) else {
            return nil
        }
        var notes: [NotedCall] = []
        var last: FlowState?
        for block in order {
            guard var state = entries[block] else { continue }
            for index in code.blocks[block].instructions {
                if block == goal, index == target { last = state }
                if let wanted = interest.calls[index] {
                    for one in wanted {
                        notes.append(one.noted(index, code, state))
                    }
                } else if !interest.inlineGroups.isEmpty,
                    let (address, change) = transfer.change(code.instructions[index], code.operations[index], state)
                {
                    for group in interest.inlineGroups[change] ?? [] {
                        notes.append(
                            NotedCall(
                                instruction: index, address: code.instructions[index].address,
                                effect: CallEffect(.releases, group: group), term: address, addend: 0, isCertain: true,
                                isInline: true))
                    }
                }
                transfer.apply(
                    code.instructions[index], code.operations[index], isTracer: index == code.tracer, to: &state)
            }
            entries[block] = nil
        }
        guard let state = last else { return nil }
        self.code = code
        self.target = target
        self.goal = goal
        self.first = first
        self.order = order
        self.relevant = relevant
        calls = notes.sorted { $0.instruction < $1.instruction }
        point = FlowPoint(
            terms: transfer.table, state: state, stackOffset: transfer.stackOffset(state),
            frameOffset: transfer.offset(of: layout.framePointer, state), lowestEscape: transfer.lowestEscape)
    }
}

/// What a function's instructions do with objects, before their values are known.
private struct Interest {
    struct Argument {
        let effect: CallEffect
        let register: RegisterNumber
        let addend: UInt64
        let isCertain: Bool

        func noted(_ index: Int, _ code: FunctionCode, _ state: FlowState) -> NotedCall {
            NotedCall(
                instruction: index, address: code.instructions[index].address, effect: effect,
                term: state.registers[Int(register.rawValue)], addend: addend, isCertain: isCertain, isInline: false)
        }
    }
    private(set) var calls: [Int: [Argument]] = [:]
    private(set) var inlineGroups: [InlineRelease: Set<String>] = [:]

    /// Calls within the `relevant` blocks. `throughout`: also what is only given back, and the jumps by which the function
    /// ends.
    init(
        _ code: FunctionCode, _ relevant: Set<Int>, throughout: Bool, _ followsCalls: Bool, _ table: CallEffects,
        _ cache: FunctionCache
    ) {
        var targets: [(instruction: Int, target: VirtualAddress)] = []
        for block in relevant {
            for index in code.blocks[block].instructions where index != code.tracer {
                guard case .call(let target) = code.instructions[index].flow else { continue }
                if let known = target ?? Self.constantTarget(code.instructions[index], cache) {
                    targets.append((index, known))
                }
            }
        }
        if throughout {
            for exit in code.exits {
                guard let target = exit.target, let block = code.block(of: exit.instruction), relevant.contains(block)
                else { continue }
                targets.append((exit.instruction, target))
            }
        }
        for (index, target) in targets {
            let found = Self.arguments(target, followsCalls, table, cache)
            if !found.isEmpty { calls[index] = found }
        }
        if throughout { return }
        let taken = Set(calls.values.joined().filter { !$0.effect.isRelease }.map(\.effect.group))
        if taken.isEmpty { calls = [:] }
        for (release, groups) in table.inlineReleases {
            let shared = groups.intersection(taken)
            if !shared.isEmpty { inlineGroups[release] = shared }
        }
    }

    private static func arguments(
        _ target: VirtualAddress, _ followsCalls: Bool, _ table: CallEffects, _ cache: FunctionCache
    ) -> [Argument] {
        if let effects = table.effects[target] {
            return effects.compactMap { effect in
                cache.registers.argument(effect.argument).map {
                    Argument(effect: effect, register: $0, addend: effect.addend, isCertain: true)
                }
            }
        }
        guard followsCalls else { return [] }
        return table.helper(target, in: cache).compactMap { helper in
            Int(helper.register.rawValue) < FlowState.registerCount
                ? Argument(
                    effect: helper.effect, register: helper.register, addend: helper.addend,
                    isCertain: helper.isCertain) : nil
        }
    }

    /// The target of a call through a pointer at a fixed place, such as those of a paravirtualized kernel.
    private static func constantTarget(_ call: Instruction, _ cache: FunctionCache) -> VirtualAddress? {
        guard case .memory(let memory)? = call.operands.first?.value, memory.base == nil, memory.index == nil,
            memory.segment == nil
        else { return nil }
        let place = memory.absolute ?? VirtualAddress(UInt64(bitPattern: memory.displacement))
        return cache.word(place).map { VirtualAddress($0) }
    }
}

/// Places in the code on which a term depends.
struct TermPlaces {
    /// Beginnings of blocks: the value is decided by the way on which such a block is entered.
    var joins: Set<UInt64> = []
    /// Instructions whose result is not known.
    var results: Set<UInt64> = []
    /// Instructions that read memory: again, they read the same as a rule.
    var loads: Set<UInt64> = []
}

extension TermTable {
    /// The places in the code that decide what a term is, and make another value of it when they run again.
    func places(in id: TermID) -> TermPlaces {
        var places = TermPlaces()
        var seen: Set<TermID> = []
        var waiting = [id]
        while let next = waiting.popLast() {
            guard seen.insert(next).inserted else { continue }
            switch self[next] {
            case .constant, .frame, .entry, .incoming: break
            case .add(let inner, _), .low(let inner, _), .signed(let inner, _), .negated(let inner),
                .inverted(let inner):
                waiting.append(inner)
            case .binary(_, let left, let right): waiting += [left, right]
            case .load(let inner, _, let place), .perCPULoad(let inner, _, let place):
                places.loads.insert(place)
                waiting.append(inner)
            case .result(let place, _): places.results.insert(place)
            case .joined(let place, _): places.joins.insert(place)
            }
        }
        return places
    }
}

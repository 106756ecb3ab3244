// What a function has taken and not given back when it stands at a call: locks, by the calls before it.
//
// The calls that take and give back are told apart by the caller, who knows the kernel's functions. Each has the object in
// its first argument, of which the value in this very frame counts: two expressions that mean one object are one. What is
// held on every way to the place is certain; what is held on some of them only, or by a call that may fail, is not.

package import Bytes
internal import DebugModel
internal import Machine
internal import Unwind

/// What a function does with the object that its first argument points to.
package struct CallEffect: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case takes
        /// Takes it or fails, as its result says.
        case tries
        case releases
    }
    package let action: Action
    /// What is taken and given back by functions of one group.
    package let group: String
    /// Several may have it at once.
    package let isShared: Bool

    package init(_ action: Action, group: String, isShared: Bool = false) {
        self.action = action
        self.group = group
        self.isShared = isShared
    }
}

/// An object that a frame's function holds.
package struct HeldObject: Sendable {
    package let object: VirtualAddress
    package let effect: CallEffect
    /// The call that took it; one of them when there are several.
    package let call: VirtualAddress
    /// It is held on every way that leads to the frame's place.
    package let isCertain: Bool
    /// How far the object's address can be trusted.
    package let grade: Grade
}

/// A call of interest within a function, with its argument as a term.
private struct NotedCall {
    let instruction: Int
    let effect: CallEffect
    let term: TermID
    /// Added to the term's value: a helper took a member of what it was given.
    let addend: UInt64
}

/// What is held by value.
private struct HeldState: Equatable {
    struct Entry: Equatable {
        var isCertain: Bool
        var calls: Set<Int>
    }
    var entries: [UInt64: Entry] = [:]

    /// Returns whether anything changed.
    mutating func join(_ other: HeldState) -> Bool {
        let before = self
        for (value, entry) in other.entries {
            if var own = entries[value] {
                own.isCertain = own.isCertain && entry.isCertain
                own.calls.formUnion(entry.calls)
                entries[value] = own
            } else {
                entries[value] = Entry(isCertain: false, calls: entry.calls)
            }
        }
        for value in entries.keys where other.entries[value] == nil { entries[value]?.isCertain = false }
        return self != before
    }
}

extension StackRecovery {
    /// What the function of frame `index` holds where it stands. `effect` tells what the function at an entry does.
    /// `followingCalls`: functions that are called and are none of those are looked into as well, one level deep.
    /// Complexity: like that of recovering the frame's variables; with `followingCalls` times the functions called.
    package func held(
        inFrame index: Int, followingCalls: Bool = false, effect: (VirtualAddress) -> CallEffect?
    ) -> [HeldObject] {
        guard frames.indices.contains(index), frames[index].isReturnAddress else { return [] }
        let outer = context(index)
        guard let code = outer.code, outer.point != nil,
            let target = code.instruction(endingAt: frames[index].programCounter.rawValue),
            let flow = CallFlow(before: target, in: code, layout: layout)
        else { return [] }
        var calls: [Int: [NotedCall]] = [:]
        var isAny = false
        flow.visitCalls { instruction, entry, registers in
            let found = note(entry, instruction, registers, flow, followingCalls, effect)
            if !found.isEmpty { calls[instruction] = found }
            if found.contains(where: { $0.effect.action != .releases }) { isAny = true }
        }
        guard isAny else { return [] }
        let inner = FrameContext(index: index, frame: frames[index], code: code, point: flow.point, cfa: outer.cfa)
        let solver = solver(index)
        solver.collect(inner, registers: knownRegisters(index))
        var values: [Int: [(call: NotedCall, known: Known?)]] = [:]
        for (place, list) in calls {
            values[place] = list.map { call in
                var known = solver.evaluate(call.term, inner).flatMap { $0.width == 8 ? $0 : nil }
                known?.value &+= call.addend
                return (call, known)
            }
        }
        return result(flow, code, target, values)
    }

    private func note(
        _ entry: VirtualAddress, _ instruction: Int, _ registers: [TermID], _ flow: CallFlow, _ follows: Bool,
        _ effect: (VirtualAddress) -> CallEffect?
    ) -> [NotedCall] {
        guard let first = layout.arguments.first, Int(first.rawValue) < registers.count else { return [] }
        if let known = effect(entry) {
            return [
                NotedCall(
                    instruction: instruction, effect: known, term: registers[Int(first.rawValue)], addend: 0)
            ]
        }
        guard follows, let cache = recovery.cache, let code = cache.code(at: entry), code.extent.entry == entry else {
            return []
        }
        return HelperEffects.of(code, layout, effect).compactMap { helper in
            guard Int(helper.register.rawValue) < registers.count else { return nil }
            return NotedCall(
                instruction: instruction, effect: helper.effect, term: registers[Int(helper.register.rawValue)],
                addend: helper.addend)
        }
    }

    private func result(
        _ flow: CallFlow, _ code: FunctionCode, _ target: Int,
        _ values: [Int: [(call: NotedCall, known: Known?)]]
    ) -> [HeldObject] {
        func apply(_ instruction: Int, to state: inout HeldState) {
            for (call, known) in values[instruction] ?? [] {
                switch (call.effect.action, known) {
                case (.takes, let known?):
                    state.entries[known.value] = HeldState.Entry(isCertain: true, calls: [instruction])
                case (.tries, let known?):
                    if state.entries[known.value] == nil {
                        state.entries[known.value] = HeldState.Entry(isCertain: false, calls: [instruction])
                    }
                case (.releases, let known?): state.entries[known.value] = nil
                case (.releases, nil):
                    // It may have been any of them.
                    for value in state.entries.keys { state.entries[value]?.isCertain = false }
                case (_, nil): break
                }
            }
        }
        guard let state = flow.propagate(HeldState(), apply: apply, join: { $0.join($1) }) else { return [] }
        return state.entries.compactMap { value, entry in
            guard let call = entry.calls.max(),
                let noted = values[call]?.first(where: {
                    $0.known?.value == value && $0.call.effect.action != .releases
                })
            else { return nil }
            return HeldObject(
                object: VirtualAddress(value), effect: noted.call.effect, call: code.instructions[call].address,
                isCertain: entry.isCertain, grade: noted.known?.grade ?? .guess)
        }.sorted { $0.object < $1.object }
    }
}

/// The flow of a function up to one instruction, with what registers hold before each direct call on the way.
private struct CallFlow {
    let code: FunctionCode
    let target: Int
    let goal: Int
    let first: Int
    let order: [Int]
    let relevant: Set<Int>
    private let states: [Int: [TermID]]
    let point: FlowPoint

    init?(before target: Int, in code: FunctionCode, layout: RegisterLayout) {
        guard let goal = code.block(of: target), let entry = code.instruction(at: code.extent.entry.rawValue),
            let first = code.block(of: entry)
        else { return nil }
        let (order, relevant) = FunctionFlow.reachable(code, from: first, to: goal)
        guard relevant.contains(goal), relevant.contains(first) else { return nil }
        var transfer = FlowTransfer(layout: layout)
        guard let entries = FunctionFlow.fixpoint(code, from: first, order, relevant, layout, &transfer) else {
            return nil
        }
        var states: [Int: [TermID]] = [:]
        var last: FlowState?
        for block in order {
            guard var state = entries[block] else { continue }
            for index in code.blocks[block].instructions {
                if block == goal, index == target { last = state }
                if case .call = code.instructions[index].flow { states[index] = state.registers }
                transfer.apply(
                    code.instructions[index], code.operations[index], isTracer: index == code.tracer, to: &state)
            }
        }
        guard let state = last else { return nil }
        self.code = code
        self.target = target
        self.goal = goal
        self.first = first
        self.order = order
        self.relevant = relevant
        self.states = states
        point = FlowPoint(
            terms: transfer.table, state: state, stackOffset: transfer.stackOffset(state),
            frameOffset: transfer.offset(of: layout.framePointer, state), lowestEscape: transfer.lowestEscape)
    }

    func visitCalls(_ body: (Int, VirtualAddress, [TermID]) -> Void) {
        for (index, registers) in states {
            guard case .call(let entry?) = code.instructions[index].flow, index != code.tracer else { continue }
            body(index, entry, registers)
        }
    }

    /// Follows all ways from the entry to the target; nil when no way leads there.
    func propagate<State>(
        _ start: State, apply: (Int, inout State) -> Void, join: (inout State, State) -> Bool
    ) -> State? {
        var entries: [Int: State] = [first: start]
        var waiting: Set<Int> = [first]
        var rank: [Int: Int] = [:]
        for (place, block) in order.enumerated() { rank[block] = place }
        // A state only loses certainty and gains calls: this ends. The bound is for damaged code.
        var steps = code.blocks.count &* 64 &+ 64
        while let block = waiting.min(by: { rank[$0, default: .max] < rank[$1, default: .max] }), steps > 0 {
            steps -= 1
            waiting.remove(block)
            guard var state = entries[block] else { continue }
            for index in code.blocks[block].instructions { apply(index, &state) }
            for next in code.blocks[block].successors where relevant.contains(next) {
                if var known = entries[next] {
                    if join(&known, state) {
                        entries[next] = known
                        waiting.insert(next)
                    }
                } else {
                    entries[next] = state
                    waiting.insert(next)
                }
            }
        }
        guard steps > 0, var state = entries[goal] else { return nil }
        for index in code.blocks[goal].instructions.lowerBound..<target { apply(index, &state) }
        return state
    }
}

/// What a helper takes or gives back for its caller.
private struct HelperEffects {
    let effect: CallEffect
    /// The argument, and what is added to it.
    let register: RegisterNumber
    let addend: UInt64

    /// Helpers are short; a long function that takes a lock gives it back.
    private static let mostInstructions = 400

    /// What `code` takes and does not give back anywhere, or gives back and does not take.
    static func of(
        _ code: FunctionCode, _ layout: RegisterLayout, _ effect: (VirtualAddress) -> CallEffect?
    ) -> [HelperEffects] {
        guard code.instructions.count <= mostInstructions else { return [] }
        var places: [(Int, CallEffect)] = []
        for (index, instruction) in code.instructions.enumerated() {
            if case .call(let target?) = instruction.flow, let known = effect(target) { places.append((index, known)) }
        }
        for exit in code.exits {
            if let target = exit.target, let known = effect(target) { places.append((exit.instruction, known)) }
        }
        guard !places.isEmpty, places.count <= 8, let first = layout.arguments.first else { return [] }
        var found: [HelperEffects] = []
        for (index, known) in places {
            guard let point = FunctionFlow.point(before: index, in: code, layout: layout) else { continue }
            var term = point.state.registers[Int(first.rawValue)]
            var addend: UInt64 = 0
            if case .add(let inner, let value) = point.terms[term] { (term, addend) = (inner, value) }
            guard case .entry(let register) = point.terms[term] else { continue }
            found.append(HelperEffects(effect: known, register: register, addend: addend))
        }
        return found.filter { one in
            !found.contains {
                $0.register == one.register && $0.addend == one.addend
                    && ($0.effect.action == .releases) != (one.effect.action == .releases)
            }
        }.map { one in
            // Whether it takes it depends on what else it was given.
            guard one.effect.action == .takes, places.count > 1 || code.blocks.count > 2 else { return one }
            return HelperEffects(
                effect: CallEffect(.tries, group: one.effect.group, isShared: one.effect.isShared),
                register: one.register, addend: one.addend)
        }
    }
}

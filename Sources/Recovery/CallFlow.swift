// The flow of a function as far as it matters to the calls of interest on its ways, with their arguments as terms.

internal import Bytes
internal import DebugModel
internal import Machine

/// Where a function goes on that has looked at the result of a call.
struct BranchOutcome: Sendable {
    /// A number among the flow's calls.
    let call: Int
    let succeeded: Int
    let failed: Int
}

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
    /// How many places before this one the same call stands with the term that this is one of the values of; 0 for the
    /// call itself. It counts when that term is not known.
    var alternative = 0

    /// The same call with another object, which it may have had.
    fileprivate func with(_ term: TermID, _ addend: UInt64, alternative: Int) -> NotedCall {
        NotedCall(
            instruction: instruction, address: address,
            effect: CallEffect(.tries, group: effect.group, isShared: effect.isShared), term: term,
            addend: self.addend &+ addend, isCertain: false, isInline: isInline, alternative: alternative)
    }
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
    /// What branches say of calls that may fail, by the block that ends with the branch.
    let outcomes: [Int: BranchOutcome]

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
        guard !interest.calls.isEmpty || !interest.inline.isEmpty else { return nil }
        guard var (entries, transfer) = FunctionFlow.states(code, from: first, order, relevant, layout) else {
            return nil
        }
        var notes: [NotedCall] = []
        var tests: [Int: (register: TermID, zero: Int, other: Int)] = [:]
        var last: FlowState?
        for block in order {
            guard var state = entries[block] else { continue }
            for index in code.blocks[block].instructions {
                if block == goal, index == target { last = state }
                if let test = code.zeroTest(index, in: block) {
                    tests[block] = (state.registers[test.register], test.zero, test.other)
                }
                if let wanted = interest.calls[index] {
                    for one in wanted {
                        notes.append(one.noted(index, code, state, &transfer.table))
                    }
                } else if !interest.inline.isEmpty,
                    let (address, change) = transfer.change(code.instructions[index], code.operations[index], state)
                {
                    for effect in interest.inline[change] ?? [] {
                        notes.append(
                            NotedCall(
                                instruction: index, address: code.instructions[index].address, effect: effect,
                                term: address, addend: effect.addend, isCertain: true, isInline: true))
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
        let calls = Self.withAlternatives(notes.sorted { $0.instruction < $1.instruction }, transfer.table)
        self.calls = calls
        outcomes = Self.outcomes(tests, calls, transfer.table)
        point = FlowPoint(
            terms: transfer.table, state: state, stackOffset: transfer.stackOffset(state),
            frameOffset: transfer.offset(of: layout.framePointer, state), lowestEscape: transfer.lowestEscape,
            layout: layout)
    }
}

extension CallFlow {
    /// The branches that depend on the result of a call that takes something or fails.
    private static func outcomes(
        _ tests: [Int: (register: TermID, zero: Int, other: Int)], _ calls: [NotedCall], _ terms: TermTable
    ) -> [Int: BranchOutcome] {
        var byPlace: [UInt64: Int] = [:]
        for (number, call) in calls.enumerated() where call.effect.result != .none && call.alternative == 0 {
            byPlace[call.address.rawValue] = number
        }
        guard !byPlace.isEmpty else { return [:] }
        return tests.compactMapValues { test in
            var term = test.register
            if case .low(let whole, _) = terms[term] { term = whole }
            // The result is in the first register of all.
            guard case .result(let place, 0) = terms[term], let number = byPlace[place] else { return nil }
            return calls[number].effect.result == .zeroIsFailure
                ? BranchOutcome(call: number, succeeded: test.other, failed: test.zero)
                : BranchOutcome(call: number, succeeded: test.zero, failed: test.other)
        }
    }

    /// Calls that take an object of which several are possible are told with each of them as well.
    private static func withAlternatives(_ notes: [NotedCall], _ terms: TermTable) -> [NotedCall] {
        var calls: [NotedCall] = []
        for note in notes {
            calls.append(note)
            guard !note.effect.isRelease else { continue }
            for (number, one) in terms.alternatives(of: note.term).enumerated() {
                calls.append(note.with(one.term, one.addend, alternative: number + 1))
            }
        }
        return calls
    }
}

extension TermTable {
    private static let mostFollowed = 12

    /// The terms that a joined term, or one with something added, may be; none when it is something else.
    fileprivate func alternatives(of id: TermID) -> [(term: TermID, addend: UInt64)] {
        var found: [(TermID, UInt64)] = []
        var joins: Set<TermID> = []
        var waiting: [(term: TermID, addend: UInt64)] = [(id, 0)]
        var left = Self.mostFollowed
        while let (term, addend) = waiting.popLast(), left > 0 {
            left -= 1
            switch self[term] {
            case .add(let inner, let more): waiting.append((inner, addend &+ more))
            case .joined where joins.insert(term).inserted:
                waiting += (alternatives[term] ?? []).map { ($0, addend) }
            case .joined, .result: break
            default: found.append((term, addend))
            }
        }
        // Nothing was joined when a single value was only added to.
        return found.count < 2 ? [] : found
    }
}

/// What a function's instructions do with objects, before their values are known.
private struct Interest {
    struct Argument {
        let effect: CallEffect
        let register: RegisterNumber
        let addend: UInt64
        let isCertain: Bool

        func noted(_ index: Int, _ code: FunctionCode, _ state: FlowState, _ terms: inout TermTable) -> NotedCall {
            NotedCall(
                instruction: index, address: code.instructions[index].address, effect: effect,
                term: effect.object.map { terms.constant($0) } ?? state.registers[Int(register.rawValue)],
                addend: addend, isCertain: isCertain, isInline: false)
        }
    }
    private(set) var calls: [Int: [Argument]] = [:]
    private(set) var inline: [InlineEffect: [CallEffect]] = [:]

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
        if table.standsAlone {
            if Self.changes(code, relevant, table) { inline = table.inline }
            return
        }
        if !throughout, !calls.values.joined().contains(where: { !$0.effect.isRelease }) { calls = [:] }
        let groups = Set(calls.values.joined().map(\.effect.group))
        for (change, effects) in table.inline {
            let shared = effects.filter { groups.contains($0.group) }
            if !shared.isEmpty { inline[change] = shared }
        }
    }

    /// Whether any instruction there may take something, before anything is followed.
    private static func changes(_ code: FunctionCode, _ relevant: Set<Int>, _ table: CallEffects) -> Bool {
        let names = Set(
            table.inline.filter { $0.value.contains { !$0.isRelease } }.keys.flatMap { change -> [String] in
                switch change {
                case .setsBit: ["bts"]
                case .adds: ["inc", "dec", "add", "sub", "xadd"]
                case .storesZero, .clearsBit, .addsPerCPU: []
                }
            })
        return relevant.contains { block in
            code.blocks[block].instructions.contains { index in
                let instruction = code.instructions[index]
                guard names.contains(instruction.opcode.name), let first = instruction.operands.first,
                    case .memory = first.value
                else { return false }
                return first.access.contains(.write)
            }
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

extension FunctionCode {
    /// The register that instruction `index` compares with zero, right before the block ends with a branch by that, and the
    /// blocks to which the branch leads; nil when it is nothing of the kind.
    fileprivate func zeroTest(_ index: Int, in block: Int) -> (register: Int, zero: Int, other: Int)? {
        let last = blocks[block].instructions.upperBound - 1
        guard index == last - 1, case .branch(let target?) = instructions[last].flow,
            instructions[index].operands.count == 2,
            case .register(let part) = instructions[index].operands[0].value, !part.isHighByte,
            Int(part.number.rawValue) < FlowState.registerCount
        else { return nil }
        switch (instructions[index].opcode.name, instructions[index].operands[1].value) {
        case ("test", .register(part)), ("cmp", .immediate(0)): break
        default: return nil
        }
        guard let taken = instruction(at: target.rawValue).flatMap({ self.block(of: $0) }),
            last + 1 < instructions.count,
            let next = self.block(of: last + 1), taken != next
        else { return nil }
        switch instructions[last].opcode.name {
        case "je": return (Int(part.number.rawValue), taken, next)
        case "jne": return (Int(part.number.rawValue), next, taken)
        default: return nil
        }
    }
}

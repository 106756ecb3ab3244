// What a function has taken and not given back when it stands at a place: locks, by the calls before it.
//
// The calls that take and give back are told apart by the caller, who knows the kernel's functions. Of an object the value
// in this very frame counts: two expressions that mean one object are one. What is held on every way to the place is
// certain; what is held on some of them only, or by a call that may fail, is not.
//
// What the code says is the same for every task that stands at the place, and is kept. Of a frame only the values of the
// objects are found; and which of them are equal, which decides everything else, is the same again in most frames.

package import Bytes
internal import DebugModel
internal import Machine
internal import Synchronization
internal import Unwind

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

extension StackRecovery {
    /// What the function of frame `index` holds where it stands. `followingCalls`: functions that are called and are none of
    /// the table's are looked into as well, one level deep.
    /// Complexity: for a place of the code that is asked for first, like that of recovering the frame's variables, with
    /// `followingCalls` times the functions called; for others the values of the objects alone.
    package func held(inFrame index: Int, followingCalls: Bool = false, _ table: CallEffects) -> [HeldObject] {
        guard frames.indices.contains(index), let cache = recovery.cache else { return [] }
        let frame = frames[index]
        let place = CallEffects.Place(
            counter: frame.programCounter, isReturnAddress: frame.isReturnAddress, followsCalls: followingCalls)
        let plan = table.held(place, in: cache) {
            guard let code = cache.code(at: frame.lookupAddress), let target = code.instruction(of: frame),
                let flow = CallFlow(
                    at: target, in: code, throughout: false, followingCalls: followingCalls, table, cache)
            else { return nil }
            // Who only gives back and wakes holds nothing.
            return flow.calls.contains { !$0.effect.isRelease } ? HeldPlan(flow) : nil
        }
        guard let plan, let context = context(index, at: plan.point, plan.sources) else { return [] }
        return plan.held(values(plan.calls, solver(index), context))
    }

    /// The frame as seen from a point that another question's flow gave; nil when its stack is not as the point says.
    func context(
        _ index: Int, at point: FlowPoint, _ sources: FactSources, excluding excluded: Set<TermID> = []
    ) -> FrameContext? {
        let outer = context(index)
        guard outer.code != nil, outer.point != nil else { return nil }
        return FrameContext(
            index: index, frame: frames[index], code: outer.code, point: point, cfa: outer.cfa, sources: sources,
            excluding: excluded)
    }

    func values(_ calls: [NotedCall], _ solver: TermSolver, _ context: FrameContext) -> [Known?] {
        var values: [Known?] = []
        for (index, call) in calls.enumerated() {
            // When it is known what a term is, it does not matter what it might be.
            let isMeant = call.alternative == 0 || index >= call.alternative && values[index - call.alternative] == nil
            guard isMeant, var known = solver.evaluate(call.term, context), known.width == 8 else {
                values.append(nil)
                continue
            }
            known.value &+= call.addend
            values.append(known)
        }
        return values
    }
}

extension FunctionCode {
    /// The instruction at which a frame stands: the call that returns there, or the one that was to run next.
    func instruction(of frame: Frame) -> Int? {
        frame.isReturnAddress
            ? instruction(endingAt: frame.programCounter.rawValue) : instruction(at: frame.programCounter.rawValue)
    }
}

/// What the code says about one place: the calls on the way and how the ways lead to them.
final class HeldPlan: Sendable {
    let calls: [NotedCall]
    let point: FlowPoint
    /// The places that tell of the calls' objects.
    let sources: FactSources
    private let blocks: [CodeBlock]
    private let target: Int
    private let goal: Int
    private let first: Int
    private let order: [Int]
    private let relevant: Set<Int>
    private let byInstruction: [Int: [Int]]
    /// The calls whose object is no longer the one that they were called with: when a block is entered, when an instruction
    /// runs.
    private let lostInBlock: [Int: Set<Int>]
    private let lostAt: [Int: Set<Int>]
    private let outcomes: [Int: BranchOutcome]
    private let patterns = Mutex<[[Int32]: [Taken]]>([:])

    /// A number of `calls`, and whether what it took is held for certain.
    private struct Taken {
        let call: Int
        let isCertain: Bool
    }

    private static let mostPatterns = 64

    init(_ flow: CallFlow) {
        calls = flow.calls
        point = flow.point
        sources = flow.point.sources(for: flow.calls.map(\.term))
        blocks = flow.code.blocks
        target = flow.target
        goal = flow.goal
        first = flow.first
        order = flow.order
        relevant = flow.relevant
        outcomes = flow.outcomes
        byInstruction = Dictionary(grouping: flow.calls.indices) { flow.calls[$0].instruction }
        var lostInBlock: [Int: Set<Int>] = [:]
        var lostAt: [Int: Set<Int>] = [:]
        for (number, call) in flow.calls.enumerated() where !call.effect.isRelease {
            let places = flow.point.terms.places(in: call.term)
            for place in places.joins {
                guard let block = flow.code.instruction(at: place).flatMap({ flow.code.block(of: $0) }) else {
                    continue
                }
                lostInBlock[block, default: []].insert(number)
            }
            for place in places.results {
                if let index = flow.code.instruction(at: place) { lostAt[index, default: []].insert(number) }
            }
        }
        self.lostInBlock = lostInBlock
        self.lostAt = lostAt
    }

    /// `values`: the objects of the calls, as far as they are known.
    func held(_ values: [Known?]) -> [HeldObject] {
        let pattern = CallPattern.of(calls, values)
        var outcomes = patterns.withLock { $0[pattern] }
        if outcomes == nil {
            let made = follow(pattern)
            patterns.withLock { known in
                if known.count >= Self.mostPatterns { known = [:] }
                known[pattern] = made
            }
            outcomes = made
        }
        return (outcomes ?? []).compactMap { outcome in
            guard let known = values[outcome.call] else { return nil }
            let call = calls[outcome.call]
            return HeldObject(
                object: VirtualAddress(known.value), effect: call.effect, call: call.address,
                isCertain: outcome.isCertain, grade: known.grade)
        }.sorted { $0.object < $1.object }
    }

    private func follow(_ pattern: [Int32]) -> [Taken] {
        guard let state = propagate(pattern) else { return [] }
        return state.entries.values.compactMap { entry in
            entry.calls.max().map { Taken(call: $0, isCertain: entry.isCertain) }
        }
    }

    private func apply(_ instruction: Int, _ pattern: [Int32], to state: inout HeldState) {
        if let numbers = lostAt[instruction] { state.forget(numbers) }
        for number in byInstruction[instruction] ?? [] {
            let call = calls[number]
            let object = pattern[number]
            switch call.effect.action {
            case .takes where object >= 0: state.entries[object] = HeldState.Entry(isCertain: true, calls: [number])
            case .tries where object >= 0:
                if state.entries[object] == nil {
                    state.entries[object] = HeldState.Entry(isCertain: false, calls: [number])
                }
            case .toggles where object >= 0:
                guard let entry = state.entries[object] else {
                    state.entries[object] = HeldState.Entry(isCertain: true, calls: [number])
                    break
                }
                state.entries[object] =
                    entry.isCertain ? nil : HeldState.Entry(isCertain: false, calls: entry.calls.union([number]))
            case .releases where object >= 0, .signals where object >= 0:
                if call.isCertain { state.entries[object] = nil } else { state.entries[object]?.isCertain = false }
            case .releases where !call.isInline:
                // It may have been any of its group.
                for (key, entry) in state.entries
                where entry.calls.contains(where: { calls[$0].effect.group == call.effect.group }) {
                    state.entries[key]?.isCertain = false
                }
            default: break
            }
        }
    }

    /// Follows all ways from the entry to the target; nil when no way leads there.
    private func propagate(_ pattern: [Int32]) -> HeldState? {
        var entries: [Int: HeldState] = [first: HeldState()]
        var waiting: Set<Int> = [first]
        var rank: [Int: Int] = [:]
        for (place, block) in order.enumerated() { rank[block] = place }
        // A state only loses certainty and gains calls: this ends. The bound is for damaged code.
        var steps = blocks.count &* 64 &+ 64
        while let block = waiting.min(by: { rank[$0, default: .max] < rank[$1, default: .max] }), steps > 0 {
            steps -= 1
            waiting.remove(block)
            guard var state = entries[block] else { continue }
            if let numbers = lostInBlock[block] { state.forget(numbers) }
            for index in blocks[block].instructions { apply(index, pattern, to: &state) }
            let all = state
            for next in blocks[block].successors where relevant.contains(next) {
                state = all
                if let outcome = outcomes[block] { state.learn(outcome, at: next, pattern) }
                if var known = entries[next] {
                    if known.join(state) {
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
        if let numbers = lostInBlock[goal] { state.forget(numbers) }
        for index in blocks[goal].instructions.lowerBound..<target { apply(index, pattern, to: &state) }
        return state
    }
}

/// Which calls have the same object.
enum CallPattern {
    /// One number for each call: equal for those with equal objects of one group, -1 where the object is not known.
    static func of(_ calls: [NotedCall], _ values: [Known?]) -> [Int32] {
        struct Object: Hashable {
            let value: UInt64
            let group: String
        }
        var numbers: [Object: Int32] = [:]
        return zip(calls, values).map { call, known in
            guard let known else { return -1 }
            let object = Object(value: known.value, group: call.effect.group)
            let number = numbers[object] ?? Int32(clamping: numbers.count)
            numbers[object] = number
            return number
        }
    }
}

/// What is held, by the number of the object.
private struct HeldState: Equatable {
    struct Entry: Equatable {
        var isCertain: Bool
        var calls: Set<Int>
    }
    var entries: [Int32: Entry] = [:]

    /// Returns whether anything changed.
    mutating func join(_ other: HeldState) -> Bool {
        var changed = false
        for (object, entry) in other.entries {
            guard let own = entries[object] else {
                entries[object] = Entry(isCertain: false, calls: entry.calls)
                changed = true
                continue
            }
            let joined = Entry(
                isCertain: own.isCertain && entry.isCertain, calls: own.calls.union(entry.calls))
            if joined != own {
                entries[object] = joined
                changed = true
            }
        }
        for (object, entry) in entries where entry.isCertain && other.entries[object] == nil {
            entries[object]?.isCertain = false
            changed = true
        }
        return changed
    }

    /// What the way into a block says of a call that may have failed.
    mutating func learn(_ outcome: BranchOutcome, at block: Int, _ pattern: [Int32]) {
        let object = pattern[outcome.call]
        guard let entry = entries[object], entry.calls == [outcome.call] else { return }
        if block == outcome.succeeded { entries[object]?.isCertain = true }
        if block == outcome.failed { entries[object] = nil }
    }

    /// What these calls took is held on, but it is no longer known what it is.
    mutating func forget(_ numbers: Set<Int>) {
        for (object, entry) in entries where !entry.calls.isDisjoint(with: numbers) {
            let rest = entry.calls.subtracting(numbers)
            entries[object] = rest.isEmpty ? nil : Entry(isCertain: false, calls: rest)
        }
    }
}

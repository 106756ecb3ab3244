// What a function has yet to do from where it stands: complete, wake, give back.
//
// A task that waits for an event waits for whoever has the code in front of him that brings it. Such a call may be on every
// way to the function's end or on some; its object is known as far as what the frame holds now says so. A value that is
// made on the way there is not known, and a call with such an object is left out.

package import Bytes
internal import DebugModel
internal import Machine
internal import Synchronization
internal import Unwind

/// Something that a frame's function can still give back or signal.
package struct CallAhead: Sendable {
    package let object: VirtualAddress
    package let effect: CallEffect
    /// The call, or one of them when several have the object.
    package let call: VirtualAddress
    /// On every way to the function's end; else on some. Ways that end in BUG or in a function that does not return do
    /// not count.
    package let isCertain: Bool
    package let grade: Grade
}

extension StackRecovery {
    /// The releases and signals of the table's functions that the function of frame `index` can still make, by itself or by
    /// a jump at its end: those that it can come to without taking the object before. `followingCalls`: also by functions that it calls, one level deep.
    /// Complexity: that of `held`, for all ways of the function.
    package func ahead(inFrame index: Int, followingCalls: Bool = false, _ table: CallEffects) -> [CallAhead] {
        guard frames.indices.contains(index), let cache = recovery.cache else { return [] }
        let frame = frames[index]
        let place = CallEffects.Place(
            counter: frame.programCounter, isReturnAddress: frame.isReturnAddress, followsCalls: followingCalls)
        let plan = table.ahead(place, in: cache) {
            guard let code = cache.code(at: frame.lookupAddress), let target = code.instruction(of: frame) else {
                return nil
            }
            // The call that the frame stands in is under way.
            let start = frame.isReturnAddress ? target + 1 : target
            guard
                let flow = CallFlow(
                    at: target, in: code, throughout: true, followingCalls: followingCalls, table, cache)
            else { return nil }
            return AheadPlan(flow, from: start)
        }
        guard let plan, let context = context(index, at: plan.point, plan.sources) else { return [] }
        let solver = solver(index)
        return plan.ahead(
            plan.steps.map { step in
                // What will be read again on the way is read now; what a register kept of it is of the past.
                var here = context
                if !step.stale.isEmpty,
                    let fresh = self.context(index, at: plan.point, plan.sources, excluding: step.stale)
                {
                    here = fresh
                }
                return values([step.call], solver, here)[0]
            })
    }
}

/// What the code says about one place: the calls ahead of it.
final class AheadPlan: Sendable {
    struct Step {
        let call: NotedCall
        /// The places that, when they run, make another object of the term.
        let changes: Set<Int>
        /// Terms of what is read from memory on the way.
        let stale: Set<TermID>
    }
    let steps: [Step]
    let point: FlowPoint
    /// The places that tell of the steps' objects.
    let sources: FactSources
    private let code: FunctionCode
    private let start: Int
    private let patterns = Mutex<[[Int32]: [Outcome]]>([:])

    private struct Outcome {
        let step: Int
        let isCertain: Bool
    }

    private static let mostPatterns = 64
    // A function with more calls of interest in front of it says nothing about one of them.
    private static let mostSteps = 128

    /// Nil when no call with an object that can be known is reached from instruction `start`.
    init?(_ flow: CallFlow, from start: Int) {
        let code = flow.code
        guard start < code.instructions.count else { return nil }
        // A call from which nothing returns has no follower.
        if start != flow.target, code.block(of: start) != code.block(of: flow.target),
            let block = code.block(of: flow.target), let next = code.block(of: start),
            !code.blocks[block].successors.contains(next)
        {
            return nil
        }
        let all = Reach(code, from: start, avoiding: [])
        let calls = flow.calls.filter { all.contains($0.instruction) && $0.alternative == 0 }
        guard !calls.isEmpty, calls.count <= Self.mostSteps else { return nil }
        var steps: [Step] = []
        for call in calls {
            let places = flow.point.terms.places(in: call.term)
            /// Whether a place runs before the call whatever way is taken; the call under way has yet to return.
            func isPassed(_ index: Int, entering: Bool) -> Bool {
                if entering, index == call.instruction { return index != start }
                if !entering, index == flow.target, start != flow.target { return true }
                if index == call.instruction || call.instruction == start || !all.contains(index) { return false }
                let rest = Reach(code, from: start, avoiding: [index, call.instruction], entered: entering)
                return !rest.hits.contains(call.instruction)
            }
            let joins = Set(places.joins.compactMap { code.instruction(at: $0) })
            let results = Set(places.results.compactMap { code.instruction(at: $0) })
            if joins.contains(where: { isPassed($0, entering: true) })
                || results.contains(where: { isPassed($0, entering: false) })
            {
                continue
            }
            let changes = joins.union(results)
            let passed = places.loads.filter { place in
                code.instruction(at: place).map { isPassed($0, entering: false) } ?? false
            }
            steps.append(
                Step(
                    call: call, changes: changes,
                    stale: passed.isEmpty ? [] : flow.point.terms.terms(in: call.term, from: passed)))
        }
        guard !steps.isEmpty else { return nil }
        self.steps = steps
        self.code = code
        self.start = start
        point = flow.point
        sources = flow.point.sources(for: steps.map(\.call.term))
    }

    /// `values`: the objects of the steps, as far as they are known.
    func ahead(_ values: [Known?]) -> [CallAhead] {
        let pattern = CallPattern.of(steps.map(\.call), values)
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
            guard let known = values[outcome.step] else { return nil }
            let call = steps[outcome.step].call
            return CallAhead(
                object: VirtualAddress(known.value), effect: call.effect, call: call.address,
                isCertain: outcome.isCertain, grade: known.grade)
        }
    }

    /// One outcome for each object and what is done with it.
    private func follow(_ pattern: [Int32]) -> [Outcome] {
        var outcomes: [Outcome] = []
        var done: [(object: Int32, action: CallEffect.Action)] = []
        for (number, step) in steps.enumerated() where pattern[number] >= 0 && step.call.effect.isRelease {
            let object = pattern[number]
            let action = step.call.effect.action
            if done.contains(where: { $0.object == object && $0.action == action }) { continue }
            done.append((object, action))
            func instructions(_ isMeant: (NotedCall) -> Bool) -> Set<Int> {
                Set(
                    steps.indices.filter { pattern[$0] == object && isMeant(steps[$0].call) }
                        .map { steps[$0].call.instruction })
            }
            // Who takes it first gives back his own.
            let takes = instructions { !$0.effect.isRelease }
            let all = instructions { $0.effect.action == action }
            guard !Reach(code, from: start, avoiding: all.union(takes)).hits.isDisjoint(with: all) else { continue }
            let certain = instructions { $0.effect.action == action && $0.isCertain }
            let changes = steps.indices.filter { pattern[$0] == object }
                .reduce(into: Set<Int>()) { $0.formUnion(steps[$1].changes) }.subtracting(certain)
            let rest = Reach(
                code, from: start, avoiding: certain.union(changes).union(takes), entered: !certain.contains(start))
            let isCertain = !rest.leadsOut && !rest.hits.isEmpty && rest.hits.isSubset(of: certain)
            let told = steps.indices.first {
                pattern[$0] == object && certain.contains(steps[$0].call.instruction)
                    && steps[$0].call.effect.action == action
            }
            outcomes.append(Outcome(step: told ?? number, isCertain: isCertain))
        }
        return outcomes
    }
}

extension TermTable {
    /// The terms within `id`, itself included, that depend on what is read at one of these places.
    func terms(in id: TermID, from places: Set<UInt64>) -> Set<TermID> {
        var found: Set<TermID> = []
        /// Terms are made of earlier ones: this ends. `depth` is for expressions that nobody evaluates.
        func depends(_ id: TermID, _ depth: Int) -> Bool {
            guard depth < 32 else { return false }
            var does = false
            for term in operands(of: id) where depends(term, depth + 1) { does = true }
            switch self[id] {
            case .load(_, _, let place), .perCPULoad(_, _, let place): if places.contains(place) { does = true }
            default: break
            }
            if does { found.insert(id) }
            return does
        }
        _ = depends(id, 0)
        return found
    }
}

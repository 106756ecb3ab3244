// What a function may have given back, on its way to where it stands, of what its callers took.
//
// A function that waits with its caller's lock given back takes it again before it returns (`__lock_sock`): while it
// waits, the caller holds nothing, whatever the caller's own code says.

package import Bytes
internal import DebugModel
internal import Machine
internal import Synchronization
internal import Unwind

/// Something that a frame's function gave back on some way to its place.
package struct GivenBack: Sendable, Hashable {
    package let object: VirtualAddress
    package let group: String

    package init(object: VirtualAddress, group: String) {
        self.object = object
        self.group = group
    }
}

/// What the code says about places, kept: it is the same for every task that stands there. Safe to share between threads.
package final class ReleasePlans: Sendable {
    fileprivate struct Plan {
        let calls: [NotedCall]
        let point: FlowPoint
    }
    private let table: CallEffects
    private let plans = Mutex<[CallEffects.Place: Plan?]>([:])

    // Most are of places where nothing is given back: 50 bytes.
    private static let most = 1 << 15

    package init(_ table: CallEffects) { self.table = table }

    fileprivate func plan(_ frame: Frame, _ cache: FunctionCache) -> Plan? {
        let place = CallEffects.Place(
            counter: frame.programCounter, isReturnAddress: frame.isReturnAddress, followsCalls: false)
        if let known = plans.withLock({ $0[place] }) { return known }
        let made = make(frame, cache)
        plans.withLock { plans in
            if plans.count >= Self.most { plans = [:] }
            plans[place] = .some(made)
        }
        return made
    }

    private func make(_ frame: Frame, _ cache: FunctionCache) -> Plan? {
        guard let code = cache.code(at: frame.lookupAddress), let target = code.instruction(of: frame),
            let goal = code.block(of: target), let entry = code.instruction(at: code.extent.entry.rawValue),
            let first = code.block(of: entry),
            let flow = CallFlow(at: target, in: code, throughout: true, followingCalls: false, table, cache)
        else { return nil }
        let relevant = FunctionFlow.reachable(code, from: first, to: goal).1
        let calls = flow.calls.filter { call in
            guard call.effect.action == .releases, let block = code.block(of: call.instruction) else { return false }
            return relevant.contains(block) && (block != goal || call.instruction < target)
        }
        return calls.isEmpty ? nil : Plan(calls: calls, point: flow.point)
    }
}

extension StackRecovery {
    /// What the function of frame `index` gave back by calls on some way to where it stands, whether it had taken it itself
    /// or not. What cannot be valued is left out.
    package func givenBack(inFrame index: Int, _ plans: ReleasePlans) -> [GivenBack] {
        guard frames.indices.contains(index), let cache = recovery.cache, let plan = plans.plan(frames[index], cache),
            let context = context(index, at: plan.point)
        else { return [] }
        return zip(plan.calls, values(plan.calls, solver(index), context)).compactMap { call, known in
            known.map { GivenBack(object: VirtualAddress($0.value), group: call.effect.group) }
        }
    }
}

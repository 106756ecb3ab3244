// Whether a stack's functions can have taken something before they came to where they stand, and have it still.
//
// What is held is found elsewhere, with its address. Here the question is the other one: can it be excluded that one of a
// kind is held? Followed is the code alone: from each call that takes one, or of a function that returns with one taken, is
// there a way to where the function stands on which none is given back?

package import Bytes
internal import DebugModel
internal import Machine
internal import Synchronization
internal import Unwind

/// What a function does with things of the kind that is asked about.
package enum Taking: Sendable {
    case takes
    case releases
}

/// A call that may have left something taken.
package struct OpenCall: Sendable {
    package let call: VirtualAddress
    /// What was called; nil for a call through a register or memory.
    package let callee: VirtualAddress?
    /// The callee itself takes; else something that it called.
    package let isDirect: Bool
}

/// Follows calls, and remembers of every function whether it can return with one taken. For one kernel and one kind.
package final class TakenSearch {
    private let cache: FunctionCache?
    private let effect: (VirtualAddress) -> Taking?
    private var known: [VirtualAddress: Bool] = [:]
    private var budget = 6000
    /// Functions were left out: there are too many.
    package var isExhausted: Bool { budget <= 0 }

    /// Calls followed from a function on the stack: what takes a lock for others is a wrapper, or a wrapper's wrapper.
    private static let mostDepth = 3

    package init(_ recovery: ValueRecovery, effect: @escaping (VirtualAddress) -> Taking?) {
        cache = recovery.cache
        self.effect = effect
    }

    /// The calls of the functions of frame `index`, and of those that jumped on before it, that may have left something
    /// taken. Nil when its code cannot be followed, or how it was called is not known.
    package func openCalls(_ stack: StackRecovery, inFrame index: Int) -> [OpenCall]? {
        guard !isTaking(stack, inFrame: index) else { return nil }
        guard let cache, stack.frames.indices.contains(index), stack.frames[index].isReturnAddress else { return nil }
        let frame = stack.frames[index]
        guard let code = cache.code(at: frame.lookupAddress),
            let goal = code.instruction(endingAt: frame.programCounter.rawValue)
        else { return nil }
        var open = openCalls(code, to: goal)
        // What stands inside of this one was called by it, or by functions that have left no frame.
        if index > 0 {
            switch stack.chain(index - 1) {
            case .direct, .presumed: break
            case .through(let functions):
                // Such a function went on into the next one: what it would have called elsewhere is not of interest.
                for function in functions {
                    guard let code = cache.code(at: function), let own = calls(code, 1).takes.first else { continue }
                    open.append(
                        OpenCall(
                            call: code.instructions[own.instruction].address, callee: own.callee,
                            isDirect: own.isDirect))
                }
            case .indirect:
                // The callee, or a function that jumps to it at its end and that nobody else names.
                for function in jumpers(to: stack, index - 1) {
                    guard let own = calls(function, 1).takes.first else { continue }
                    open.append(
                        OpenCall(
                            call: function.instructions[own.instruction].address, callee: own.callee,
                            isDirect: own.isDirect))
                }
            case .several, .unknown: return nil
            }
        }
        return open
    }

    /// The call in which a frame stands is one that takes, or went through one: the task may have it already, or soon.
    package func isTaking(_ stack: StackRecovery, inFrame index: Int) -> Bool {
        guard let cache, stack.frames.indices.contains(index), stack.frames[index].isReturnAddress,
            let code = cache.code(at: stack.frames[index].lookupAddress),
            let goal = code.instruction(endingAt: stack.frames[index].programCounter.rawValue)
        else { return false }
        if effect(code.extent.entry) == .takes { return true }
        if case .call(let target?) = code.instructions[goal].flow, effect(target) == .takes { return true }
        guard index > 0, case .through(let functions) = stack.chain(index - 1) else { return false }
        return functions.contains { effect($0) == .takes }
    }

    private func jumpers(to stack: StackRecovery, _ index: Int) -> [FunctionCode] {
        guard let cache, let callee = cache.code(at: stack.frames[index].lookupAddress)?.extent.entry else { return [] }
        var seen: Set<VirtualAddress> = [callee]
        return cache.layout.jumps(to: callee).compactMap { place in
            guard let code = cache.code(at: place), seen.insert(code.extent.entry).inserted,
                code.exits.contains(where: { $0.target == callee })
            else { return nil }
            return code
        }
    }

    private func openCalls(_ code: FunctionCode, to goal: Int) -> [OpenCall] {
        var open: [OpenCall] = []
        let (calls, releases) = calls(code, 1)
        for (instruction, callee, taking) in calls where instruction != goal {
            let ways = ways(code, from: instruction, releases, goal: goal)
            guard ways.reachesGoal else { continue }
            open.append(
                OpenCall(
                    call: code.instructions[instruction].address, callee: callee, isDirect: taking))
        }
        return open
    }

    /// The calls that can leave one taken, those through registers among them, and the instructions that release.
    private func calls(
        _ code: FunctionCode, _ depth: Int
    ) -> (takes: [(instruction: Int, callee: VirtualAddress?, isDirect: Bool)], releases: Set<Int>) {
        var takes: [(instruction: Int, callee: VirtualAddress?, isDirect: Bool)] = []
        var releases: Set<Int> = []
        for (index, instruction) in code.instructions.enumerated() where index != code.tracer {
            guard case .call(let target) = instruction.flow else { continue }
            guard let target, cache?.layout.isIndirectThunk(target) != true else {
                // A function that has returned may have called anything; of those on the stack it is said.
                if depth == 1 { takes.append((index, nil, false)) }
                continue
            }
            switch effect(target) {
            case .takes?: takes.append((index, target, true))
            case .releases?: releases.insert(index)
            case nil: if leaves(target, depth) { takes.append((index, target, false)) }
            }
        }
        for exit in code.exits where exit.target.map({ effect($0) == .releases }) == true {
            releases.insert(exit.instruction)
        }
        return (takes, releases)
    }

    /// Whether a function can return with one taken that it, or a function that it called, took.
    private func leaves(_ entry: VirtualAddress, _ depth: Int) -> Bool {
        if let answer = known[entry] { return answer }
        guard depth <= Self.mostDepth, budget > 0, let cache, let code = cache.code(at: entry),
            code.extent.entry == entry
        else { return false }
        budget -= 1
        // Those that call each other: the answer of the rest stands.
        known[entry] = false
        let (takes, releases) = calls(code, depth + 1)
        var answer = takes.contains { ways(code, from: $0.instruction, releases, goal: nil).leadsOut }
        for exit in code.exits {
            guard !answer, let target = exit.target else { continue }
            answer = effect(target) == .takes || effect(target) == nil && leaves(target, depth + 1)
        }
        // At the bound of the depth less was seen than would be from elsewhere.
        if answer || depth == 1 { known[entry] = answer } else { known[entry] = nil }
        return answer
    }

    /// Where one can get to from behind an instruction without passing any of `stops`.
    private func ways(
        _ code: FunctionCode, from start: Int, _ stops: Set<Int>, goal: Int?
    ) -> (reachesGoal: Bool, leadsOut: Bool) {
        let exits = Set(code.exits.map(\.instruction))
        var reachesGoal = false
        var leadsOut = false
        var seen: Set<Int> = []
        guard let first = code.block(of: start) else { return (true, true) }
        var waiting: [(block: Int, from: Int)] = [(first, start + 1)]
        while let (block, from) = waiting.popLast() {
            let range = code.blocks[block].instructions
            var isCut = false
            for index in from..<max(from, range.upperBound) {
                if index == goal { reachesGoal = true }
                if stops.contains(index) {
                    isCut = true
                    break
                }
                if exits.contains(index) || code.instructions[index].flow == .return { leadsOut = true }
            }
            guard !isCut else { continue }
            for next in code.blocks[block].successors where seen.insert(next).inserted {
                waiting.append((next, code.blocks[next].instructions.lowerBound))
            }
        }
        return (reachesGoal, leadsOut)
    }
}

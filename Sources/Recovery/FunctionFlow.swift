// What a function's registers and stack slots hold when it reaches one instruction, whatever way it took.
//
// The problem: a frame tells the values of some places now; others were overwritten long ago. Following all paths from the
// entry tells which places hold the same value, or values of which one can be computed from the other. A place is known by
// a term over the function's beginning; where paths meet, places that differ become terms of their own, so that nothing is
// claimed that does not hold on every path.
//
// What is not seen: jumps out of the exception table (a fault in an access of user memory), and stores through pointers into
// the frame, for which slots at or above the lowest escaped address are not trusted.

internal import Bytes
internal import DebugModel
internal import Machine

/// The state just before an instruction. A class, because it is large and many frames share one.
final class FlowPoint: Sendable {
    let terms: TermTable
    let state: FlowState
    /// The stack pointer's offset from the canonical frame address; nil where the function aligned its stack, or made
    /// room on it that depends on a value.
    let stackOffset: Int64?
    /// The same of the frame pointer, where it is one.
    let frameOffset: Int64?
    let lowestEscape: Int64?
    /// The places that tell of any term.
    let sources: FactSources
    /// Those that tell what the registers that every function preserves were at the entry.
    let preserved: FactSources

    init(
        terms: TermTable, state: FlowState, stackOffset: Int64?, frameOffset: Int64?, lowestEscape: Int64?,
        layout: RegisterLayout
    ) {
        self.terms = terms
        self.state = state
        self.stackOffset = stackOffset
        self.frameOffset = frameOffset
        self.lowestEscape = lowestEscape
        sources = FactSources(state, terms, stackOffset: stackOffset, layout)
        preserved = sources.telling(
            of: Set(layout.calleeSaved.compactMap { terms.find(.entry($0)) }), in: terms, state)
    }

    /// Whether a slot can only have been written by the instructions that were followed.
    func isPrivate(_ offset: Int64, _ slot: Slot) -> Bool {
        slot.isSaved || !slot.isDoubtful && (lowestEscape.map { offset &+ Int64(slot.size) <= $0 } ?? true)
    }

    /// The places that matter to the values of these terms.
    func sources(for wanted: some Sequence<TermID>) -> FactSources {
        sources.telling(of: terms.parts(of: wanted), in: terms, state)
    }
}

enum FunctionFlow {
    /// Instructions followed at most for one question: a function of 10 000, each some times.
    private static let mostSteps = 60_000

    /// The state before instruction `target`; nil when no path leads there or when it took too long.
    static func point(before target: Int, in code: FunctionCode, layout: RegisterLayout) -> FlowPoint? {
        guard let goal = code.block(of: target), let entry = code.instruction(at: code.extent.entry.rawValue),
            let first = code.block(of: entry)
        else { return nil }
        let (order, relevant) = reachable(code, from: first, to: goal)
        guard relevant.contains(goal), relevant.contains(first) else { return nil }
        guard let followed = states(code, from: first, order, relevant, layout), var state = followed.entries[goal]
        else { return nil }
        var transfer = followed.transfer
        for index in code.blocks[goal].instructions.lowerBound..<target {
            let instruction = code.instructions[index]
            transfer.apply(instruction, code.operations[index], isTracer: index == code.tracer, to: &state)
        }
        return FlowPoint(
            terms: transfer.table, state: state, stackOffset: transfer.stackOffset(state),
            frameOffset: transfer.offset(of: layout.framePointer, state), lowestEscape: transfer.lowestEscape,
            layout: layout)
    }

    /// The state at the beginning of every block, and the terms that they are told in; nil when it took too long.
    static func states(
        _ code: FunctionCode, from first: Int, _ order: [Int], _ relevant: Set<Int>, _ layout: RegisterLayout
    ) -> (entries: [FlowState?], transfer: FlowTransfer)? {
        var transfer = FlowTransfer(layout: layout)
        guard let entries = fixpoint(code, from: first, order, relevant, layout, &transfer) else { return nil }
        // An address that escaped late in a loop was not known to have when the loop's calls were followed first.
        let loops = relevant.contains { block in
            code.blocks[block].successors.contains { relevant.contains($0) && $0 <= block }
        }
        guard loops, let lowest = transfer.lowestEscape, transfer.escapeAtFirstCall != .some(.some(lowest)) else {
            return (entries, transfer)
        }
        transfer = FlowTransfer(layout: layout, lowestEscape: lowest)
        return fixpoint(code, from: first, order, relevant, layout, &transfer).map { ($0, transfer) }
    }

    /// The state at the beginning of every block on the way; nil when it took too long.
    private static func fixpoint(
        _ code: FunctionCode, from first: Int, _ order: [Int], _ relevant: Set<Int>, _ layout: RegisterLayout,
        _ transfer: inout FlowTransfer
    ) -> [FlowState?]? {
        var entries: [FlowState?] = Array(repeating: nil, count: code.blocks.count)
        entries[first] = FlowState(atEntry: &transfer.table, stackPointer: layout.stackPointer)
        var waiting: Set<Int> = [first]
        var steps = 0
        var rank = Array(repeating: Int.max, count: code.blocks.count)
        for (place, block) in order.enumerated() { rank[block] = place }
        var predecessors = Array(repeating: 0, count: code.blocks.count)
        predecessors[first] = 1
        for block in relevant { for next in code.blocks[block].successors { predecessors[next] += 1 } }
        while let block = waiting.min(by: { rank[$0] < rank[$1] }) {
            waiting.remove(block)
            guard var state = entries[block] else { continue }
            for index in code.blocks[block].instructions {
                let instruction = code.instructions[index]
                transfer.apply(
                    instruction, code.operations[index], isTracer: index == code.tracer, to: &state)
                steps += 1
            }
            guard steps < mostSteps else { return nil }
            for next in code.blocks[block].successors where relevant.contains(next) {
                let place = code.instructions[code.blocks[next].instructions.lowerBound].address.rawValue
                if entries[next] == nil {
                    entries[next] = state
                    waiting.insert(next)
                } else if predecessors[next] == 1 {
                    // Nothing meets here: what came before was not yet all that leads to it. Every loop has a block where
                    // ways meet, so that this ends as well.
                    if entries[next] != state {
                        entries[next] = state
                        waiting.insert(next)
                    }
                } else if entries[next]?.join(state, at: place, &transfer.table) == true {
                    waiting.insert(next)
                }
            }
        }
        return entries
    }

    /// The blocks that lie on a path from `first` to `goal`, and an order in which predecessors come first but for loops.
    static func reachable(_ code: FunctionCode, from first: Int, to goal: Int) -> ([Int], Set<Int>) {
        var predecessors: [[Int]] = Array(repeating: [], count: code.blocks.count)
        for (number, block) in code.blocks.enumerated() {
            for next in block.successors { predecessors[next].append(number) }
        }
        var relevant: Set<Int> = [goal]
        var stack = [goal]
        while let block = stack.popLast() {
            for before in predecessors[block] where relevant.insert(before).inserted { stack.append(before) }
        }
        return (order(code, from: first, within: relevant), relevant)
    }

    /// All blocks that can be reached from `first`, in such an order.
    static func reachable(_ code: FunctionCode, from first: Int) -> ([Int], Set<Int>) {
        let order = order(code, from: first, within: nil)
        return (order, Set(order))
    }

    private static func order(_ code: FunctionCode, from first: Int, within relevant: Set<Int>?) -> [Int] {
        var order: [Int] = []
        var seen: Set<Int> = [first]
        var path: [(block: Int, next: Int)] = [(first, 0)]
        while let (block, next) = path.last {
            let successors = code.blocks[block].successors
            if next < successors.count {
                path[path.count - 1].next += 1
                let successor = successors[next]
                if relevant?.contains(successor) ?? true, seen.insert(successor).inserted {
                    path.append((successor, 0))
                }
            } else {
                order.append(block)
                path.removeLast()
            }
        }
        return order.reversed()
    }
}

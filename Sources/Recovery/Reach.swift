// Where a function can go from one of its instructions.

internal import DebugModel
internal import Machine

/// The instructions that can run after one, as long as none of some others has run.
struct Reach {
    /// Of those to be avoided, the ones that can be the next.
    private(set) var hits: Set<Int> = []
    /// Whether the function can be left: by a return or a jump to another function. Ends from which nothing returns (BUG,
    /// calls of functions that do not return) are none.
    private(set) var leadsOut = false
    private var covered: [Int: Range<Int>] = [:]
    private let code: FunctionCode

    /// `start` runs as well; `entered`: when it is one to be avoided, that counts for coming there again only.
    /// Complexity: the function's instructions.
    init(_ code: FunctionCode, from start: Int, avoiding: Set<Int>, entered: Bool = false) {
        self.code = code
        let exits = Set(code.exits.map(\.instruction))
        var waiting: [(block: Int, from: Int)] = []
        var isFirst = entered
        if let block = code.block(of: start) { waiting.append((block, start)) }
        while let (block, from) = waiting.popLast() {
            let range = code.blocks[block].instructions
            if let known = covered[block], known.lowerBound <= from { continue }
            let search = (isFirst ? from + 1 : from)..<range.upperBound
            isFirst = false
            let cut = avoiding.isEmpty ? nil : search.first { avoiding.contains($0) }
            covered[block] = from..<(cut ?? range.upperBound)
            if let cut {
                hits.insert(cut)
                continue
            }
            let last = range.upperBound - 1
            if exits.contains(last) || code.instructions[last].flow == .return { leadsOut = true }
            for next in code.blocks[block].successors {
                waiting.append((next, code.blocks[next].instructions.lowerBound))
            }
        }
    }

    /// Whether the instruction can run without one of the avoided ones before it.
    func contains(_ instruction: Int) -> Bool {
        code.block(of: instruction).flatMap { covered[$0] }?.contains(instruction) ?? false
    }
}

// Where each function of a unit begins and ends.

internal import Bytes

/// The compiled functions of a unit, found in one pass over the children of its root.
struct FunctionIndex: Sendable {
    private let lows: [UInt64]
    private let highs: [UInt64]
    private let offsets: [Int]

    var cost: Int { lows.count * 24 }

    /// Damage ends the pass; the functions before it are kept.
    init(_ unit: CodeUnit) {
        var found: [(Range<UInt64>, Int)] = []
        if let first = unit.firstChild { Self.collect(unit, from: first, &found) }
        let order = ascendingOrder(of: found.map(\.0.lowerBound))
        lows = order.map { found[Int($0)].0.lowerBound }
        highs = order.map { found[Int($0)].0.upperBound }
        offsets = order.map { found[Int($0)].1 }
    }

    /// Walks the DIEs, entering those whose children may be functions, and hopping over the others. Each turn moves
    /// forward, so that it ends.
    private static func collect(_ unit: CodeUnit, from first: Int, _ found: inout [(Range<UInt64>, Int)]) {
        let header = unit.header
        unit.sections.info.withBytes { span in
            var position = ScanPosition(from: first, to: header.end)
            var budget = RangeLists.budget
            // Open lists of children: those entered, and within them those only passed because nothing hops over.
            var entered = 1
            var passed = 0
            while entered > 0, !position.isAtEnd {
                let start = position.at
                guard let die = CodeUnit.read(span, &position, header, unit.abbreviations) else {
                    if position.failed { return }
                    if passed > 0 { passed -= 1 } else { entered -= 1 }
                    continue
                }
                if die.tag == CodeDIE.subprogram, passed == 0, let ranges = try? unit.ranges(of: die, budget: &budget) {
                    for range in ranges { found.append((range, start)) }
                }
                guard die.hasChildren else { continue }
                if passed == 0, mayHoldFunctions(die.tag, unit) {
                    entered += 1
                } else if let sibling = die.sibling, sibling > start {
                    position.at = sibling
                } else {
                    passed += 1
                }
            }
        }
    }

    private static func mayHoldFunctions(_ tag: UInt16, _ unit: CodeUnit) -> Bool {
        // Namespaces, modules; classes, structures and unions where the language puts functions into them.
        tag == CodeDIE.namespace || tag == 0x1e || (unit.nestsFunctions && (tag == 0x02 || tag == 0x13 || tag == 0x17))
    }

    /// The offset of the DIE of the function at `address`.
    func function(at address: UInt64) -> Int? {
        guard var index = lastIndex(atMost: address, count: lows.count, key: { lows[$0] }) else { return nil }
        for _ in 0..<64 {
            if address < highs[index] { return offsets[index] }
            guard index > 0 else { return nil }
            index -= 1
        }
        return nil
    }
}

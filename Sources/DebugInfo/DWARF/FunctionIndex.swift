// Where each function of a unit begins and ends.

internal import Bytes

/// The compiled functions of a unit, found in one pass over the children of its root.
struct FunctionIndex: Sendable {
    private let lows: [UInt64]
    private let highs: [UInt64]
    private let offsets: [UInt64]

    var cost: Int { lows.count * 24 }

    /// Damage ends the pass; the functions before it are kept.
    init(_ unit: CodeUnit) {
        var found: [(range: Range<UInt64>, offset: UInt64)] = []
        Self.collect(unit, &found)
        let order = ascendingOrder(of: found.map(\.range.lowerBound))
        lows = order.map { found[Int($0)].range.lowerBound }
        highs = order.map { found[Int($0)].range.upperBound }
        offsets = order.map { found[Int($0)].offset }
    }

    /// Walks the DIEs, entering those whose children may be functions, and hopping over the others. Each turn moves
    /// forward, so that it ends.
    private static func collect(_ unit: CodeUnit, _ found: inout [(range: Range<UInt64>, offset: UInt64)]) {
        let nests = (try? unit.nestsFunctions()) ?? false
        unit.unit.forms.bytes.withBytes { span in
            var scan = CodeScan(unit.unit, from: unit.unit.header.firstDIE)
            var budget = RangeLists.budget
            guard let root = scan.next(span), root.hasChildren else { return }
            // Open lists of children: those entered, and within them those only passed because nothing hops over.
            var entered = 1
            var passed = 0
            while entered > 0, !scan.isAtEnd {
                guard let entry = scan.next(span) else {
                    if scan.failed { return }
                    if passed > 0 { passed -= 1 } else { entered -= 1 }
                    continue
                }
                if entry.tag == .subprogram, passed == 0,
                    let ranges = try? unit.ranges(of: entry.die(in: unit.unit), budget: &budget)
                {
                    for range in ranges { found.append((range, UInt64(clamping: entry.offset))) }
                }
                guard entry.hasChildren else { continue }
                if passed == 0, mayHoldFunctions(entry.tag, nests) {
                    entered += 1
                } else if let sibling = entry.sibling, sibling > entry.offset {
                    scan.hop(to: sibling)
                } else {
                    passed += 1
                }
            }
        }
    }

    private static func mayHoldFunctions(_ tag: DWTag, _ nests: Bool) -> Bool {
        // Namespaces, modules; classes, structures and unions where the language puts functions into them.
        tag == .namespace || tag.rawValue == 0x1e
            || (nests && (tag == .classType || tag == .structureType || tag == .unionType))
    }

    /// The offset of the DIE of the function at `address`.
    func function(at address: UInt64) -> UInt64? {
        guard var index = lastIndex(atMost: address, count: lows.count, key: { lows[$0] }) else { return nil }
        for _ in 0..<64 {
            if address < highs[index] { return offsets[index] }
            guard index > 0 else { return nil }
            index -= 1
        }
        return nil
    }
}

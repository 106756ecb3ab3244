// All units of a file, and which of them has the code at an address.

internal import Bytes
internal import Synchronization

/// The units in the order of `.debug_info`, found by hopping from header to header; each read when it is needed.
final class CodeUnits: Sendable {
    let sections: CodeSections
    /// The units of the common file that dwz made; nil without one. They have no code, only names.
    let alternate: CodeUnits?
    private let starts: [Int]
    /// Disjoint enough to search: in order of `low`, with the furthest end so far.
    private let lows: [UInt64]
    private let highs: [UInt64]
    private let furthest: [UInt64]
    private let owners: [UInt32]
    /// Why some units are missing; nil when all could be read.
    let fault: ParseFault?
    private let units: Mutex<Cache> = Mutex(Cache())

    private struct Cache {
        var units: [Int: CodeUnit] = [:]
        var steps = 0
    }

    /// Complexity: one pass over the headers; the roots of those units alone that `.debug_aranges` does not name.
    init(_ sections: CodeSections, common: CodeSections?) {
        self.sections = sections.sharing(common?.strings)
        alternate = common.map { CodeUnits($0, common: nil) }
        var fault: ParseFault?
        var starts: [Int] = []
        var headers: [CodeUnitHeader] = []
        var offset = 0
        while offset < sections.info.count {
            do throws(ParseFault) {
                let header = try CodeUnitHeader(sections.info, at: offset, order: sections.order)
                starts.append(offset)
                headers.append(header)
                offset = header.end
            } catch {
                fault = error
                break
            }
        }
        self.starts = starts
        let table = Aranges.read(sections.aranges, order: sections.order)
        fault = fault ?? table.fault
        var entries: [(low: UInt64, high: UInt64, unit: UInt32)] = []
        var isNamed = [Bool](repeating: false, count: starts.count)
        for entry in table.entries {
            guard let start = Int(exactly: entry.unit), let index = Self.index(of: start, in: starts),
                starts[index] == start
            else { continue }
            isNamed[index] = true
            entries.append((entry.low, entry.high, UInt32(truncatingIfNeeded: index)))
        }
        // Tables of abbreviations can be shared, so that a small hostile file could ask for a long one at each unit.
        var steps = 16 << 20
        var budget = RangeLists.budget
        for (index, header) in headers.enumerated() where !isNamed[index] && steps > 0 {
            do throws(ParseFault) {
                let unit = try CodeUnit(header, in: sections)
                steps -= unit.abbreviations.steps.count + 64
                for range in try unit.rootRanges(budget: &budget) {
                    entries.append((range.lowerBound, range.upperBound, UInt32(truncatingIfNeeded: index)))
                }
            } catch {
                fault = fault ?? error
            }
        }
        self.fault = fault
        let order = ascendingOrder(of: entries.map(\.low))
        lows = order.map { entries[Int($0)].low }
        let highs = order.map { entries[Int($0)].high }
        self.highs = highs
        owners = order.map { entries[Int($0)].unit }
        var end: UInt64 = 0
        furthest = highs.map { high in
            end = max(end, high)
            return end
        }
    }

    private static func index(of offset: Int, in starts: [Int]) -> Int? {
        guard offset >= 0 else { return nil }
        return lastIndex(atMost: UInt64(offset), count: starts.count) { UInt64(starts[$0]) }
    }

    /// The unit whose code is at `address`. Complexity: logarithmic.
    func unit(at address: UInt64) throws(ParseFault) -> CodeUnit? {
        guard var index = lastIndex(atMost: address, count: lows.count, key: { lows[$0] }) else { return nil }
        // Ranges of two units overlap only in broken files: look back a little.
        for _ in 0..<64 {
            if address < highs[index] { return try unit(at: starts[Int(owners[index])]) }
            guard index > 0, furthest[index - 1] > address else { return nil }
            index -= 1
        }
        return nil
    }

    /// The unit that the DIE at `offset` belongs to.
    func unit(holding offset: Int) throws(ParseFault) -> CodeUnit? {
        guard let index = Self.index(of: offset, in: starts) else { return nil }
        let unit = try unit(at: starts[index])
        return offset < unit.header.end ? unit : nil
    }

    private func unit(at start: Int) throws(ParseFault) -> CodeUnit {
        if let known = units.withLock({ $0.units[start] }) { return known }
        let header = try CodeUnitHeader(sections.info, at: start, order: sections.order)
        let unit = try CodeUnit(header, in: sections)
        units.withLock { cache in
            // About 8 MiB of abbreviations; the stacks of a whole system touch two hundred units.
            if cache.steps > 500_000 { cache = Cache() }
            cache.units[start] = unit
            cache.steps += unit.abbreviations.steps.count + 64
        }
        return unit
    }
}

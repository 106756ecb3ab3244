// Which unit has the code at an address.

internal import Bytes

/// The address ranges of all units of a file.
struct CodeMap: Sendable {
    let lists: RangeLists
    /// In order of `lows`, with the furthest end so far.
    private let lows: [UInt64]
    private let highs: [UInt64]
    private let furthest: [UInt64]
    private let owners: [UInt64]
    /// Why some units are missing; nil when all could be read.
    let fault: ParseFault?

    /// Complexity: one pass over the headers; the roots of those units alone that `.debug_aranges` does not name.
    init(_ file: DWARFFile) throws(ParseFault) {
        let sections = file.sections
        let lists = RangeLists(
            ranges: try sections[.ranges], rnglists: try sections[.rnglists], addresses: try sections[.addr],
            order: sections.order)
        self.lists = lists
        let directory = try file.directory()
        var fault = directory.remarks.first
        let table = Aranges.read(try sections[.aranges], order: sections.order)
        fault = fault ?? table.fault
        let known = Set(directory.starts)
        var entries = table.entries.filter { known.contains($0.unit) }
        let named = Set(entries.map(\.unit))
        // Tables of abbreviations can be shared, so that a small hostile file could ask for a long one at each unit.
        var steps = 16 << 20
        var budget = RangeLists.budget
        for start in directory.starts where steps > 0 && !named.contains(start) {
            do throws(ParseFault) {
                let unit = try CodeUnit(try file.unit(.info, at: start), lists)
                steps -= unit.unit.abbreviations.specifications.count + 64
                guard let root = try unit.unit.root() else { continue }
                for range in try unit.ranges(of: root, budget: &budget) {
                    entries.append(Aranges.Entry(low: range.lowerBound, high: range.upperBound, unit: start))
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

    /// The start of the unit whose code is at `address`. Complexity: logarithmic.
    func unit(at address: UInt64) -> UInt64? {
        guard var index = lastIndex(atMost: address, count: lows.count, key: { lows[$0] }) else { return nil }
        // Ranges of two units overlap only in broken files: look back a little.
        for _ in 0..<64 {
            if address < highs[index] { return owners[index] }
            guard index > 0, furthest[index - 1] > address else { return nil }
            index -= 1
        }
        return nil
    }
}

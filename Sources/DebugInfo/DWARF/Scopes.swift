// The functions at an address: the compiled one, and those that were inlined there.

package import Bytes
package import DebugModel
internal import Synchronization

/// Answers from the DWARF of one file. Safe to share between threads; keeps at most some 20 MB of what it decoded.
package final class DWARFCode: CodeSource {
    private let sections: CodeSections
    private let common: CodeSections?
    private let shift: UInt64
    private let units: Mutex<CodeUnits?> = Mutex(nil)
    private let cache: Mutex<Cache> = Mutex(Cache())

    private struct Cache {
        var functions: [Int: FunctionIndex] = [:]
        var functionsCost = 0
        var lines: [Int: (table: LineTable, use: Int)] = [:]
        var linesCost = 0
        var scopes: [UInt64: [FunctionScope]] = [:]
        var clock = 0
    }

    // Reasons: a kernel's stacks touch about 200 units of 50 KB of line rows each at most; 4096 scopes are the
    // distinct return addresses of some thousand tasks.
    private static let mostLineBytes = 16 << 20
    private static let mostFunctionBytes = 4 << 20
    private static let mostScopes = 4096

    /// `shift` is what the code was moved by since it was linked (KASLR); 0 for relocated modules.
    /// `common` is the file that dwz moved shared names and types into.
    package init(_ sections: CodeSections, common: CodeSections? = nil, shift: UInt64 = 0) {
        self.sections = sections
        self.common = common
        self.shift = shift
    }

    /// What could not be read of the units: nil when all could, or nothing was asked yet.
    package var remark: ParseFault? { units.withLock { $0?.fault } }

    private func allUnits() -> CodeUnits {
        units.withLock { known in
            let built = known ?? CodeUnits(sections, common: common)
            known = built
            return built
        }
    }

    package func line(at address: VirtualAddress) throws -> SourceLine? {
        let link = address.rawValue &- shift
        guard let unit = try allUnits().unit(at: link) else { return nil }
        return try lines(of: unit)?.line(at: link)
    }

    package func functions(at address: VirtualAddress) throws -> [FunctionScope] {
        let link = address.rawValue &- shift
        if let known = cache.withLock({ $0.scopes[link] }) { return known }
        let scopes = try read(at: link)
        cache.withLock { cache in
            if cache.scopes.count >= Self.mostScopes { cache.scopes = [:] }
            cache.scopes[link] = scopes
        }
        return scopes
    }

    // MARK: Scopes

    private func read(at link: UInt64) throws(ParseFault) -> [FunctionScope] {
        let units = allUnits()
        guard let unit = try units.unit(at: link), let offset = functionIndex(of: unit).function(at: link) else {
            return []
        }
        let chain = ScopeChain(unit, function: offset, at: link)
        let table = try lines(of: unit)
        var location = table?.line(at: link)
        var scopes: [FunctionScope] = []
        for die in chain.dies.reversed() {
            let name = ScopeNames.name(of: die, in: unit, units)
            let isInlined = die.tag == CodeDIE.inlinedSubroutine
            scopes.append(FunctionScope(name: name ?? "", isInlined: isInlined, location: location))
            location = die.callFile.flatMap { file in
                guard let header = table?.header, file != 0 || header.version >= 5 else { return nil }
                return SourceLine(
                    file: header.path(of: file), line: Int(clamping: die.callLine),
                    column: Int(clamping: die.callColumn))
            }
        }
        return scopes
    }

    private func functionIndex(of unit: CodeUnit) -> FunctionIndex {
        let key = unit.header.start
        if let known = cache.withLock({ $0.functions[key] }) { return known }
        let index = FunctionIndex(unit)
        cache.withLock { cache in
            if cache.functionsCost > Self.mostFunctionBytes {
                cache.functions = [:]
                cache.functionsCost = 0
            }
            cache.functions[key] = index
            cache.functionsCost += index.cost + 64
        }
        return index
    }

    /// The line table of a unit, the least recently used ones dropped to make room for it.
    private func lines(of unit: CodeUnit) throws(ParseFault) -> LineTable? {
        guard let offset = unit.statements else { return nil }
        let key = unit.header.start
        let known = cache.withLock { cache -> LineTable? in
            cache.clock += 1
            cache.lines[key]?.use = cache.clock
            return cache.lines[key]?.table
        }
        if let known { return known }
        let table = try LineProgram.decode(
            sections.lines, at: offset, order: sections.order, addressSize: unit.header.forms.addressSize,
            strings: unit.lineStrings)
        cache.withLock { cache in
            guard cache.lines[key] == nil else { return }
            cache.linesCost += table.cost
            while cache.linesCost > Self.mostLineBytes,
                let oldest = cache.lines.min(by: { $0.value.use < $1.value.use })
            {
                cache.linesCost -= oldest.value.table.cost
                cache.lines[oldest.key] = nil
            }
            cache.lines[key] = (table, cache.clock)
        }
        return table
    }
}

/// The DIEs around an address: the function first, then each inlined call within the one before.
struct ScopeChain {
    private(set) var dies: [CodeDIE] = []

    /// Goes down from the function, into blocks and inlined calls that hold the address, and over the others.
    init(_ unit: CodeUnit, function offset: Int, at address: UInt64) {
        let header = unit.header
        unit.sections.info.withBytes { span in
            var position = ScanPosition(from: offset, to: header.end)
            var budget = RangeLists.budget
            guard let function = CodeUnit.read(span, &position, header, unit.abbreviations) else { return }
            dies.append(function)
            guard function.hasChildren else { return }
            // How many lists of children must end before a sibling of the innermost entered DIE follows.
            var passed = 0
            while !position.isAtEnd {
                let start = position.at
                guard let die = CodeUnit.read(span, &position, header, unit.abbreviations) else {
                    // The end of the innermost scope that holds the address: nothing deeper is there.
                    if position.failed || passed == 0 { return }
                    passed -= 1
                    continue
                }
                if passed == 0, Self.holds(die, unit, address, &budget) {
                    if die.tag == CodeDIE.inlinedSubroutine { dies.append(die) }
                    if !die.hasChildren { return }
                    continue
                }
                guard die.hasChildren else { continue }
                if let sibling = die.sibling, sibling > start { position.at = sibling } else { passed += 1 }
            }
        }
    }

    private static func holds(_ die: CodeDIE, _ unit: CodeUnit, _ address: UInt64, _ budget: inout Int) -> Bool {
        guard die.tag == CodeDIE.inlinedSubroutine || die.tag == CodeDIE.lexicalBlock else { return false }
        // A range that cannot be read holds nothing: better an inlined call too few than a wrong one.
        guard let ranges = try? unit.ranges(of: die, budget: &budget) else { return false }
        return ranges.contains { $0.contains(address) }
    }
}

/// The names of functions, which stand at the end of a chain of references.
enum ScopeNames {
    /// DW_AT_name of the DIE, or of its abstract origin or specification, across units. A chain longer than 16 is
    /// broken: origin, specification and declaration make three.
    static func name(of first: CodeDIE, in firstUnit: CodeUnit, _ units: CodeUnits) -> String? {
        var die = first
        var unit = firstUnit
        for _ in 0..<16 {
            if let name = unit.string(die.name) { return name.cString }
            guard let origin = die.origin else { return nil }
            let place: Int?
            switch origin.kind {
            case .unitReference:
                let (sum, overflow) = origin.raw.addingReportingOverflow(UInt64(unit.header.start))
                place = overflow ? nil : Int(exactly: sum)
            case .reference:
                place = Int(exactly: origin.raw)
                guard let place, let other = try? units.unit(holding: place) else { return nil }
                unit = other
            case .alternateReference:
                place = Int(exactly: origin.raw)
                guard let place, let other = try? units.alternate?.unit(holding: place) else { return nil }
                unit = other
            default: return nil
            }
            guard let place, let next = unit.read(at: place) else { return nil }
            die = next
        }
        return nil
    }
}

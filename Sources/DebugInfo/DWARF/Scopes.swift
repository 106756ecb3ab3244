// The functions at an address: the compiled one, and those that were inlined there.

package import Bytes
package import DebugModel
internal import Synchronization

/// Answers from the DWARF of one file. Safe to share between threads; keeps at most some 20 MB of what it decoded.
package final class DWARFCode: CodeSource {
    let file: DWARFFile
    let placement: DWARFPlacement
    var shift: UInt64 { placement.offset }
    private let map: Mutex<CodeMap?> = Mutex(nil)
    private let cache: Mutex<Cache> = Mutex(Cache())

    private struct Cache {
        var functions: [UInt64: FunctionIndex] = [:]
        var functionsCost = 0
        var lines: [UInt64: (table: LineTable, use: Int)] = [:]
        var linesCost = 0
        var scopes: [UInt64: [FunctionScope]] = [:]
        var variables: [UInt64: [VariableScope]] = [:]
        var calls: [UInt64: CallIndex] = [:]
        var clock = 0
    }

    // Reasons: a kernel's stacks touch about 200 units of 50 KB of line rows each at most; 4096 scopes are the
    // distinct return addresses of some thousand tasks.
    private static let mostLineBytes = 16 << 20
    private static let mostFunctionBytes = 4 << 20
    private static let mostScopes = 4096
    private static let mostVariables = 1024

    /// `shift` is what the code was moved by since it was linked (KASLR); 0 for relocated modules.
    package convenience init(_ file: DWARFFile, shift: UInt64 = 0) {
        self.init(file, placement: DWARFPlacement(offset: shift))
    }

    package init(_ file: DWARFFile, placement: DWARFPlacement) {
        self.file = file
        self.placement = placement
    }

    /// What could not be read of the units: nil when all could, or nothing was asked yet.
    package var remark: ParseFault? { map.withLock { $0?.fault } }

    func units() throws(ParseFault) -> CodeMap {
        try map.withLock { (known) throws(ParseFault) -> CodeMap in
            let built: CodeMap
            if let known { built = known } else { built = try CodeMap(file) }
            known = built
            return built
        }
    }

    package func line(at address: VirtualAddress) throws -> SourceLine? {
        let link = address.rawValue &- shift
        guard let start = try units().unit(at: link) else { return nil }
        return try lines(of: try file.unit(.info, at: start))?.line(at: link)
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

    // MARK: What is kept of variables and calls

    /// The scopes of an address, made once.
    func variables(at link: UInt64, make: () throws -> [VariableScope]) rethrows -> [VariableScope] {
        if let known = cache.withLock({ $0.variables[link] }) { return known }
        let made = try make()
        cache.withLock { cache in
            if cache.variables.count >= Self.mostVariables { cache.variables = [:] }
            cache.variables[link] = made
        }
        return made
    }

    /// The calls of the function whose DIE is at `offset`, found once.
    func calls(of offset: UInt64, make: () throws -> CallIndex) rethrows -> CallIndex {
        if let known = cache.withLock({ $0.calls[offset] }) { return known }
        let made = try make()
        cache.withLock { cache in
            if cache.calls.count >= Self.mostScopes { cache.calls = [:] }
            cache.calls[offset] = made
        }
        return made
    }

    // MARK: Scopes

    private func read(at link: UInt64) throws(ParseFault) -> [FunctionScope] {
        let units = try units()
        guard let start = units.unit(at: link) else { return [] }
        let unit = try CodeUnit(try file.unit(.info, at: start), units.lists)
        guard let offset = functionIndex(of: unit).function(at: link) else { return [] }
        let chain = ScopeChain(unit, function: offset, at: link)
        let table = try lines(of: unit.unit)
        var location = table?.line(at: link)
        var scopes: [FunctionScope] = []
        for die in chain.dies.reversed() {
            let isInlined = die.tag == .inlinedSubroutine
            scopes.append(
                FunctionScope(name: try ScopeNames.name(of: die, in: file), isInlined: isInlined, location: location))
            location = isInlined ? try callSite(of: die, table?.header) : nil
        }
        return scopes
    }

    private func callSite(of die: DIE, _ header: LineHeader?) throws(ParseFault) -> SourceLine? {
        guard let header, let number = try die.unsigned(.callFile), number != 0 || header.version >= 5 else {
            return nil
        }
        let line = try die.unsigned(.callLine) ?? 0
        let column = try die.unsigned(.callColumn) ?? 0
        return SourceLine(file: header.path(of: number), line: Int(clamping: line), column: Int(clamping: column))
    }

    func functionIndex(of unit: CodeUnit) -> FunctionIndex {
        let key = unit.unit.header.offset
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
    func lines(of unit: Unit) throws(ParseFault) -> LineTable? {
        guard let offset = try unit.statementList() else { return nil }
        let key = unit.header.offset
        let known = cache.withLock { cache -> LineTable? in
            cache.clock += 1
            cache.lines[key]?.use = cache.clock
            return cache.lines[key]?.table
        }
        if let known { return known }
        let sections = file.sections
        let strings = LineStrings(
            debugStr: try sections[.str], debugLineStr: try sections[.lineStr],
            directory: try unit.compilationDirectory() ?? .empty, unitName: try unit.name() ?? .empty)
        let table = try LineProgram.decode(
            try sections[.line], at: offset, order: sections.order, addressSize: unit.addressSize, strings: strings)
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
    private(set) var dies: [DIE] = []

    /// Goes down from the function, into blocks and inlined calls that hold the address, and over the others.
    init(_ unit: CodeUnit, function offset: UInt64, at address: UInt64) {
        unit.unit.forms.bytes.withBytes { span in
            var scan = CodeScan(unit.unit, from: offset)
            var budget = RangeLists.budget
            guard let function = scan.next(span) else { return }
            dies.append(function.die(in: unit.unit))
            guard function.hasChildren else { return }
            // How many lists of children must end before a sibling of the innermost entered DIE follows.
            var passed = 0
            while !scan.isAtEnd {
                guard let entry = scan.next(span) else {
                    // The end of the innermost scope that holds the address: nothing deeper is there.
                    if scan.failed || passed == 0 { return }
                    passed -= 1
                    continue
                }
                if passed == 0, entry.tag == .inlinedSubroutine || entry.tag == .lexicalBlock {
                    let die = entry.die(in: unit.unit)
                    // A range that cannot be read holds nothing: better an inlined call too few than a wrong one.
                    if let ranges = try? unit.ranges(of: die, budget: &budget),
                        ranges.contains(where: { $0.contains(address) })
                    {
                        if entry.tag == .inlinedSubroutine { dies.append(die) }
                        if !entry.hasChildren { return }
                        continue
                    }
                }
                guard entry.hasChildren else { continue }
                if let sibling = entry.sibling, sibling > entry.offset { scan.hop(to: sibling) } else { passed += 1 }
            }
        }
    }
}

/// The names of functions, which stand at the end of a chain of references.
enum ScopeNames {
    /// DW_AT_name of the DIE, or of its abstract origin or specification, across units and into the file that dwz
    /// made; empty when there is none. A chain longer than 16 is broken: declarations make three.
    static func name(of first: DIE, in file: DWARFFile) throws(ParseFault) -> String {
        var die = first
        for _ in 0..<16 {
            if die.has(.name) { return try die.name() }
            let reference = die.has(.abstractOrigin) ? DWAttribute.abstractOrigin : .specification
            // The common file that dwz made may be missing: the scope is there all the same, without its name.
            guard let origin = try? file.die(reference, of: die) else { return "" }
            die = origin
        }
        return ""
    }
}

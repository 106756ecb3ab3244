// The variables of the functions at an address, and the calls that a function makes.

package import Bytes
package import DebugModel

extension DWARFCode: FrameSource {
    /// The unit with the code at a link-time address, and the DIE of the function there.
    private func function(at link: UInt64) throws(ParseFault) -> (unit: CodeUnit, offset: UInt64)? {
        let units = try units()
        guard let start = units.unit(at: link) else { return nil }
        let unit = try CodeUnit(try file.unit(.info, at: start), units.lists)
        return functionIndex(of: unit).function(at: link).map { (unit, $0) }
    }

    package func variables(at address: VirtualAddress) throws -> [VariableScope] {
        let link = address.rawValue &- placement.offset
        return try variables(at: link) {
            guard let (unit, offset) = try function(at: link) else { return [] }
            let walk = VariableWalk(unit, function: offset, at: link)
            let reader = try VariableReader(code: self, unit: unit.unit, address: link)
            return try walk.scopes.reversed().map { try reader.scope($0, isFunction: $0.die.offset == offset) }
        }
    }

    package func call(returningTo address: VirtualAddress) throws -> CallSite? {
        let link = address.rawValue &- placement.offset
        guard let (unit, offset) = try function(at: link &- 1) else { return nil }
        let index = calls(of: offset) { CallIndex(unit, function: offset) }
        guard let place = index.calls[link] else { return nil }
        return try VariableReader(code: self, unit: unit.unit, address: link &- 1).call(place, returningTo: link)
    }

    package func tailCalls(ofFunctionAt address: VirtualAddress) throws -> [CallSite] {
        guard let (unit, offset) = try function(at: address.rawValue &- placement.offset) else { return [] }
        let index = calls(of: offset) { CallIndex(unit, function: offset) }
        return try index.tailCalls.map {
            try VariableReader(code: self, unit: unit.unit, address: $0.link &- 1).call($0.place, returningTo: $0.link)
        }
    }
}

/// The DIEs of variables in the scopes around an address: the function's first, then each inlined one's within.
struct VariableWalk {
    struct Scope {
        let die: DIE
        var variables: [DIE] = []
    }
    private(set) var scopes: [Scope] = []

    /// More than any function has; the rest is not looked at.
    private static let mostVariables = 4096

    init(_ unit: CodeUnit, function offset: UInt64, at address: UInt64) {
        unit.unit.forms.bytes.withBytes { span in
            var scan = CodeScan(unit.unit, from: offset)
            var budget = RangeLists.budget
            guard let function = scan.next(span) else { return }
            scopes.append(Scope(die: function.die(in: unit.unit)))
            guard function.hasChildren else { return }
            // For each entered DIE the scope that its variables belong to.
            var entered = [0]
            var passed = 0
            var count = 0
            while !scan.isAtEnd, let scope = entered.last {
                guard let entry = scan.next(span) else {
                    if scan.failed { return }
                    if passed > 0 { passed -= 1 } else { entered.removeLast() }
                    continue
                }
                if passed == 0 {
                    if entry.tag == .formalParameter || entry.tag == .variable {
                        count += 1
                        if count <= Self.mostVariables { scopes[scope].variables.append(entry.die(in: unit.unit)) }
                    } else if entry.tag == .inlinedSubroutine || entry.tag == .lexicalBlock {
                        let die = entry.die(in: unit.unit)
                        if let ranges = try? unit.ranges(of: die, budget: &budget),
                            ranges.contains(where: { $0.contains(address) })
                        {
                            if entry.tag == .inlinedSubroutine { scopes.append(Scope(die: die)) }
                            if entry.hasChildren {
                                entered.append(entry.tag == .inlinedSubroutine ? scopes.count - 1 : scope)
                            }
                            continue
                        }
                    }
                }
                guard entry.hasChildren else { continue }
                if let sibling = entry.sibling, sibling > entry.offset { scan.hop(to: sibling) } else { passed += 1 }
            }
        }
    }
}

/// Where the calls of a function are described, by the link-time address that they return to.
struct CallIndex: Sendable {
    private(set) var calls: [UInt64: UInt64] = [:]
    private(set) var tailCalls: [(link: UInt64, place: UInt64)] = []

    /// Every call of the function, those in blocks and inlined functions too.
    init(_ unit: CodeUnit, function offset: UInt64) {
        unit.unit.forms.bytes.withBytes { span in
            var scan = CodeScan(unit.unit, from: offset)
            guard scan.next(span)?.hasChildren == true else { return }
            var depth = 1
            while depth > 0, !scan.isAtEnd {
                guard let entry = scan.next(span) else {
                    if scan.failed { return }
                    depth -= 1
                    continue
                }
                if entry.tag == .callSite || entry.tag == .gnuCallSite {
                    note(entry.die(in: unit.unit))
                    if let sibling = entry.sibling, entry.hasChildren, sibling > entry.offset {
                        scan.hop(to: sibling)
                        continue
                    }
                }
                if entry.hasChildren { depth += 1 }
            }
        }
    }

    /// A call that cannot be read is not there.
    private mutating func note(_ die: DIE) {
        let attribute = die.tag == .callSite ? DWAttribute.callReturnPC : .lowPC
        guard let link = (try? die.address(attribute)).flatMap({ $0 }) else { return }
        let isTail = (try? die.flag(.callTailCall)) == true || (try? die.flag(.gnuTailCall)) == true
        if isTail { tailCalls.append((link, die.offset)) } else { calls[link] = die.offset }
    }
}

/// Turns DIEs of variables and calls into the model's.
private struct VariableReader {
    let code: DWARFCode
    let unit: Unit
    let address: UInt64
    private let lists: LocationLists
    private let decoder: LocationDecoder

    init(code: DWARFCode, unit: Unit, address: UInt64) throws(ParseFault) {
        self.code = code
        self.unit = unit
        self.address = address
        lists = try LocationLists(unit)
        decoder = LocationDecoder(file: code.file, unit: unit, placement: code.placement)
    }

    func scope(_ scope: VariableWalk.Scope, isFunction: Bool) throws(ParseFault) -> VariableScope {
        let entry = isFunction ? try entryAddress(scope.die) : nil
        var frameBase: [LocationOperation]?
        if isFunction, scope.die.has(.frameBase), let bytes = try scope.die[.frameBase]?.expression {
            frameBase = try decoder.decode(bytes)
        }
        var variables: [LocatedVariable] = []
        for die in try inOrder(scope.variables) where !(try isExternal(die)) {
            variables.append(try variable(die, entry: entry))
        }
        return VariableScope(
            name: try code.file.nameThroughOrigins(scope.die), isInlined: !isFunction,
            entry: entry.map { code.placement.address($0) }, frameBase: frameBase,
            variables: variables.filter(\.isParameter) + variables.filter { !$0.isParameter })
    }

    /// An instance of a function lists its variables as the compiler came upon them; what they are instances of is listed
    /// as they were declared.
    private func inOrder(_ dies: [DIE]) throws(ParseFault) -> [DIE] {
        var keyed: [(key: UInt64, die: DIE)] = []
        for die in dies {
            var key = die.offset
            if die.has(.abstractOrigin), case .reference(let place)? = try die[.abstractOrigin] { key = place.offset }
            keyed.append((key, die))
        }
        return keyed.sorted { $0.key < $1.key }.map(\.die)
    }

    /// `extern` declarations within a function are no variables of its frame.
    private func isExternal(_ die: DIE) throws(ParseFault) -> Bool {
        if try die.flag(.external) { return true }
        return try die.flag(.declaration)
    }

    private func entryAddress(_ die: DIE) throws(ParseFault) -> UInt64? {
        if let low = try die.address(.lowPC) { return low }
        // Of a function in several pieces the first range is the one with its entry (DWARF 5, section 2.18).
        var budget = 4096
        let units = try code.units()
        return try CodeUnit(unit, units.lists).ranges(of: die, budget: &budget).first?.lowerBound
    }

    private func variable(_ die: DIE, entry: UInt64?) throws(ParseFault) -> LocatedVariable {
        let isParameter = die.tag == .formalParameter
        var location = VariableLocation.none
        var atEntry: VariableLocation?
        do throws(ParseFault) {
            (location, atEntry) = try locations(die, entry: isParameter ? entry : nil)
        } catch {
            location = .broken("\(error)")
        }
        // A common file that is missing has the name and the type; the place is here.
        let name = (try? code.file.nameThroughOrigins(die)) ?? ""
        let type = (try? code.file.referenceThroughOrigins(.type, of: die)).flatMap { $0 }
        return LocatedVariable(
            name: name, type: type.map { TypeReference($0) }, isParameter: isParameter, location: location,
            locationAtEntry: isParameter && entry != nil ? atEntry ?? .some(.none) : nil)
    }

    private func locations(
        _ die: DIE, entry: UInt64?
    ) throws(ParseFault) -> (here: VariableLocation, atEntry: VariableLocation?) {
        if die.has(.location), let value = try die[.location] {
            if let bytes = value.expression {
                let location = bytes.isEmpty ? VariableLocation.none : .expression(try decoder.decode(bytes))
                return (location, location)
            }
            let found = try lists.expressions(value, at: address, entry: entry)
            func location(_ bytes: ByteSlice?) throws(ParseFault) -> VariableLocation {
                guard let bytes, !bytes.isEmpty else { return .notHere }
                return .expression(try decoder.decode(bytes))
            }
            return (try location(found.here), try location(found.atEntry))
        }
        guard let value = try constant(die) else { return (.none, nil) }
        return (value, value)
    }

    /// `DW_AT_const_value`, of the DIE or of what it is an instance of.
    private func constant(_ die: DIE) throws(ParseFault) -> VariableLocation? {
        var current = die
        for _ in 0..<4 {
            if current.has(.constantValue) {
                switch try current[.constantValue] {
                case .block(let bytes)?, .expression(let bytes)?: return .bytes(bytes)
                case .string(let string)?: return .bytes(try unit.bytes(of: string))
                case .address(let address)?: return .constant(code.placement.address(address).rawValue)
                case let value?: return value.signed.map { .constant(UInt64(bitPattern: $0)) }
                case nil: return nil
                }
            }
            guard current.has(.abstractOrigin), let origin = try code.file.die(.abstractOrigin, of: current) else {
                return nil
            }
            current = origin
        }
        return nil
    }

    func call(_ place: UInt64, returningTo link: UInt64) throws(ParseFault) -> CallSite {
        guard let die = try unit.die(at: place) else {
            throw ParseFault("call site", in: unit.sections.name, at: place, .invalid("an end of children"))
        }
        let isGNU = die.tag == .gnuCallSite
        let origin = try code.file.die(isGNU ? .abstractOrigin : .callOrigin, of: die)
        var target: CallSite.Target?
        if let origin {
            let entry = (try? origin.address(.lowPC)).flatMap { $0 }
            target = CallSite.Target(
                name: try code.file.nameThroughOrigins(origin), entry: entry.map { code.placement.address($0) })
        }
        var parameters: [CallSiteParameter] = []
        var children = try die.children()
        while let child = try children.sibling() {
            guard child.tag == .callSiteParameter || child.tag == .gnuCallSiteParameter else { continue }
            guard let location = try expression(.location, of: child) else { continue }
            parameters.append(
                CallSiteParameter(
                    location: location, value: try expression(isGNU ? .gnuCallSiteValue : .callValue, of: child)))
        }
        return CallSite(
            returnAddress: code.placement.address(link),
            isTailCall: try isGNU ? die.flag(.gnuTailCall) : die.flag(.callTailCall), target: target,
            targetExpression: try expression(isGNU ? .gnuCallSiteTarget : .callTarget, of: die), parameters: parameters)
    }

    private func expression(_ attribute: DWAttribute, of die: DIE) throws(ParseFault) -> [LocationOperation]? {
        guard die.has(attribute), let bytes = try die[attribute]?.expression else { return nil }
        return try decoder.decode(bytes)
    }
}

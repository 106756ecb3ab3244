// Values of a stack: the registers at each function's entry, and its variables, from all that is known.
//
// A frame's registers are those that the unwinder found, and where it did not, those that the code of the frame within saved.
// An argument register at a function's entry is looked for where the function parked it, then in its caller: what the call
// site says, and what the caller's code put there. Findings of these ways that contradict each other are not told at all.
//
// The file is long because each of its questions asks the others: a variable asks for a register at the entry, that for the
// chain of calls, the chain for the caller's registers, and those for what the frame within saved.

package import Bytes
package import DebugModel
package import Machine
package import Memory
internal import Synchronization
package import Unwind

/// Recovers values in the stacks of one kernel. Decoded code is kept. Safe to share between threads.
package final class ValueRecovery: Sendable {
    let machine: any Machine
    let space: AddressSpace
    /// Debug information that knows variables and calls, in the order in which it is asked.
    let sources: [any FrameSource]
    let cache: FunctionCache?

    /// Without a disassembler for the machine only debug information is used.
    package init(
        machine: any Machine, space: AddressSpace, sources: [any FrameSource], layout: any CodeLayout
    ) {
        self.machine = machine
        self.space = space
        self.sources = sources
        let memory = CodeMemory { try? space.word($0) }
        cache = machine.disassembler().map {
            FunctionCache(layout: layout, registers: machine.layout, disassembler: $0, memory: memory)
        }
    }

    /// What the function that begins at `entry` does with the objects of a table that its own arguments lead to.
    package func helpers(at entry: VirtualAddress, _ table: CallEffects) -> [HelperEffect] {
        cache.map { table.helper(entry, in: $0) } ?? []
    }

    /// `perCPU`: words of the running CPU's area that are known for the task, by their offset in it: its own address.
    package func stack(_ stack: Stack, perCPU: [UInt64: UInt64] = [:]) -> StackRecovery {
        StackRecovery(self, stack, perCPU)
    }
}

/// A value with its grade.
package struct RecoveredValue: Sendable {
    package enum Content: Sendable {
        /// A number; of its bytes the lowest `width` are known.
        case number(UInt64, width: Int)
        case memory(VirtualAddress)
        case bytes([UInt8])
    }
    package let content: Content
    package let grade: Grade
    package let derivation: Derivation

    init(_ content: Content, _ grade: Grade, _ derivation: Derivation) {
        self.content = content
        self.grade = grade
        self.derivation = derivation
    }

    init(_ known: Known) {
        self.init(.number(known.value, width: known.width), known.grade, known.derivation)
    }
}

/// A value, or why there is none.
package enum Recovered: Sendable {
    case value(RecoveredValue)
    case absent(String)

    package var value: RecoveredValue? {
        if case .value(let value) = self { return value }
        return nil
    }
}

/// A variable of a frame with what was found out about it.
package struct RecoveredVariable: Sendable {
    package let name: String
    package let type: TypeReference?
    package let isParameter: Bool
    /// The variable at the frame's place in the code.
    package let now: Recovered
    /// A parameter when its function was entered; nil for locals and for parameters of inlined functions.
    package let atEntry: Recovered?
}

/// The variables of one function of a frame.
package struct RecoveredScope: Sendable {
    package let name: String
    package let isInlined: Bool
    package let variables: [RecoveredVariable]
    /// The number of the debug information that told, among those that `ValueRecovery` was given.
    package let source: Int
}

/// The values of one stack. Not for sharing between threads.
package final class StackRecovery {
    let recovery: ValueRecovery
    let frames: [Frame]
    private let perCPU: [UInt64: UInt64]
    private var contexts: [FrameContext?]
    private var registers: [[RegisterNumber: Known]?]
    private var chains: [CallChain?]
    private var solvers: [TermSolver?]
    private var depth = 0

    /// Callers asked for an argument of a callee's argument, one within the other.
    private static let mostDepth = 48

    init(_ recovery: ValueRecovery, _ stack: Stack, _ perCPU: [UInt64: UInt64]) {
        self.recovery = recovery
        frames = stack.frames
        self.perCPU = perCPU
        contexts = Array(repeating: nil, count: frames.count)
        registers = Array(repeating: nil, count: frames.count)
        chains = Array(repeating: nil, count: frames.count)
        solvers = Array(repeating: nil, count: frames.count)
    }

    var layout: RegisterLayout { recovery.machine.layout }

    private func name(_ number: RegisterNumber) -> String { layout.names[number] ?? "register \(number.rawValue)" }

    /// The steps of a derivation as text, its frames numbered as `number` says.
    package func steps(_ derivation: Derivation, number: (Int) -> Int = { $0 }) -> [String] {
        derivation.steps(register: name, number: number)
    }

    // MARK: Frames

    func context(_ index: Int) -> FrameContext {
        if let known = contexts[index] { return known }
        let frame = frames[index]
        let code = recovery.cache?.code(at: frame.lookupAddress)
        var point = code.flatMap {
            recovery.cache?.point(at: frame.programCounter, isReturnAddress: frame.isReturnAddress, in: $0)
        }
        var cfa = frame.frameAddress
        if let found = point {
            // A path that was followed wrongly shows here: nothing of it is believed.
            for (number, offset) in [
                (layout.stackPointer, found.stackOffset), (layout.framePointer, found.frameOffset),
            ] {
                guard let offset, let value = frame.registers[number] else { continue }
                let computed = VirtualAddress(value &- UInt64(bitPattern: offset))
                if let told = cfa, told != computed { point = nil } else { cfa = computed }
            }
        }
        let made = FrameContext(index: index, frame: frame, code: code, point: point, cfa: cfa)
        contexts[index] = made
        return made
    }

    func solver(_ index: Int) -> TermSolver {
        if let known = solvers[index] { return known }
        let made = TermSolver(
            space: recovery.space, layout: layout,
            entry: { [unowned self] number in self.fromCaller(number, index) },
            perCPU: { [unowned self] offset in
                self.perCPU[offset].map { Known(value: $0, width: 8, grade: .exact, derivation: .constant) }
            }, registers: { [unowned self] in self.knownRegisters(index) })
        solvers[index] = made
        return made
    }

    /// The registers of a frame that hold what they held at its place in the code.
    func knownRegisters(_ index: Int) -> [RegisterNumber: Known] {
        if let known = registers[index] { return known }
        let frame = frames[index]
        // What the unwinder found comes first; a circle through the frame within ends here.
        var found: [RegisterNumber: Known] = [:]
        let kept = frame.isReturnAddress ? layout.calleeSaved + [layout.stackPointer] : frame.registers.known
        for number in kept {
            guard let value = frame.registers[number] else { continue }
            found[number] = Known(
                value: value, width: 8, grade: .exact, derivation: .register(number, frame: index))
        }
        registers[index] = found
        guard index > 0, frame.isReturnAddress else { return found }
        let inner = context(index - 1)
        guard let point = inner.point else { return found }
        let missing = layout.calleeSaved.filter { found[$0] == nil }
        guard !missing.isEmpty else { return found }
        let entry = FrameContext(
            index: index - 1, frame: inner.frame, code: inner.code, point: point, cfa: inner.cfa,
            sources: point.preserved)
        entry.collect(solver(index - 1))
        for number in missing {
            guard let id = point.terms.find(.entry(number)), let known = entry.facts[id], known.grade <= .derived,
                known.width == 8
            else { continue }
            found[number] = known
        }
        registers[index] = found
        return found
    }

    /// How frame `index` was called from the next one.
    package func chain(_ index: Int) -> CallChain {
        if let known = chains[index] { return known }
        let made = findChain(index)
        chains[index] = made
        return made
    }

    /// The jumps by which functions ended that stood between frame `index` and the next one, the last one first; empty when
    /// there were none, or when they are not known.
    package func jumps(_ index: Int) -> [VirtualAddress] {
        guard case .through(let functions) = chain(index), let cache = recovery.cache,
            let callee = context(index).code?.extent.entry
        else { return [] }
        let following = functions.dropFirst() + [callee]
        return zip(functions, following).reversed().compactMap { function, next in
            guard let code = cache.code(at: function), let exit = code.exits.first(where: { $0.target == next }) else {
                return nil
            }
            return code.instructions[exit.instruction].address
        }
    }

    private func findChain(_ index: Int) -> CallChain {
        guard index + 1 < frames.count, frames[index + 1].isReturnAddress, let cache = recovery.cache,
            let callee = context(index).code?.extent.entry
        else { return .unknown }
        let caller = context(index + 1)
        guard let code = caller.code, let call = code.instruction(endingAt: caller.frame.programCounter.rawValue),
            case .call(let target) = code.instructions[call].flow
        else { return .unknown }
        if let target, !cache.layout.isIndirectThunk(target) {
            return CallChains(functions: cache).chain(from: target, to: callee)
        }
        if let called = indirectTarget(code.instructions[call], target, caller) {
            let found = CallChains(functions: cache).chain(from: called, to: callee)
            // A pointer that says otherwise may have changed since.
            if found != .unknown { return found }
        }
        // Only a function that was called indirectly and itself ends with an indirect jump could stand between.
        return CallChains(functions: cache).isJumpedTo(callee) ? .indirect : .presumed
    }

    /// Where an indirect call led, as what it went through says now.
    private func indirectTarget(
        _ call: Instruction, _ thunk: VirtualAddress?, _ caller: FrameContext
    ) -> VirtualAddress? {
        guard let point = caller.point else { return nil }
        let id: TermID?
        if let thunk {
            id = recovery.cache?.layout.thunkRegister(thunk).flatMap { number in
                Int(number.rawValue) < FlowState.registerCount ? point.state.registers[Int(number.rawValue)] : nil
            }
        } else {
            switch call.operands.first?.value {
            case .register(let part)? where part.width == 8 && Int(part.number.rawValue) < FlowState.registerCount:
                id = point.state.registers[Int(part.number.rawValue)]
            case .memory(let memory)?:
                guard memory.segment == nil, memory.index == nil else { return nil }
                var address = memory.absolute?.rawValue
                if let base = memory.base, Int(base.number.rawValue) < FlowState.registerCount {
                    address = solver(caller.index).evaluate(point.state.registers[Int(base.number.rawValue)], caller)
                        .flatMap { $0.width == 8 ? $0.value &+ UInt64(bitPattern: memory.displacement) : nil }
                }
                return address.flatMap { try? recovery.space.word(VirtualAddress($0)) }.map { VirtualAddress($0) }
            default: return nil
            }
        }
        guard let id, let known = solver(caller.index).evaluate(id, caller), known.width == 8 else { return nil }
        return VirtualAddress(known.value)
    }

    // MARK: Entries

    /// What a register held when the function of frame `index` was entered.
    package func registerAtEntry(_ number: RegisterNumber, of index: Int) -> RecoveredValue? {
        atEntry(number, index).map { RecoveredValue($0) }
    }

    func atEntry(_ number: RegisterNumber, _ index: Int) -> Known? {
        let context = context(index)
        guard let point = context.point, let id = point.terms.find(.entry(number)) else {
            return fromCaller(number, index)
        }
        context.collect(solver(index))
        let parked = context.facts[id]
        if let parked, parked.grade == .exact, parked.width == 8 { return parked }
        let passed = fromCaller(number, index)
        guard let parked else { return passed }
        guard let passed else { return parked }
        if !parked.agrees(with: passed) {
            // Two certain findings that differ: one of them is wrong, and which is not known.
            if parked.grade <= .derived, passed.grade <= .derived { return nil }
            return parked.grade <= passed.grade ? parked : passed
        }
        if parked.width != passed.width { return parked.width > passed.width ? parked : passed }
        return parked.grade <= passed.grade ? parked : passed
    }

    /// What the caller of frame `index` put into a register before the call.
    private func fromCaller(_ number: RegisterNumber, _ index: Int) -> Known? {
        let context = context(index)
        if let known = context.arguments[number] { return known }
        guard depth < Self.mostDepth else { return nil }
        depth += 1
        defer { depth -= 1 }
        context.arguments[number] = .some(nil)
        let found = findInCaller(number, index)
        context.arguments[number] = .some(found)
        return found
    }

    private func findInCaller(_ number: RegisterNumber, _ index: Int) -> Known? {
        guard index + 1 < frames.count, frames[index + 1].isReturnAddress else { return nil }
        if layout.calleeSaved.contains(number) {
            // Functions that jump on at their end have restored it.
            return knownRegisters(index + 1)[number]
        }
        switch chain(index) {
        case .direct, .presumed: return passed(number, by: index + 1, to: index)
        case .through(let functions): return passed(number, through: functions, by: index + 1, to: index)
        case .several, .indirect, .unknown: return nil
        }
    }

    /// The value of a register at the call that frame `caller` stands in.
    private func passed(_ number: RegisterNumber, by caller: Int, to callee: Int) -> Known? {
        let context = context(caller)
        var fromCode: Known?
        if let point = context.point, Int(number.rawValue) < FlowState.registerCount {
            fromCode = solver(caller).evaluate(point.state.registers[Int(number.rawValue)], context).map {
                var known = $0
                // A constant is what it is; everything else was found through the caller.
                known.grade = max(known.grade, .derived)
                known.derivation = .callerCode(number, callee: callee, known.derivation)
                return known
            }
        }
        let fromSite = callSiteValue(number, caller: caller, callee: callee)
        guard let fromCode else { return fromSite }
        guard let fromSite else { return fromCode }
        if !fromCode.agrees(with: fromSite) {
            if fromCode.grade <= .derived, fromSite.grade <= .derived { return nil }
            return fromCode.grade < fromSite.grade ? fromCode : fromSite
        }
        return fromCode.grade < fromSite.grade || fromCode.width > fromSite.width ? fromCode : fromSite
    }

    /// What the call site in debug information says of a register.
    private func callSiteValue(_ number: RegisterNumber, caller: Int, callee: Int) -> Known? {
        let frame = frames[caller]
        for source in recovery.sources {
            guard let site = (try? source.call(returningTo: frame.programCounter)).flatMap({ $0 }), !site.isTailCall
            else { continue }
            for parameter in site.parameters {
                guard parameter.location == [.register(number)], let value = parameter.value else { continue }
                let frameBase = (try? source.variables(at: frame.lookupAddress))?.last?.frameBase
                // The value itself is what the expression computes; there is no place to read.
                switch locations(caller, frameBase).run(value + [.stackValue]) {
                case .number(var known):
                    known.grade = max(known.grade, .derived)
                    known.derivation = .callSite(number, callee: callee, known.derivation)
                    return known
                default: return nil
                }
            }
            return nil
        }
        return nil
    }

    /// The value of a register after functions that were called and jumped on, each at its end.
    private func passed(
        _ number: RegisterNumber, through functions: [VirtualAddress], by caller: Int, to callee: Int
    ) -> Known? {
        guard let cache = recovery.cache, let goal = context(callee).code?.extent.entry else { return nil }
        /// The register at the entry of function `step` of the chain.
        func atEntry(_ number: RegisterNumber, _ step: Int) -> Known? {
            if step == 0 {
                return layout.calleeSaved.contains(number)
                    ? knownRegisters(caller)[number] : passed(number, by: caller, to: callee)
            }
            return afterJump(number, step - 1)
        }
        /// The register at the jump by which function `step` ended.
        func afterJump(_ number: RegisterNumber, _ step: Int) -> Known? {
            let next = step + 1 < functions.count ? functions[step + 1] : goal
            guard let code = cache.code(at: functions[step]),
                let exit = code.exits.first(where: { $0.target == next }),
                let point = cache.point(before: exit.instruction, in: code),
                Int(number.rawValue) < FlowState.registerCount
            else { return nil }
            let id = point.state.registers[Int(number.rawValue)]
            let context = FrameContext(index: callee, frame: frames[callee], code: code, point: point, cfa: nil)
            let solver = TermSolver(
                space: recovery.space, layout: layout, entry: { atEntry($0, step) }, perCPU: { _ in nil },
                registers: { [:] })
            return solver.evaluate(id, context).map {
                Known(
                    value: $0.value, width: $0.width, grade: max($0.grade, .derived),
                    derivation: .tailCall(through: functions[step], $0.derivation))
            }
        }
        return afterJump(number, functions.count - 1)
    }

    // MARK: Variables

    private func locations(_ index: Int, _ frameBase: [LocationOperation]?) -> LocationMachine {
        let known = knownRegisters(index)
        return LocationMachine(
            space: recovery.space, cfa: context(index).cfa, frameBase: frameBase, register: { known[$0] },
            entry: { [unowned self] number in self.atEntry(number, index) },
            nameOf: { [unowned self] number in self.name(number) })
    }

    /// At the entry every register is what it was at the entry.
    private func locationsAtEntry(_ index: Int, _ frameBase: [LocationOperation]?) -> LocationMachine {
        LocationMachine(
            space: recovery.space, cfa: context(index).cfa, frameBase: frameBase,
            register: { [unowned self] number in self.atEntry(number, index) },
            entry: { [unowned self] number in self.atEntry(number, index) },
            nameOf: { [unowned self] number in "\(self.name(number)) at the function's entry" })
    }

    /// The functions of a frame with their variables, innermost first; empty without debug information.
    package func variables(of index: Int) -> [RecoveredScope] {
        let frame = frames[index]
        for (number, source) in recovery.sources.enumerated() {
            guard let scopes = try? source.variables(at: frame.lookupAddress), let function = scopes.last else {
                continue
            }
            let now = locations(index, function.frameBase)
            let entry = locationsAtEntry(index, function.frameBase)
            return scopes.map { scope in
                RecoveredScope(
                    name: scope.name, isInlined: scope.isInlined,
                    variables: scope.variables.map { variable in
                        RecoveredVariable(
                            name: variable.name, type: variable.type, isParameter: variable.isParameter,
                            now: find(variable.location, now, index),
                            atEntry: variable.locationAtEntry.map { atEntry($0, entry, index) })
                    }, source: number)
            }
        }
        return []
    }

    private func find(_ location: VariableLocation, _ machine: LocationMachine, _ index: Int) -> Recovered {
        switch location {
        case .none: return .absent("optimised out")
        case .notHere: return .absent("not kept at this place of the code")
        case .broken(let why): return .absent(why)
        case .constant(let value): return .value(RecoveredValue(.number(value, width: 8), .exact, .constant))
        case .bytes(let bytes): return .value(RecoveredValue(.bytes(bytes.array), .exact, .constant))
        case .expression(let operations):
            switch machine.run(operations) {
            case .absent(let why): return .absent(why)
            case .number(let known):
                return .value(
                    RecoveredValue(
                        .number(known.value, width: known.width), known.grade,
                        .location(frame: index, known.derivation)))
            case .bytes(let bytes): return .value(RecoveredValue(.bytes(bytes), .exact, .constant))
            case .memory(let address, let grade, _):
                return .value(RecoveredValue(.memory(address), grade, .location(frame: index, .place(address))))
            case .parts(let parts): return compose(parts, index)
            }
        }
    }

    /// A parameter's place at the entry: a register, or the caller's stack, which the function may have written since.
    private func atEntry(_ location: VariableLocation, _ machine: LocationMachine, _ index: Int) -> Recovered {
        let found = find(location, machine, index)
        guard case .value(let value) = found, case .memory(let address) = value.content else { return found }
        let context = context(index)
        guard let cfa = context.cfa, let point = context.point else {
            return .value(RecoveredValue(value.content, max(value.grade, .reread), value.derivation))
        }
        let offset = Int64(bitPattern: address.rawValue &- cfa.rawValue)
        guard offset >= 0, offset < 4096 else { return .absent("its place at the function's entry is used again") }
        let isKept =
            !point.state.slots.keys.contains { $0 >= offset }
            && (point.lowestEscape.map { $0 > offset } ?? true)
        return .value(RecoveredValue(value.content, isKept ? value.grade : max(value.grade, .reread), value.derivation))
    }

    /// Parts as one sequence of bytes; nothing when one is missing.
    private func compose(_ parts: [(bits: UInt64, part: LocationResult?)], _ index: Int) -> Recovered {
        var bytes: [UInt8] = []
        var grade = Grade.exact
        var derivation: Derivation?
        for (bits, part) in parts {
            guard bits % 8 == 0, bits <= 1 << 16, let count = Int(exactly: bits / 8) else {
                return .absent("in parts that are no whole bytes")
            }
            switch part {
            case nil: return .absent("a part of it is optimised out")
            case .absent(let why)?: return .absent(why)
            case .parts?: return .absent("in parts of parts")
            case .bytes(let some)?:
                guard some.count >= count else { return .absent("a part of it is too short") }
                bytes += some.prefix(count)
            case .number(let known)?:
                guard known.width >= min(count, 8), count <= 8 else { return .absent("a part of it is not known") }
                for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: known.value >> UInt64(8 * index))) }
                grade = max(grade, known.grade)
                derivation = derivation.map { .computedOfTwo($0, known.derivation) } ?? known.derivation
            case .memory(let address, let place, let how)?:
                guard let read = try? recovery.space.read(address, count: count) else {
                    return .absent("a part of it cannot be read")
                }
                bytes += read.array
                grade = max(grade, place)
                derivation = derivation.map { .computedOfTwo($0, how) } ?? .place(address)
            }
        }
        return .value(RecoveredValue(.bytes(bytes), grade, .location(frame: index, derivation ?? .constant)))
    }
}

// What the functions of a kernel do with the objects that they are given, as far as an analysis wants to know.
//
// The caller, who knows the kernel's functions, makes one table of them and keeps it: what follows from the table for one
// place of the code is the same for every task that stands there, and is found once.

package import Bytes
package import DebugModel
internal import Machine
internal import Synchronization

/// What a function does with an object whose address one of its arguments tells.
package struct CallEffect: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case takes
        /// Takes it or fails, as its result says.
        case tries
        case releases
        /// Tells those who wait for it that they may go on.
        case signals
        /// Takes it, or gives back what was taken.
        case toggles
    }
    /// How a function that may fail to take says by its result that it did not.
    package enum Result: Sendable, Equatable {
        case none
        case zeroIsFailure
        case zeroIsSuccess
    }
    package let action: Action
    package let result: Result
    /// What is taken and given back by functions of one group.
    package let group: String
    /// Several may have it at once.
    package let isShared: Bool
    /// The argument that tells the object, counted from 0.
    package let argument: Int
    /// Added to the argument, modulo 2^64, this is the object's address: of a function that is given a member, minus the
    /// member's offset.
    package let addend: UInt64
    /// The object, of a function that is given none because there is only one; nil when the argument tells it.
    package let object: UInt64?

    package init(
        _ action: Action, group: String, isShared: Bool = false, argument: Int = 0, addend: UInt64 = 0,
        object: UInt64? = nil, result: Result = .none
    ) {
        self.action = action
        self.result = result
        self.group = group
        self.isShared = isShared
        self.argument = argument
        self.addend = addend
        self.object = object
    }

    /// The same of a function with another kind of result.
    package func with(_ result: Result) -> CallEffect {
        CallEffect(
            action, group: group, isShared: isShared, argument: argument, addend: addend, object: object,
            result: result)
    }

    /// Whether the effect gives back what others take, and not the other way round.
    var isRelease: Bool { action == .releases || action == .signals }

    fileprivate func isCounterpart(of other: CallEffect) -> Bool {
        group == other.group && isRelease != other.isRelease
    }
}

/// What an instruction does to memory where the compiler put a function in its caller's place.
package enum InlineEffect: Sendable, Hashable {
    /// Stores one or four bytes of zero to the object's address: `queued_spin_unlock`.
    case storesZero
    /// Adds this to the four bytes at the object's address: `queued_read_unlock`.
    case adds(Int32)
    /// Sets a bit of the word at the object's address and tells what it was: `test_and_set_bit_lock`.
    case setsBit
    /// Clears one bit of the word at the object's address: `clear_bit_unlock`.
    case clearsBit
    /// Adds this to four bytes of this CPU's area, to which a pointer at the object's address leads: `this_cpu_inc`.
    case addsPerCPU(Int32)
}

/// The functions that matter to one analysis of one kernel. Safe to share between threads.
package final class CallEffects: Sendable {
    let effects: [VirtualAddress: [CallEffect]]
    /// What instructions do to objects. They count in functions that also call one of their group, unless they stand alone.
    let inline: [InlineEffect: [CallEffect]]
    /// What instructions do counts in any function: of what is taken and given back without calls.
    let standsAlone: Bool
    private let state = Mutex(State())

    private struct State {
        /// The code that everything here was found in.
        var owner: FunctionCache?
        var held = Plans<HeldPlan>()
        var ahead = Plans<AheadPlan>()
        var helpers: [VirtualAddress: [HelperEffect]] = [:]

        mutating func claim(_ cache: FunctionCache) {
            if owner !== cache { self = Self(owner: cache) }
        }
    }

    /// What was found out about places, up to a bound.
    private struct Plans<Plan: Sendable> {
        var byPlace: [Place: Plan?] = [:]
        /// Of places where something happens.
        private var count = 0

        mutating func keep(_ plan: Plan?, at place: Place) {
            if count >= CallEffects.mostPlans || byPlace.count >= CallEffects.mostPlaces { self = Self() }
            byPlace[place] = .some(plan)
            if plan != nil { count += 1 }
        }
    }

    struct Place: Hashable {
        let counter: VirtualAddress
        let isReturnAddress: Bool
        let followsCalls: Bool
    }

    // Some 30 KB each: 30 MB.
    private static let mostPlans = 1024
    // Some 50 bytes each: places where nothing was taken.
    private static let mostPlaces = 1 << 17

    /// `effects`: by the functions' entries; what one function does, in the order in which it does it.
    package init(
        _ effects: [VirtualAddress: [CallEffect]], inline: [InlineEffect: [CallEffect]] = [:],
        standsAlone: Bool = false
    ) {
        self.effects = effects
        self.inline = inline
        self.standsAlone = standsAlone
    }

    /// What was found out about one place, made when it is asked for first; nil when nothing happens there.
    func held(_ place: Place, in cache: FunctionCache, make: () -> HeldPlan?) -> HeldPlan? {
        plan(place, in: cache, \.held, make)
    }

    /// The same for what is still to come.
    func ahead(_ place: Place, in cache: FunctionCache, make: () -> AheadPlan?) -> AheadPlan? {
        plan(place, in: cache, \.ahead, make)
    }

    private func plan<Plan: Sendable>(
        _ place: Place, in cache: FunctionCache, _ plans: any (WritableKeyPath<State, Plans<Plan>> & Sendable),
        _ make: () -> Plan?
    ) -> Plan? {
        if let known = state.withLock({ $0.owner === cache ? $0[keyPath: plans].byPlace[place] : nil }) { return known }
        let made = make()
        state.withLock { state in
            state.claim(cache)
            state[keyPath: plans].keep(made, at: place)
        }
        return made
    }

    /// What the function that begins at `entry`, and is none of the table's, does for its caller with what it is given.
    func helper(_ entry: VirtualAddress, in cache: FunctionCache) -> [HelperEffect] {
        if let known = state.withLock({ $0.owner === cache ? $0.helpers[entry] : nil }) { return known }
        let made = HelperEffect.effects(ofFunctionAt: entry, cache, self)
        state.withLock { state in
            state.claim(cache)
            if state.helpers.count >= Self.mostPlaces { state.helpers = [:] }
            state.helpers[entry] = made
        }
        return made
    }
}

/// What a helper does for its caller with one of its own arguments.
package struct HelperEffect: Sendable, Equatable {
    package let effect: CallEffect
    /// The argument, and what is added to it: the object.
    package let register: RegisterNumber
    package let addend: UInt64
    /// Whatever way the helper takes.
    package let isCertain: Bool

    // Helpers are short; a long function that takes a lock gives it back.
    private static let mostBytes: UInt64 = 2048
    private static let mostInstructions = 400
    private static let mostPlaces = 8

    /// What the function takes and does not give back anywhere, gives back and does not take, or signals.
    fileprivate static func effects(
        ofFunctionAt entry: VirtualAddress, _ cache: FunctionCache, _ table: CallEffects
    ) -> [HelperEffect] {
        // Most functions call none of the table's: that shows in their bytes, which is quicker than to decode them.
        guard let extent = cache.layout.function(at: entry), extent.entry == entry,
            extent.parts.reduce(0, { $0 &+ ($1.upperBound &- $1.lowerBound) }) <= mostBytes,
            extent.parts.contains(where: { calls(in: $0, cache.layout, table) }),
            let code = cache.code(at: entry), code.instructions.count <= mostInstructions
        else { return [] }
        return effects(of: code, cache.registers, table)
    }

    /// Whether bytes that look like a direct call or jump lead to a function of the table.
    private static func calls(in part: Range<UInt64>, _ layout: any CodeLayout, _ table: CallEffects) -> Bool {
        guard let count = Int(exactly: part.upperBound &- part.lowerBound), count >= 5,
            let bytes = layout.code(at: VirtualAddress(part.lowerBound), count: count), bytes.count >= 5
        else { return false }
        for index in 0...(bytes.count - 5) {
            // call, jmp, and the last byte of a conditional jump (Intel SDM volume 2).
            guard bytes[index] == 0xe8 || bytes[index] == 0xe9 || bytes[index] & 0xf0 == 0x80 else { continue }
            var distance: UInt32 = 0
            for byte in 1...4 { distance |= UInt32(bytes[index + byte]) << UInt32(8 * (byte - 1)) }
            let end = part.lowerBound &+ UInt64(truncatingIfNeeded: index + 5)
            let target = end &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))
            if table.effects[VirtualAddress(target)] != nil { return true }
        }
        return false
    }

    private static func effects(
        of code: FunctionCode, _ layout: RegisterLayout, _ table: CallEffects
    ) -> [HelperEffect] {
        var places: [(instruction: Int, effect: CallEffect)] = []
        for (index, target) in code.callsAndExits {
            for effect in table.effects[target] ?? [] where effect.object == nil { places.append((index, effect)) }
        }
        guard !places.isEmpty, places.count <= mostPlaces else { return [] }
        var found: [(instruction: Int, helper: HelperEffect)] = []
        for (index, effect) in places {
            guard let register = layout.argument(effect.argument),
                let point = FunctionFlow.point(before: index, in: code, layout: layout)
            else { continue }
            var term = point.state.registers[Int(register.rawValue)]
            var addend = effect.addend
            if case .add(let inner, let value) = point.terms[term] { (term, addend) = (inner, value &+ addend) }
            guard case .entry(let origin) = point.terms[term] else { continue }
            found.append(
                (index, HelperEffect(effect: effect, register: origin, addend: addend, isCertain: false)))
        }
        var helpers: [HelperEffect] = []
        for (_, one) in found {
            let same = found.filter { $0.helper.register == one.register && $0.helper.addend == one.addend }
            if same.contains(where: { $0.helper.effect.isCounterpart(of: one.effect) }) { continue }
            let made = one.with(isCertain: isUnavoidable(same.map(\.instruction), in: code))
            if !helpers.contains(made) { helpers.append(made) }
        }
        return helpers
    }

    private static func isUnavoidable(_ instructions: [Int], in code: FunctionCode) -> Bool {
        guard let entry = code.instruction(at: code.extent.entry.rawValue) else { return false }
        return !Reach(code, from: entry, avoiding: Set(instructions)).leadsOut
    }

    private func with(isCertain: Bool) -> HelperEffect {
        var made = effect
        // Whether it takes it depends on what else it was given.
        if !isCertain, made.action == .takes {
            made = CallEffect(.tries, group: made.group, isShared: made.isShared)
        } else {
            // What a helper returns is its own matter.
            made = made.with(.none)
        }
        return HelperEffect(effect: made, register: register, addend: addend, isCertain: isCertain)
    }
}

extension RegisterLayout {
    /// The register of an argument, as far as values in it are followed.
    func argument(_ number: Int) -> RegisterNumber? {
        guard arguments.indices.contains(number), Int(arguments[number].rawValue) < FlowState.registerCount else {
            return nil
        }
        return arguments[number]
    }
}

extension FunctionCode {
    /// The direct calls of the function, but for the tracer's, and the jumps by which it ends.
    var callsAndExits: [(instruction: Int, target: VirtualAddress)] {
        var found: [(Int, VirtualAddress)] = []
        for (index, instruction) in instructions.enumerated() where index != tracer {
            if case .call(let target?) = instruction.flow { found.append((index, target)) }
        }
        for exit in exits { if let target = exit.target { found.append((exit.instruction, target)) } }
        return found
    }
}

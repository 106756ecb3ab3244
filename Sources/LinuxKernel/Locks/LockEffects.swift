// The kernel's functions that take, give back and signal what tasks wait for, as the recovery of values wants them.

internal import Bytes
internal import DebugModel
internal import Recovery
internal import Target

/// A function that tells those who wait that they may go on.
struct LockSignal: Sendable, ExpressibleByStringLiteral {
    let name: String
    /// The argument that leads to what is waited for, counted from 0.
    var argument = 0
    /// The member of the class' type that the function is given; nil when it is given the object itself.
    var member: String?

    init(_ name: String, argument: Int = 0, member: String? = nil) {
        self.name = name
        self.argument = argument
        self.member = member
    }

    init(stringLiteral name: String) { self.init(name) }
}

/// What instructions do with it where a function was put into its caller's place.
struct LockInline: Sendable {
    let effect: InlineEffect
    let action: CallEffect.Action
    var isShared = false
    /// The member at which they do it.
    var member: String?
    /// So many bytes behind it, or fewer: which byte of a word they do it to depends on the bit.
    var spread: UInt64 = 0
}

/// A function that takes the lock in what it is given, or fails.
struct LockHelper: Sendable {
    let name: String
    /// What its first argument points to, and the lock's member of it.
    let type: String
    let member: String
    let isShared: Bool
}

/// Makes the tables of one kernel.
struct LockEffects {
    private let model: Target

    init(_ kernel: LinuxKernel) { model = kernel.model }

    /// Who holds what: of everything that somebody has and gives back.
    func holding() -> CallEffects {
        table(LockClass.all.filter { $0.nature == .lock }, signals: false)
    }

    /// The reverse: what a function has given back and not taken again, which its caller had. Giving back stands where
    /// taking does.
    func givingBack() -> CallEffects {
        table(LockClass.all.filter { $0.nature == .lock }, signals: false) { action in
            switch action {
            case .takes, .tries: .releases
            case .releases: .takes
            case .signals: .signals
            case .toggles: .toggles
            }
        }
    }

    /// Who will signal what: of everything that has signals.
    func signalling() -> CallEffects {
        table(LockClass.all.filter { !$0.calls.signals.isEmpty }, signals: true)
    }

    /// Who took what there is only one of, or what no function takes: of one kind, for nobody asks that of all stacks.
    func holding(_ lockClass: LockClass) -> CallEffects {
        guard !lockClass.calls.alone.isEmpty else { return table([lockClass], signals: false) }
        var inline: [InlineEffect: [CallEffect]] = [:]
        for one in lockClass.calls.alone {
            guard let offset = offset(one.member, lockClass) else { continue }
            for byte in 0...one.spread {
                inline[one.effect, default: []].append(
                    CallEffect(
                        one.action, group: lockClass.name, isShared: one.isShared, addend: 0 &- offset &- byte))
            }
        }
        return CallEffects([:], inline: inline, standsAlone: true)
    }

    private func table(
        _ classes: [LockClass], signals: Bool, as action: (CallEffect.Action) -> CallEffect.Action = { $0 }
    ) -> CallEffects {
        var effects: [VirtualAddress: [CallEffect]] = [:]
        var inline: [InlineEffect: [CallEffect]] = [:]
        func add(_ effect: CallEffect, _ name: String) {
            // A symbol may be told by more than one table.
            let places = Set(model.symbols.symbols(named: name).filter { $0.module == nil }.map(\.address))
            for place in places { effects[place, default: []].append(effect) }
        }
        for lockClass in classes {
            let calls = lockClass.calls
            let object = calls.object.flatMap { model.symbols.symbol(named: $0)?.address.rawValue }
            // Of a kernel that does not tell where it is nobody can say who took it.
            if calls.object != nil, object == nil { continue }
            var rows: [(effect: CallEffect, names: [String])] = [
                (CallEffect(action(.takes), group: lockClass.name, object: object), calls.takes),
                (CallEffect(action(.takes), group: lockClass.name, isShared: true, object: object), calls.takesShared),
                (CallEffect(action(.tries), group: lockClass.name), calls.tries),
                (CallEffect(action(.tries), group: lockClass.name, isShared: true), calls.triesShared),
            ]
            if signals {
                for signal in calls.signals {
                    guard let offset = offset(signal.member, lockClass) else { continue }
                    let effect = CallEffect(
                        .signals, group: lockClass.name, argument: signal.argument, addend: 0 &- offset)
                    rows.append((effect, [signal.name]))
                }
            } else {
                rows.append((CallEffect(action(.releases), group: lockClass.name, object: object), calls.releases))
            }
            for (effect, names) in rows {
                for name in names { add(effect.with(Self.result(of: name, effect)), name) }
            }
            for helper in calls.helpers {
                guard let offset = model.offset(of: helper.member, in: helper.type) else { continue }
                add(
                    CallEffect(
                        .tries, group: lockClass.name, isShared: helper.isShared, addend: offset,
                        result: .zeroIsFailure), helper.name)
            }
            for one in calls.inline {
                guard let offset = offset(one.member, lockClass) else { continue }
                inline[one.effect, default: []].append(
                    CallEffect(action(one.action), group: lockClass.name, isShared: one.isShared, addend: 0 &- offset))
            }
        }
        return CallEffects(effects, inline: inline)
    }

    /// Attempts say whether they took it; what can be interrupted returns an error when it was.
    private static func result(of name: String, _ effect: CallEffect) -> CallEffect.Result {
        if effect.action == .releases || effect.action == .signals { return .none }
        let returnsError = ["_interruptible", "_killable", "_timeout"].contains { name.contains($0) }
        if returnsError || name == "down_trylock" || name == "ww_mutex_lock" { return .zeroIsSuccess }
        return effect.action == .tries ? .zeroIsFailure : .none
    }

    /// Where a member lies in the class' type; nil when this kernel's type has no such member.
    private func offset(_ member: String?, _ lockClass: LockClass) -> UInt64? {
        guard let member else { return 0 }
        return lockClass.typeName.flatMap { model.offset(of: member, in: $0) }
    }
}

extension Target {
    /// Where a member lies in a structure, `s_writers.rw_sem`; nil when there is none of that name.
    func offset(of path: String, in type: String) -> UInt64? {
        (try? types.lookup(.structure, type)).flatMap { $0 }.flatMap {
            (try? types.offset(ofPath: path, in: $0)).flatMap { $0 }
        }
    }
}

// What tasks wait for, by kind: one value of this type for each, in a file of its own under Classes.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Recovery
internal import Target

/// A kind of thing that tasks wait for: how it is read, which functions take it and give it back, how a wait for it looks.
package struct LockClass: Sendable {
    /// What makes a wait end.
    package enum Nature: Sendable {
        /// Somebody has it and gives it back.
        case lock
        /// Something that processes share, and that somebody may have: what they make of it is their own affair. A circle
        /// of those that wait is a fault, a long wait is none.
        case user
        /// Work that somebody runs.
        case work
        /// An event that nobody owns: somebody has to bring it about.
        case event
    }

    /// As commands print it and take it: "mutex", "rt_mutex".
    package let name: String
    /// The C type at its address; nil for what has none.
    package let typeName: String?
    /// What older kernels call it.
    private let formerTypeName: String?
    package let nature: Nature
    /// Whoever has it does not sleep: he runs on a CPU, or something is wrong.
    let holdersRun: Bool
    /// The lock beside it that its writers take as well: by the group of the functions, and where it lies in a type (as C
    /// declares variables of it) of which the lock is the first member.
    let writersLock: (group: String, type: String, member: String)?
    /// The kernel's functions that take it and give it back.
    let calls: LockCalls
    /// What functions that only wait for it begin with: who waits is the one that called them.
    let machinery: [String]
    /// What the lock's own words say.
    let read: @Sendable (LockFields) -> LockState
    /// What a waiter on a stack waits for; nil when it does not wait for this kind.
    let recognise: @Sendable (WaiterSite) -> WaitedFor?
    /// Who has to end the wait, where structures of the kernel tell: of what nobody owns.
    let obliged: @Sendable (LinuxKernel, VirtualAddress) -> [Holder]

    init(
        _ name: String, type typeName: String? = nil, formerly formerTypeName: String? = nil, _ nature: Nature,
        holdersRun: Bool = false,
        writersLock: (group: String, type: String, member: String)? = nil, calls: LockCalls = LockCalls(),
        machinery: [String] = [], read: @escaping @Sendable (LockFields) -> LockState = { _ in LockState() },
        recognise: @escaping @Sendable (WaiterSite) -> WaitedFor? = { _ in nil },
        obliged: @escaping @Sendable (LinuxKernel, VirtualAddress) -> [Holder] = { _, _ in [] }
    ) {
        self.name = name
        self.typeName = typeName
        self.formerTypeName = formerTypeName
        self.nature = nature
        self.holdersRun = holdersRun
        self.writersLock = writersLock
        self.calls = calls
        self.machinery = machinery
        self.read = read
        self.recognise = recognise
        self.obliged = obliged
    }

    /// Several may have it at once, to read.
    var isShared: Bool { !calls.takesShared.isEmpty }

    /// The C type at its address as this kernel calls it.
    func typeName(in kernel: LinuxKernel) -> String? {
        guard let typeName, let formerTypeName else { return typeName }
        let isKnown = ((try? kernel.model.types.lookup(.structure, typeName)) ?? nil) != nil
        return isKnown ? typeName : formerTypeName
    }

    /// The kind of a variable's type, as C spells it; nil when it is none.
    init?(ofType type: String, in model: Target) {
        // With PREEMPT_RT these two are made of an rt_mutex.
        let spinlock = model.offset(of: "lock.owner", in: "spinlock") == nil ? LockClass.spinlock : .rtSpinlock
        let rwlock = model.offset(of: "rtmutex.owner", in: "rwbase_rt") == nil ? LockClass.rwlock : .rtRWLock
        let others: [String: LockClass] = [
            "spinlock_t": spinlock, "raw_spinlock_t": .spinlock, "struct spinlock": spinlock, "rwlock_t": rwlock,
            "seqcount_t": .seqcount, "struct rt_mutex": .rtMutex,
        ]
        if let own = others[type] {
            self = own
            return
        }
        let known = Self.all.first { $0.nature == .lock && $0.typeName.map { "struct \($0)" == type } ?? false }
        guard let known else { return nil }
        self = known
    }

    /// The kind that is called so; nil when there is none.
    package init?(named name: String) {
        guard let known = Self.all.first(where: { $0.name == name }) else { return nil }
        self = known
    }
}

extension LockClass: Hashable {
    package static func == (a: LockClass, b: LockClass) -> Bool { a.name == b.name }
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Functions by what they do with the lock; all but signals have it in their first argument.
struct LockCalls: Sendable {
    var takes: [String] = []
    var takesShared: [String] = []
    /// They say by their result whether they have it.
    var tries: [String] = []
    var triesShared: [String] = []
    /// They take it in what they are given, or fail.
    var helpers: [LockHelper] = []
    var releases: [String] = []
    /// They tell those who wait.
    var signals: [LockSignal] = []
    /// What takes it or gives it back without a call.
    var inline: [LockInline] = []
    /// The same of a kind that no function takes: looked for only where somebody waits, for it costs more.
    var alone: [LockInline] = []
    /// The symbol of the only one there is: the functions that take it are given nothing.
    var object: String?
}

/// What a lock's own words say.
struct LockState: Sendable {
    var owner = LockOwner.unknown
    /// The member that says so, as C names it from the lock's start, and its value.
    var word: (path: String, value: UInt64)?
    /// In words: "held for writing", "read by 4".
    var text = "its holder is not recorded"
}

/// Reads the members of one lock.
struct LockFields {
    let model: Target
    /// For what is told by each CPU; nil where there is a memory alone.
    let kernel: LinuxKernel?
    let typeName: String?
    let address: VirtualAddress
    let isTask: (VirtualAddress) -> Bool

    init(kernel: LinuxKernel, typeName: String?, address: VirtualAddress, isTask: @escaping (VirtualAddress) -> Bool) {
        model = kernel.model
        self.kernel = kernel
        self.typeName = typeName
        self.address = address
        self.isTask = isTask
    }

    init(model: Target, typeName: String?, address: VirtualAddress, isTask: @escaping (VirtualAddress) -> Bool) {
        self.model = model
        kernel = nil
        self.typeName = typeName
        self.address = address
        self.isTask = isTask
    }

    /// A member by its path as a number, nil when it cannot be read or the type has none of that name.
    func word(_ path: String...) -> UInt64? { value(path) }

    func value(_ path: [String]) -> UInt64? {
        guard let typeName, var value = try? model.object(.structure, typeName, at: address) else { return nil }
        for member in path {
            guard let inner = try? value.member(member) else { return nil }
            value = inner
        }
        return try? value.unsigned()
    }

    /// The task that an owner word names, without the word's flags. A word that is no address at all was never an owner:
    /// what lies there is no lock, or no longer.
    func owner(_ task: UInt64) -> LockOwner {
        let address = VirtualAddress(task)
        if isTask(address) { return .task(address) }
        return (try? model.space.translate(address)) == nil ? .unknown : .gone(address)
    }
}

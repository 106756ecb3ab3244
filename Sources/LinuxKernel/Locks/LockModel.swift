// Every wait of a kernel, the locks that are waited for, and who holds them.

package import Bytes
internal import DebugModel
internal import Recovery
package import Target
internal import Unwind

/// The locks of one kernel as they are waited for. Reads the stack of every sleeping task once when it is made.
package final class LockModel {
    /// Locks of two kinds can have one address: a semaphore begins with a spinlock.
    private struct Key: Hashable {
        let lockClass: LockClass
        let address: VirtualAddress

        init(_ lockClass: LockClass, _ address: VirtualAddress) {
            self.lockClass = lockClass
            self.address = address
        }
    }

    let kernel: LinuxKernel
    package let tasks: [Task]
    private let byAddress: [VirtualAddress: Task]
    package let waits: [Wait]
    /// By the waiting task.
    let waitOf: [VirtualAddress: Wait]
    package let gaps: [Gap]
    let stacks: TaskStacks
    let clock: SchedulerClock
    private let held: HeldLocks
    private lazy var names = LockNames(kernel, tasks)
    private let obligations: Obligations
    private var haveAllBeenVisited = false
    private var effectsOfKind: [LockClass: CallEffects] = [:]
    /// Who has yet to give back what.
    private let releases: Obligations
    private var locks: [Key: Lock] = [:]
    private var holderLists: [Key: [Holder]] = [:]
    private var acquisitions: [VirtualAddress: [Acquisition]] = [:]
    private var deepAcquisitions: [VirtualAddress: [Acquisition]] = [:]
    private var nameCache: [Key: String?] = [:]
    private var places: [VirtualAddress: String?] = [:]
    private let waitersByLock: [VirtualAddress: [Wait]]
    /// The locks that are waited for, in the order of the tasks.
    let lockOrder: [VirtualAddress]

    /// `only`: look for the waits of these tasks alone.
    package init(_ kernel: LinuxKernel, only chosen: [Task]? = nil) throws {
        self.kernel = kernel
        tasks = try kernel.tasks().tasks
        var byAddress: [VirtualAddress: Task] = [:]
        byAddress.reserveCapacity(tasks.count)
        for task in tasks { byAddress[task.address] = task }
        let idle = kernel.cpus.cpus.compactMap { try? $0.idle }
        for task in idle { byAddress[task.address] = task }
        self.byAddress = byAddress
        stacks = TaskStacks(kernel)
        clock = SchedulerClock(kernel.cpus)
        let scene = WaitScene(kernel, tasks, stacks)
        let sources = WaitSources.all.map { $0.init(scene) }
        var waits: [Wait] = []
        var gaps: [Gap] = []
        for task in chosen ?? tasks + idle {
            do {
                for source in sources {
                    guard let wait = try source.wait(of: task) else { continue }
                    waits.append(wait)
                    break
                }
            } catch {
                gaps.append(
                    Gap("what task \((try? task.pid).map { "\($0)" } ?? "\(task.address)") waits for", why: "\(error)"))
            }
        }
        self.waits = waits
        self.gaps = gaps
        var waitOf: [VirtualAddress: Wait] = [:]
        var waiters: [VirtualAddress: [Wait]] = [:]
        var order: [VirtualAddress] = []
        for wait in waits {
            waitOf[wait.task.address] = wait
            if waiters[wait.lock] == nil { order.append(wait.lock) }
            waiters[wait.lock, default: []].append(wait)
        }
        self.waitOf = waitOf
        waitersByLock = waiters
        lockOrder = order
        held = HeldLocks(kernel)
        obligations = Obligations(kernel, stacks, LockEffects(kernel).signalling())
        releases = Obligations(kernel, stacks, held.effects)
    }

    /// The task with that structure; nil when it is none any more.
    package func task(_ address: VirtualAddress) -> Task? { byAddress[address] }

    package func waiters(_ lock: VirtualAddress) -> [Wait] { waitersByLock[lock] ?? [] }

    package func lock(_ lockClass: LockClass, _ address: VirtualAddress) -> Lock {
        if let known = locks[Key(lockClass, address)] { return known }
        let made = Lock(lockClass, address, kernel) { byAddress[$0] != nil }
        locks[Key(lockClass, address)] = made
        return made
    }

    /// `ruby (45)`.
    package func title(_ task: VirtualAddress) -> String {
        guard let known = byAddress[task] else { return "a task that is gone (\(task))" }
        return "\((try? known.comm) ?? "?") (\((try? known.pid).map { "\($0)" } ?? "?"))"
    }

    /// What a lock is called: class, address and what contains it.
    package func name(_ lockClass: LockClass, _ address: VirtualAddress) -> String {
        let plain = "\(lockClass.name) \(address)"
        return container(lockClass, address).map { "\(plain) (\($0))" } ?? plain
    }

    /// What contains a lock; nil when nothing is known.
    func container(_ lockClass: LockClass, _ address: VirtualAddress) -> String? {
        if lockClass == .task { return title(address) }
        if let known = nameCache[Key(lockClass, address)] { return known }
        let told = waiters(address).lazy.filter { $0.lockClass == lockClass }.compactMap(\.name).first
        let made = told ?? names.name(lockClass, address)
        nameCache[Key(lockClass, address)] = .some(made)
        return made
    }

    /// What RCU will call.
    private(set) lazy var callbacks = RCUCallbacks(kernel.model, cpus: kernel.cpus.possible)

    /// Follows which functions take mutexes, of any kind, and keep them.
    private(set) lazy var takenSearch = TakenSearch(kernel, [.mutex, .wwMutex, .rtMutex])

    /// The same with the spinlocks of PREEMPT_RT, which sleep: more functions take those.
    private(set) lazy var takenSpinSearch = TakenSearch(kernel, [.mutex, .wwMutex, .rtMutex, .rtSpinlock])

    /// The locks that the functions on a task's stack took and did not release.
    package func held(by task: Task, deep: Bool = false) -> [Acquisition] {
        if let known = deep ? deepAcquisitions[task.address] : acquisitions[task.address] { return known }
        var made: [Acquisition] = []
        if let stack = try? stacks.stack(of: task) { made = held.held(by: stack, followingCalls: deep) }
        if deep { deepAcquisitions[task.address] = made } else { acquisitions[task.address] = made }
        return made
    }

    /// Where a task took a lock: in a function on its stack, or in one that such a function called.
    package func acquisition(of lock: VirtualAddress, by task: VirtualAddress) -> Acquisition? {
        guard let known = byAddress[task] else { return nil }
        func best(_ list: [Acquisition]) -> Acquisition? {
            let matches = list.filter { $0.lock == lock }
            return matches.first { $0.isCertain } ?? matches.first
        }
        return best(held(by: known)) ?? best(held(by: known, deep: true))
    }

    /// Where a task stands that waits: the function behind those of the lock and the scheduler.
    package func place(of wait: Wait) -> String? {
        if let known = places[wait.task.address] { return known }
        let made = findPlace(of: wait)
        places[wait.task.address] = .some(made)
        return made
    }

    private func findPlace(of wait: Wait) -> String? {
        if let place = wait.place { return held.place(place) }
        guard let stack = try? stacks.stack(of: wait.task) else { return nil }
        let frames = stack.stack.frames
        for (index, frame) in frames.enumerated() where frame.isReturnAddress {
            guard onlyWaits(frame.lookupAddress) else { return held.place(frame.lookupAddress) }
            // Whoever waits at his very end has jumped there, and left no frame.
            guard index + 1 < frames.count, !onlyWaits(frames[index + 1].lookupAddress) else { continue }
            if let jump = kernel.recover(stack).jumps(index).first(where: { !onlyWaits($0) }) {
                return "\(held.place(frames[index + 1].lookupAddress)) through \(held.place(jump))"
            }
        }
        return nil
    }

    private func onlyWaits(_ code: VirtualAddress) -> Bool {
        // A module's function does something of its own, whatever it is called.
        guard let symbol = kernel.model.symbols.symbol(covering: code), symbol.module == nil else { return false }
        return Self.machinery.contains { symbol.name.hasPrefix($0) }
    }

    /// How functions begin by which a task loses the CPU after an interrupt (kernel/entry/common.c).
    static let interrupts = [
        "raw_irqentry_exit", "irqentry_exit", "asm_sysvec_", "asm_common_interrupt", "asm_spurious_interrupt",
    ]

    /// How functions begin that do nothing but wait: of the scheduler, and of each kind of lock.
    private static let machinery =
        [
            "__schedule", "schedule", "__switch_to", "io_schedule", "preempt_schedule", "prepare_to_wait",
            "ret_from_fork",
        ] + interrupts
        + LockClass.all.flatMap(\.machinery)

    /// Who holds a lock that is waited for, with grades; none when nothing tells.
    package func holders(_ lockClass: LockClass, _ address: VirtualAddress) -> [Holder] {
        if let known = holderLists[Key(lockClass, address)] { return known }
        var made = findHolders(lockClass, address)
        if lockClass.nature == .lock, !lockClass.holdersRun { made = withReleases(made, lockClass, address) }
        if made.isEmpty, lock(lockClass, address).owner != .free { made = findObliged(lockClass, address) }
        holderLists[Key(lockClass, address)] = made
        return made
    }

    private func findHolders(_ lockClass: LockClass, _ address: VirtualAddress) -> [Holder] {
        let told = waiters(address).filter { $0.lockClass == lockClass }.compactMap(\.holder)
        if let holder = told.first { return [holder] }
        switch lock(lockClass, address).owner {
        case .task(let task):
            return [
                Holder(
                    task: task, grade: .exact, because: "owner word", acquisition: acquisition(of: address, by: task))
            ]
        case .last(let task): return lastOr(inferred(lockClass, address, count: 1, shared: false), task)
        case .gone(let task): return [Holder(task: task, isGone: true, grade: .exact, because: "owner word")]
        case .readers(let count): return inferred(lockClass, address, count: count, shared: true)
        case .somebody: return inferred(lockClass, address, count: 1, shared: false)
        case .unknown: return lockClass.nature == .lock ? inferred(lockClass, address, count: nil, shared: nil) : []
        case .free: return []
        }
    }

    /// The holders that code tells of, of a lock whose word names the last who took it: that one may have given it back by
    /// way of another task, unless its code says that it has not.
    private func lastOr(_ seen: [Holder], _ last: VirtualAddress) -> [Holder] {
        guard let own = seen.first(where: { $0.task == last }) else {
            return seen + [Holder(task: last, grade: .possible, because: "last holder")]
        }
        let isSure = own.acquisition?.isCertain == true
        let named = Holder(
            task: last, isShared: own.isShared, grade: isSure ? min(own.grade, .checked) : own.grade,
            because: isSure ? "last holder, which has not given it back" : "last holder", acquisition: own.acquisition)
        return [named] + seen.filter { $0.task != last }
    }

    /// Of a lock with more holders than were seen to take it: those who have yet to give it back, in a function that does not
    /// take it before. Who takes it need not be on the stack any more; who gives it back has it.
    private func withReleases(
        _ seen: [Holder], _ lockClass: LockClass, _ address: VirtualAddress
    ) -> [Holder] {
        let count: UInt64
        switch lock(lockClass, address).owner {
        case .readers(let readers): count = readers
        case .somebody, .last: count = 1
        default: return seen
        }
        let sure = seen.filter { $0.grade < .possible }
        guard UInt64(sure.count) < count else { return seen }
        let known = Set(sure.map(\.task))
        let duties = releases.duties(lockClass, address, among: byAddress.values).filter {
            waitOf[$0.task]?.lock != address && !known.contains($0.task)
        }
        let isAll = UInt64(sure.count + duties.count) == count
        let found = duties.map { duty in
            let acquisition = seen.first { $0.task == duty.task }?.acquisition
            return Holder(
                task: duty.task, isShared: seen.first?.isShared ?? false, grade: isAll ? .derived : .possible,
                because: "has yet to give it back in \(held.place(duty.call))", acquisition: acquisition)
        }
        let told = Set(found.map(\.task))
        return sure + found + seen.filter { $0.grade >= .possible && !told.contains($0.task) && !isAll }
    }

    /// Who has to end the wait, of what nobody is known to hold. Of several who may, none has to: they are only possible. Who
    /// waits for the same himself has to be woken first.
    private func findObliged(_ lockClass: LockClass, _ address: VirtualAddress) -> [Holder] {
        let told = lockClass.obliged(kernel, address)
        if !told.isEmpty || lockClass.calls.signals.isEmpty {
            return told.map { $0.taken(taken(lockClass, address, by: $0.task)) }
        }
        if let keeper = obligations.keeper(of: address, among: byAddress.values), waitOf[keeper]?.lock != address {
            // Whoever has it on his stack cannot leave his function before all have been told.
            return [Holder(task: keeper, relation: .obliged, grade: .derived, because: "has it on its own stack")]
        }
        if expectsInference { visitAll() }
        let all = obligations.duties(lockClass, address, among: byAddress.values)
        let duties = all.filter { waitOf[$0.task]?.lock != address }
        if duties.isEmpty, let callback = callback(signalling: lockClass, address, obligations.effects) {
            let name = kernel.model.symbols.symbol(covering: callback.function)?.name ?? "\(callback.function)"
            return findObliged(.rcu, address).map { reader in
                Holder(
                    task: reader.task, relation: .obliged, grade: max(reader.grade, .derived),
                    because: "\(reader.because); \(name) signals it when the grace period has ended",
                    acquisition: nil)
            }
        }
        // Where not all are listed, one certain of them is not known to be the only one.
        let isOne = duties.count { $0.isCertain } == 1 && all.count < Obligations.mostDuties
        return duties.map { duty in
            Holder(
                task: duty.task, relation: .obliged, grade: duty.isCertain && isOne ? .derived : .possible,
                because: "has yet to signal it in \(held.place(duty.call))",
                acquisition: taken(lockClass, address, by: duty.task))
        }
    }

    /// Where a task took what nobody is recorded to own: a bit, a folio.
    private func taken(_ lockClass: LockClass, _ address: VirtualAddress, by task: VirtualAddress) -> Acquisition? {
        let calls = lockClass.calls
        guard !calls.takes.isEmpty || !calls.takesShared.isEmpty || !calls.alone.isEmpty, let task = byAddress[task],
            let stack = try? stacks.stack(of: task)
        else { return nil }
        let effects = calls.signals.isEmpty ? ownEffects(lockClass) : obligations.effects
        let all = held.held(by: stack, followingCalls: false, effects).filter {
            $0.lock == address && $0.group == lockClass.name
        }
        return all.first { $0.isCertain } ?? all.first
    }

    /// The functions and instructions of one kind alone.
    private func ownEffects(_ lockClass: LockClass) -> CallEffects {
        if let known = effectsOfKind[lockClass] { return known }
        let made = LockEffects(kernel).holding(lockClass)
        effectsOfKind[lockClass] = made
        return made
    }

    /// The tasks on whose stacks stands a function that took the lock. With as many as the lock itself counts, those are
    /// all; with more, nobody knows which of them: all are only possible.
    private func inferred(_ lockClass: LockClass, _ address: VirtualAddress, count: UInt64?, shared: Bool?) -> [Holder]
    {
        var found: [(task: VirtualAddress, match: Acquisition)] = []
        var seen: Set<VirtualAddress> = []
        let beside = writersLock(lockClass, address)
        func matches(_ task: Task, deep: Bool) -> [Acquisition] {
            held(by: task, deep: deep).filter {
                $0.lock == address && $0.group == lockClass.name && (shared == nil || $0.isShared == shared)
                    || beside != nil && $0.lock == beside && $0.group == lockClass.writersLock?.group
            }
        }
        // Locks that spin are often taken and given back by helpers. Those are looked into where it costs little: of the
        // tasks that run, and of others that seem to have it.
        func look(at tasks: some Sequence<Task>, deep: Bool) {
            for task in tasks where seen.insert(task.address).inserted {
                var list = matches(task, deep: deep)
                if !list.isEmpty, lockClass.holdersRun, !deep { list = matches(task, deep: true) }
                guard let match = list.first(where: { $0.isCertain }) ?? list.first else { continue }
                found.append((task.address, match))
            }
        }
        func isExplained() -> Bool { count.map { UInt64(found.count { $0.match.isCertain }) == $0 } ?? false }
        if lockClass.holdersRun { look(at: running, deep: true) }
        if !lockClass.holdersRun || !isExplained() { look(at: byAddress.values, deep: false) }
        if found.isEmpty, !lockClass.calls.alone.isEmpty {
            // Those on CPUs first: whoever else has it was preempted, or should not have slept.
            for tasks in [running, Array(byAddress.values)] where found.isEmpty {
                for task in tasks where waitOf[task.address]?.lock != address {
                    guard let match = taken(lockClass, address, by: task.address) else { continue }
                    if !found.contains(where: { $0.task == task.address }) { found.append((task.address, match)) }
                }
            }
        }
        if found.isEmpty, lockClass.holdersRun { return leftBehind(lockClass) }
        found.sort { $0.task < $1.task }
        let certain = found.count { $0.match.isCertain }
        let isChecked = isExplained()
        let isTooMany = count.map { UInt64(certain) > $0 } ?? false
        return found.compactMap { task, match in
            if isChecked, !match.isCertain { return nil }
            let because =
                match.group == lockClass.name
                ? "took it and has not given it back" : "has the lock that its writers take"
            return Holder(
                task: task, isShared: match.isShared,
                grade: isChecked ? .checked : match.isCertain && !isTooMany ? .derived : .possible,
                because: isChecked && shared == true ? "\(because); all \(certain) found" : because, acquisition: match)
        }
    }

    /// Some lock is held that does not say by whom: then all stacks will be asked for that.
    private lazy var expectsInference = lockOrder.contains { address in
        guard let lockClass = waiters(address).first?.lockClass, lockClass.nature == .lock, !lockClass.holdersRun else {
            return false
        }
        switch lock(lockClass, address).owner {
        case .readers, .somebody, .last, .unknown: return true
        case .task, .gone, .free: return false
        }
    }

    /// Finds what all tasks hold and have yet to do while each stack is at hand: unwinding costs as much as either.
    private func visitAll() {
        guard !haveAllBeenVisited else { return }
        haveAllBeenVisited = true
        for task in byAddress.values where !obligations.hasConsidered(task) {
            guard let stack = try? stacks.stack(of: task) else { continue }
            let recovered = kernel.recover(stack)
            if acquisitions[task.address] == nil {
                acquisitions[task.address] = held.held(by: stack, recovered, followingCalls: false)
            }
            obligations.consider(stack, recovered)
        }
    }

    private func writersLock(_ lockClass: LockClass, _ address: VirtualAddress) -> VirtualAddress? {
        guard let known = lockClass.writersLock,
            let type = (try? kernel.model.types.lookup(.ordinary, known.type)).flatMap({ $0 }),
            let offset = (try? kernel.model.types.offset(ofPath: known.member, in: type)).flatMap({ $0 })
        else { return nil }
        return address.advanced(by: offset)
    }

    /// The tasks on CPUs.
    private var running: [Task] { kernel.cpus.cpus.compactMap { try? $0.current } }

    private lazy var leftInUserMode = PreemptCount.leftInUserMode(kernel).filter { $0.count > 0 }
    private lazy var foundAtomic = AtomicSleepLog(kernel).tasks(among: tasks)

    /// Of a lock that somebody has and no function on a stack took: the task that went back to user mode with a lock, as
    /// its CPU's count says, when there is one alone and it has one lock alone; else those of which the kernel's log says
    /// that they were switched out with one.
    private func leftBehind(_ lockClass: LockClass) -> [Holder] {
        // Writers of these take their lock, or none that anybody counts.
        guard lockClass != .seqcount, lockClass != .bitSpinlock else { return [] }
        let tasks = leftInUserMode
        if tasks.isEmpty {
            return foundAtomic.map { task in
                Holder(
                    task: task.address, grade: .possible,
                    because: "the kernel found it scheduling while atomic, and no function on a stack took it")
            }
        }
        return tasks.map { found in
            Holder(
                task: found.task.address, grade: tasks.count == 1 && found.count == 1 ? .checked : .possible,
                because: "is in user mode with preempt_count \(found.count), and no function on a stack took it")
        }
    }
}

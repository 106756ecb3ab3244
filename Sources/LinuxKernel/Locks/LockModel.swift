// Every wait of a kernel, the locks that are waited for, and who holds them.

package import Bytes
internal import DebugModel
package import Target
internal import Unwind

/// Who holds a lock, and how that is known.
package struct Holder: Sendable {
    package let task: VirtualAddress
    /// The `task_struct` is no task's any more.
    package let isGone: Bool
    package let isShared: Bool
    package let grade: Graph.Grade
    /// A few words: "owner word".
    package let because: String
    /// Where the holder took it; nil when no function on its stack did.
    package var acquisition: Acquisition?
}

/// The locks of one kernel as they are waited for. Reads the stack of every sleeping task once when it is made.
package final class LockModel {
    let kernel: LinuxKernel
    package let tasks: [Task]
    private let byAddress: [VirtualAddress: Task]
    package let waits: [Wait]
    /// By the waiting task.
    let waitOf: [VirtualAddress: Wait]
    package let gaps: [Gap]
    private let held: HeldLocks
    private let names: LockNames
    private var locks: [VirtualAddress: Lock] = [:]
    private var holderLists: [VirtualAddress: [Holder]] = [:]
    private var acquisitions: [VirtualAddress: [Acquisition]] = [:]
    private var deepAcquisitions: [VirtualAddress: [Acquisition]] = [:]
    private var nameCache: [VirtualAddress: String] = [:]
    private var waitersByLock: [VirtualAddress: [Wait]] = [:]
    private(set) var lockOrder: [VirtualAddress] = []

    package init(_ kernel: LinuxKernel) throws {
        self.kernel = kernel
        tasks = try kernel.tasks().tasks
        var byAddress: [VirtualAddress: Task] = [:]
        for task in tasks { byAddress[task.address] = task }
        for cpu in kernel.cpus.cpus { if let idle = try? cpu.idle { byAddress[idle.address] = idle } }
        self.byAddress = byAddress
        let running = Set(kernel.cpus.cpus.compactMap { try? $0.current.address })
        let scan = WaitScan(kernel, tasks, SchedulerClock(kernel.cpus))
        var waits: [Wait] = []
        var waitOf: [VirtualAddress: Wait] = [:]
        var gaps: [Gap] = []
        for task in tasks where !running.contains(task.address) {
            do {
                guard let wait = try scan.wait(of: task) else { continue }
                waits.append(wait)
                waitOf[task.address] = wait
            } catch {
                gaps.append(
                    Gap("what task \((try? task.pid).map { "\($0)" } ?? "\(task.address)") waits for", why: "\(error)"))
            }
        }
        self.waits = waits
        self.waitOf = waitOf
        self.gaps = gaps
        held = HeldLocks(kernel)
        names = LockNames(kernel, tasks)
        for wait in waits {
            if waitersByLock[wait.lock] == nil { lockOrder.append(wait.lock) }
            waitersByLock[wait.lock, default: []].append(wait)
        }
    }

    /// The task with that structure; nil when it is none any more.
    package func task(_ address: VirtualAddress) -> Task? { byAddress[address] }

    package func waiters(_ lock: VirtualAddress) -> [Wait] { waitersByLock[lock] ?? [] }

    package func lock(_ lockClass: LockClass, _ address: VirtualAddress) -> Lock {
        if let known = locks[address] { return known }
        let made = Lock(lockClass, address, kernel) { byAddress[$0] != nil }
        locks[address] = made
        return made
    }

    /// `ruby (45)`.
    package func title(_ task: VirtualAddress) -> String {
        guard let known = byAddress[task] else { return "a task that is gone (\(task))" }
        return "\((try? known.comm) ?? "?") (\((try? known.pid).map { "\($0)" } ?? "?"))"
    }

    /// What a lock is called: class, address and what contains it.
    package func name(_ lockClass: LockClass, _ address: VirtualAddress) -> String {
        if let known = nameCache[address] { return known }
        let plain = "\(lockClass.rawValue) \(address)"
        let made = names.name(lockClass, address).map { "\(plain) (\($0))" } ?? plain
        nameCache[address] = made
        return made
    }

    /// The locks that the functions on a task's stack took and did not release.
    package func held(by task: Task, deep: Bool = false) -> [Acquisition] {
        if let known = deep ? deepAcquisitions[task.address] : acquisitions[task.address] { return known }
        var made: [Acquisition] = []
        if let stack = try? StackReader(kernel).stack(of: task) { made = held.held(by: stack, followingCalls: deep) }
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
        guard let stack = try? StackReader(kernel).stack(of: wait.task) else { return nil }
        for frame in stack.stack.frames where frame.isReturnAddress {
            let name = kernel.model.symbols.symbol(covering: frame.lookupAddress)?.name ?? ""
            if Self.machinery.contains(where: { name.hasPrefix($0) }) { continue }
            return held.place(frame.lookupAddress)
        }
        return nil
    }

    /// How functions begin that wait for others.
    private static let machinery = [
        "__schedule", "schedule", "__switch_to", "__mutex_lock", "mutex_lock", "__ww_mutex_lock", "ww_mutex_lock",
        "rwsem_down", "down_", "__down", "down", "rt_mutex", "__rt_mutex", "rwlock", "__wait_for",
        "wait_for_completion",
        "do_wait_for_common", "__flush_work", "flush_work", "percpu_", "__percpu_", "io_schedule", "preempt_schedule",
        "bit_wait", "out_of_line_wait", "__wait_on_bit", "prepare_to_wait", "ret_from_fork",
    ]

    /// Who holds a lock that is waited for, with grades; none when nothing tells.
    package func holders(_ lockClass: LockClass, _ address: VirtualAddress) -> [Holder] {
        if let known = holderLists[address] { return known }
        let made = findHolders(lockClass, address)
        holderLists[address] = made
        return made
    }

    private func findHolders(_ lockClass: LockClass, _ address: VirtualAddress) -> [Holder] {
        let lock = lock(lockClass, address)
        switch lock.owner {
        case .task(let task):
            let acquisition = acquisition(of: address, by: task)
            let isHint = lockClass == .semaphore
            return [
                Holder(
                    task: task, isGone: false, isShared: false, grade: isHint ? .possible : .exact,
                    because: isHint ? "last holder" : "owner word", acquisition: acquisition)
            ]
        case .gone(let task):
            return [Holder(task: task, isGone: true, isShared: false, grade: .exact, because: "owner word")]
        case .readers(let count): return inferred(lockClass, address, count: count, shared: true)
        case .unknown where lockClass == .work:
            return (waitersByLock[address] ?? []).compactMap(\.worker).first.map {
                [Holder(task: $0, isGone: false, isShared: false, grade: .exact, because: "worker that runs it")]
            } ?? []
        case .unknown where lockClass.isLock: return inferred(lockClass, address, count: nil, shared: nil)
        case .unknown, .free: return []
        }
    }

    /// The tasks on whose stacks stands a function that took the lock.
    private func inferred(_ lockClass: LockClass, _ address: VirtualAddress, count: UInt64?, shared: Bool?) -> [Holder]
    {
        var found: [Holder] = []
        for task in tasks {
            let matches = held(by: task).filter {
                $0.lock == address && $0.group == lockClass.rawValue && (shared == nil || $0.isShared == shared)
            }
            guard let match = matches.first(where: { $0.isCertain }) ?? matches.first else { continue }
            found.append(
                Holder(
                    task: task.address, isGone: false, isShared: match.isShared,
                    grade: match.isCertain ? .derived : .possible, because: "took it and has not given it back",
                    acquisition: match))
        }
        let certain = found.filter { $0.grade == .derived }
        guard let count, UInt64(certain.count) == count else { return found }
        return certain.map {
            Holder(
                task: $0.task, isGone: false, isShared: $0.isShared, grade: .checked,
                because: "took it and has not given it back; all \(count) found", acquisition: $0.acquisition)
        }
    }
}

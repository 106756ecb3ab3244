// All locks that a task holds, from everything that tells of one.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Target

/// A lock that a task holds.
struct Holding: Sendable {
    let lockClass: LockClass
    let lock: VirtualAddress
    let isShared: Bool
    let grade: Graph.Grade
    /// A few words: "owner word", "code of its functions", "lockdep's record".
    let because: String
    /// Where it was taken; nil when no function on the stack is seen to have taken it.
    let place: String?
}

extension LockModel {
    /// What the functions on a task's stack took, as far as the locks' own words do not say otherwise, and the locks that
    /// others wait for and that name it. `followingLockdep`: the kernel's own record instead, where it keeps one.
    /// Complexity: that of reading the task's stack and the code of its functions.
    func holdings(of task: Task, followingLockdep: Bool = true) throws -> [Holding] {
        if followingLockdep, let lockdep = Lockdep(kernel), !lockdep.hasStopped {
            return try recorded(lockdep, task)
        }
        var found: [Holding] = []
        for acquisition in held(by: task, deep: true) {
            // What is a little off a null pointer is no lock: the function took none that time.
            guard acquisition.lock.rawValue &+ 4096 >= 8192, let lockClass = LockClass(named: acquisition.group),
                let grade = agreement(acquisition, lockClass, task)
            else { continue }
            // Readers may take one lock twice, in two functions. Who has it alone took it in the inner one.
            if grade == .exact, found.contains(where: { $0.lock == acquisition.lock && $0.lockClass == lockClass }) {
                continue
            }
            found.append(
                Holding(
                    lockClass: lockClass, lock: acquisition.lock, isShared: acquisition.isShared, grade: grade,
                    because: grade == .exact ? "owner word" : "code of its functions", place: acquisition.place))
        }
        for address in lockOrder {
            guard let lockClass = waiters(address).first?.lockClass, lockClass.nature == .lock,
                !found.contains(where: { $0.lock == address }),
                let holder = holders(lockClass, address).first(where: { $0.task == task.address && !$0.isGone })
            else { continue }
            // A waiter that the word names and that did not take it has the structure of one that has exited.
            if holder.acquisition == nil, waitOf[task.address]?.lock == address { continue }
            found.append(
                Holding(
                    lockClass: lockClass, lock: address, isShared: holder.isShared, grade: holder.grade,
                    because: holder.because, place: holder.acquisition?.place))
        }
        return found
    }

    /// How sure it is that what code took is held still: the lock's own word must not name somebody else. Nil when it does.
    private func agreement(_ acquisition: Acquisition, _ lockClass: LockClass, _ task: Task) -> Graph.Grade? {
        let known: Graph.Grade = acquisition.isCertain ? .derived : .possible
        switch lock(lockClass, acquisition.lock).owner {
        case .task(let owner): return owner == task.address && !acquisition.isShared ? .exact : nil
        case .readers: return acquisition.isShared ? known : nil
        case .free, .gone: return nil
        case .last, .somebody, .unknown: return known
        }
    }

    private func recorded(_ lockdep: Lockdep, _ task: Task) throws -> [Holding] {
        var entries = try lockdep.entries(of: task)
        // What it waits for was entered before it was had.
        if let wanted = waitOf[task.address]?.lock, let last = entries.lastIndex(where: { $0.lock?.address == wanted })
        {
            entries.remove(at: last)
        }
        return entries.compactMap { entry in
            guard let lock = entry.lock else { return nil }
            return Holding(
                lockClass: lock.lockClass, lock: lock.address, isShared: entry.isShared, grade: .exact,
                because: "lockdep's record", place: place(of: entry.returnAddress))
        }
    }

    private func place(of returnAddress: VirtualAddress) -> String {
        HeldLocks(kernel).place(returnAddress.advanced(by: UInt64.max))
    }
}

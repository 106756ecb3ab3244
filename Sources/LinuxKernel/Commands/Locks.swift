// locks, lock: the locks that are waited for, and one lock.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Locks: Stage {
    package static let manual = Manual(
        name: "locks", synopsis: "", summary: "the locks that tasks wait for, who holds them, and who waits",
        text: """
            Of each lock that a task waits for, asleep or spinning: what contains it, who holds it and how that is known, where the \
            holder took it, and who waits where since when. Locks that somebody holds and nobody waits for are shown \
            by `lock` alone: no list leads to them.
            """,
        examples: [.init("locks", "the contended locks")], section: .tasks)

    package init(_ arguments: Arguments) throws {}

    package func finish(_ context: Context, _ emit: Emit) throws {
        let model = try LockModel(linux(context))
        let output = LockOutput(model: model)
        output.note(context)
        var count = 0
        for address in model.lockOrder {
            if context.isInterrupted() { throw Interrupted() }
            var told: Set<LockClass> = []
            for lockClass in model.waiters(address).map(\.lockClass)
            where lockClass.nature != .event && told.insert(lockClass).inserted {
                if lockClass.nature == .user, !model.waiters(address).contains(where: { $0.holder != nil }) { continue }
                count += 1
                try emit(.record(output.lock(lockClass, address)))
            }
        }
        if count == 0 { try emit(.text("no task waits for a lock")) }
    }
}

package struct LockStage: Stage {
    package static let manual = Manual(
        name: "lock", synopsis: "ADDRESS [CLASS]", summary: "one lock: its state, who holds it, who waits for it",
        text: """
            CLASS is mutex, rwsem, spinlock, semaphore or another of the names that `locks` and `waits` show. Without it the \
            class is that which the lock's waiters tell, or the type of the variable that is named.
            """,
        examples: [.init("lock uts_sem rwsem", "a lock by its symbol")], section: .tasks)
    private let words: [String]

    package init(_ arguments: Arguments) throws {
        words = arguments.operands
        guard (1...2).contains(words.count) else { throw UsageError("lock: the address of a lock, and its class") }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let model = try LockModel(linux(context))
        let output = LockOutput(model: model)
        output.note(context)
        let address = try AddressOperand.address(words[0], context.target)
        var lockClass = model.waiters(address).first?.lockClass
        if words.count == 2 {
            guard let named = LockClass(named: words[1]) else {
                throw UsageError("lock: \(Escaping.text(words[1])) is no class of locks")
            }
            lockClass = named
        }
        if lockClass == nil, let type = (try? context.target.evaluate(words[0]))?.typeName {
            lockClass = LockClass(ofType: type, in: context.target)
        }
        guard let lockClass else {
            throw CommandError("lock: nobody waits for \(address), and nothing else says what it is: name its class")
        }
        try emit(.record(output.lock(lockClass, address)))
    }
}

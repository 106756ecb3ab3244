// Locks that are made of an rt_mutex, as with PREEMPT_RT, from structures put together by hand and in dumps of such kernels.

import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite("Locks made of an rt_mutex")
struct RTLockTests {
    /// `isRT`: as with PREEMPT_RT; else as without.
    private static func types(isRT: Bool = true) -> TypeBuilder {
        var types = TypeBuilder()
        types.redBlackTrees()
        types.structure("task_struct") { $0.member("pid", "int") }
        types.structure("raw_spinlock") { $0.member("raw_lock", "unsigned int") }
        types.structure("atomic") { $0.member("counter", "int") }
        types.structure("rt_mutex_base") {
            $0.member("wait_lock", "struct raw_spinlock")
            $0.member("waiters", "struct rb_root_cached", at: 8)
            $0.member("owner", "struct task_struct *")
        }
        types.structure("rt_mutex") { $0.member("rtmutex", "struct rt_mutex_base") }
        types.structure("rt_waiter_node") {
            $0.member("entry", "struct rb_node")
            $0.member("prio", "int")
        }
        types.structure("rt_mutex_waiter") {
            $0.member("tree", "struct rt_waiter_node")
            $0.member("task", "struct task_struct *")
            $0.member("lock", "struct rt_mutex_base *")
        }
        guard isRT else {
            types.structure("mutex") { $0.member("owner", "unsigned long") }
            types.structure("spinlock") { $0.member("rlock", "struct raw_spinlock") }
            return types
        }
        types.structure("mutex") { $0.member("rtmutex", "struct rt_mutex_base") }
        types.structure("spinlock") { $0.member("lock", "struct rt_mutex_base") }
        types.structure("ww_mutex") { $0.member("base", "struct rt_mutex") }
        types.structure("rwbase_rt") {
            $0.member("readers", "struct atomic")
            $0.member("rtmutex", "struct rt_mutex_base", at: 8)
        }
        types.structure("rw_semaphore") { $0.member("rwbase", "struct rwbase_rt") }
        return types
    }

    /// The state of a lock in whose rt_mutex that word is the owner's; only `task` is one.
    private func state(
        _ lockClass: LockClass, _ type: String, _ owner: String, word: UInt64, readers: (path: String, UInt64)? = nil
    ) -> LockState {
        let builder = KernelBuilder(Self.types())
        var members: [(String, Content)] = [(owner, .number(word))]
        if let readers { members.append((readers.path, .number(readers.1))) }
        let lock = builder.object("struct \(type)", members)
        return lockClass.read(
            LockFields(model: builder.target(), typeName: lockClass.typeName, address: lock) {
                $0.rawValue == Self.task
            })
    }

    private static let task: UInt64 = 0xffff_8880_0020_0040
    private static let gone: UInt64 = 0xffff_8880_0030_0040

    @Test(
        "A lock that only one can have names its owner, without the bit that says that others wait",
        arguments: [
            (LockClass.mutex, "mutex", "rtmutex.owner"), (.wwMutex, "ww_mutex", "base.rtmutex.owner"),
            (.rtMutex, "rt_mutex_base", "owner"), (.rtSpinlock, "spinlock", "lock.owner"),
        ])
    func owner(lockClass: LockClass, type: String, path: String) {
        for word in [Self.task, Self.task | 1] {
            let found = state(lockClass, type, path, word: word)
            #expect(found.owner == .task(VirtualAddress(Self.task)))
            #expect(found.word?.path == path && found.word?.value == word)
        }
        #expect(state(lockClass, type, path, word: Self.gone | 1).owner == .gone(VirtualAddress(Self.gone)))
        // Between the one who gave it back and the one who was woken nobody has it.
        #expect(state(lockClass, type, path, word: 1).owner == .free)
        #expect(state(lockClass, type, path, word: 0).owner == .free)
    }

    @Test(
        "A lock with readers counts them from a bias, which a writer takes away before he waits for them",
        arguments: [(LockClass.rwsem, "rw_semaphore", "rwbase."), (.rtRWLock, "rwbase_rt", "")])
    func readers(lockClass: LockClass, type: String, path: String) {
        func found(_ count: UInt64, _ word: UInt64) -> LockState {
            state(lockClass, type, path + "rtmutex.owner", word: word, readers: (path + "readers.counter", count))
        }
        #expect(found(0x8000_0000, 0).owner == .free)
        #expect(found(0x8000_0003, 0).owner == .readers(3))
        // Somebody is about to ask for it: the readers have it all the same.
        #expect(found(0x8000_0003, Self.task | 1).owner == .readers(3))
        #expect(found(2, Self.task | 1).owner == .readers(2))
        #expect(found(2, Self.task | 1).text == "read by 2; a writer is next")
        #expect(found(0x4000_0000, Self.task).owner == .task(VirtualAddress(Self.task)))
        #expect(found(0x4000_0000, Self.task).text == "held for writing")
        #expect(found(0x4000_0000, Self.gone).owner == .gone(VirtualAddress(Self.gone)))
        #expect(found(0x8000_0000, Self.task).owner == .task(VirtualAddress(Self.task)))
    }

    @Test("What cannot be read has no owner, and is not free")
    func unreadable() {
        let builder = KernelBuilder(Self.types())
        let lock = builder.object("struct rw_semaphore")
        builder.drop(pageOf: lock)
        for lockClass in [LockClass.mutex, .wwMutex, .rwsem, .rtMutex, .rtSpinlock, .rtRWLock] {
            let fields = LockFields(model: builder.target(), typeName: lockClass.typeName, address: lock) { _ in true }
            #expect(lockClass.read(fields).owner == .unknown)
        }
    }

    @Test("The function that waits tells which kind of lock the rt_mutex is in, and where in it")
    func kinds() throws {
        let kinds = RTLockKinds(KernelBuilder(Self.types()).target())
        #expect(kinds.isAny)
        func kind(_ name: String, _ isSpinning: Bool = false) -> String? {
            kinds.kind(name, isSpinning: isSpinning).map {
                "\($0.kind.lockClass.name)+\($0.kind.offset) \($0.mode.rawValue)"
            }
        }
        #expect(kind("mutex_lock_killable") == "mutex+0 write")
        #expect(kind("__ww_rt_mutex_lock") == "ww_mutex+0 write")
        #expect(kind("down_read_killable") == "rwsem+8 read")
        #expect(kind("rwbase_write_lock") == "rwsem+8 write")
        #expect(kind("__rwbase_read_lock") == "rwsem+8 read")
        // The same code is in rwlocks: the state in which they wait tells.
        #expect(kind("rwbase_write_lock", true) == "rt_rwlock+8 write")
        #expect(kind("rt_read_lock", true) == "rt_rwlock+8 read")
        #expect(kind("rt_spin_lock", true) == "rt_spinlock+0 write")
        #expect(kind("rt_mutex_lock") == "rt_mutex+0 write")
        // A futex with priority inheritance, whose owner may be back in user mode by right.
        #expect(kind("rt_mutex_wait_proxy_lock") == "futex+0 write")
        // What all of them go through tells nothing, and neither does who calls them.
        for name in ["schedule", "__rt_mutex_slowlock_locked", "rtlock_slowlock_locked", "rt_mutex_slowlock_block"] {
            #expect(kind(name) == nil && RTLockKinds.isWithin(name))
        }
        #expect(kind("vfs_write") == nil && !RTLockKinds.isWithin("vfs_write"))
        #expect(kinds.unnamed(isSpinning: true).lockClass == .rtSpinlock)
        #expect(kinds.unnamed(isSpinning: false).lockClass == .rtMutex)
    }

    @Test("Elsewhere an rt_mutex is nothing else, and a mutex has none")
    func ordinary() {
        let builder = KernelBuilder(Self.types(isRT: false))
        let kinds = RTLockKinds(builder.target())
        #expect(!kinds.isAny)
        #expect(kinds.kind("mutex_lock", isSpinning: false) == nil)
        #expect(LockClass(ofType: "spinlock_t", in: builder.target()) == .spinlock)
        #expect(LockClass(ofType: "rwlock_t", in: builder.target()) == .rwlock)
        let changed = KernelBuilder(Self.types()).target()
        #expect(LockClass(ofType: "spinlock_t", in: changed) == .rtSpinlock)
        #expect(LockClass(ofType: "struct spinlock", in: changed) == .rtSpinlock)
        #expect(LockClass(ofType: "rwlock_t", in: changed) == .rtRWLock)
        #expect(LockClass(ofType: "raw_spinlock_t", in: changed) == .spinlock)
        #expect(LockClass(ofType: "struct mutex", in: changed) == .mutex)
    }

    @Test("A waiter is believed that is in the tree of its lock, and no other")
    func tree() throws {
        let builder = KernelBuilder(Self.types())
        let lock = builder.object("struct rt_mutex_base")
        let first = builder.object("struct rt_mutex_waiter")
        let second = builder.object("struct rt_mutex_waiter")
        let stale = builder.object("struct rt_mutex_waiter")
        let lost = builder.object("struct rt_mutex_waiter")
        let ring = builder.object("struct rt_mutex_waiter")
        builder.set(lock, "struct rt_mutex_base", [("waiters.rb_root.rb_node", .address(first))])
        // A black root, and its red child.
        builder.set(first, "struct rt_mutex_waiter", [("tree.entry.__rb_parent_color", 1)])
        let parent = "tree.entry.__rb_parent_color"
        builder.set(second, "struct rt_mutex_waiter", [(parent, .address(first))])
        builder.set(ring, "struct rt_mutex_waiter", [(parent, .address(ring))])
        builder.set(lost, "struct rt_mutex_waiter", [(parent, .number(0xffff_9000_0000_0000))])
        let target = builder.target()
        let tree = try #require(RTWaiterTree(target))
        #expect(tree.contains(first, lock, target) == true)
        #expect(tree.contains(second, lock, target) == true)
        #expect(tree.contains(stale, lock, target) == false)
        #expect(tree.contains(ring, lock, target) == false)
        #expect(tree.contains(lost, lock, target) == nil)
    }
}

/// In dumps of Debian's kernel with PREEMPT_RT.
@Suite("Locks of a kernel with PREEMPT_RT", .enabled(if: LabDumps.arePresent, LabDumps.comment))
struct RTLabTests {
    @Test(
        "Two that want each other's lock are a circle of the lock's own kind, whatever it is made of",
        arguments: LabDumps.present([
            "hang-lock-mutex-rt", "hang-lock-rwsem-rt", "hang-lock-readers-rt", "hang-lock-ww-rt", "hang-lock-rt-rt",
            "hang-lock-spin-rt", "hang-lock-rwlock-rt",
        ]))
    func circle(dump: String) throws {
        let known = [
            "mutex": "mutex", "rwsem": "rwsem", "readers": "rwsem", "ww": "ww_mutex", "rt": "rt_mutex",
            "spin": "rt_spinlock", "rwlock": "rt_rwlock",
        ]
        let circles = WaitCycles(try LockModel(try LabDumps.open(dump))).cycles
        let circle = try #require(circles.first)
        #expect(circles.count == 1)
        let kind = dump.dropFirst("hang-lock-".count).dropLast("-rt".count)
        #expect(circle.map(\.wait.lockClass.name) == [known[String(kind)], known[String(kind)]])
        #expect(try circle.map { try $0.wait.task.comm }.sorted() == ["left", "right"])
        #expect(circle.allSatisfy { $0.holder.acquisition?.place.hasPrefix("\(kind)_pair") == true })
    }

    @Test(
        "Who has been found to wait for himself waits, although no list has him",
        arguments: LabDumps.present(["hang-self-rt", "hang-self-6.12-rt"]))
    func itself(dump: String) throws {
        let model = try LockModel(try LabDumps.open(dump))
        let circle = try #require(WaitCycles(model).cycles.first)
        let wait = try #require(circle.first?.wait)
        #expect(circle.count == 1 && wait.lockClass == .mutex)
        #expect(try wait.task.value["pi_blocked_on"].pointer().isNull)
        // With nobody in the owner's word there is nothing to wait for.
        let free = try LabDumps.open(dump) { kernel, memory in
            let owner = try kernel.model.object(.structure, "mutex", at: wait.lock).path("rtmutex", "owner").address
            try memory.write(0, at: kernel.model.space.translate(owner))
        }
        #expect(try !LockModel(free).waits.contains { $0.task.address == wait.task.address })
    }

    @Test(
        "Locks that are fought for and got are no fault",
        arguments: LabDumps.present([
            "innocent-fair-all-rt", "innocent-fair-spin-rt", "innocent-plain-rt", "innocent-waiters-rt",
        ]))
    func innocent(dump: String) throws {
        let kernel = try LabDumps.open(dump)
        #expect(Examination(kernel).faults.isEmpty)
        #expect(WaitCycles(try LockModel(kernel)).cycles.isEmpty)
    }

    /// The tasks said to sleep in a read-side section, with four bytes of some members of kthreadd's structure changed.
    private func sleepers(_ dump: String, _ words: [(member: String, value: UInt64)]) throws -> [String] {
        let kernel = try LabDumps.open(dump) { kernel, memory in
            let task = try #require(try kernel.tasks().tasks.first { try $0.comm == "kthreadd" })
            for word in words {
                let place = try kernel.model.space.translate(task.value.member(word.member).address)
                let start = PhysicalAddress(place.rawValue & ~7)
                let page = try memory.page(containing: start)
                let offset = Int(start.rawValue - page.base.rawValue)
                var bytes = Array(page.bytes.array[offset..<offset + 8])
                for index in 0..<4 {
                    bytes[Int(place.rawValue & 7) + index] = UInt8(truncatingIfNeeded: word.value >> UInt64(8 * index))
                }
                try memory.write(bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }, at: start)
            }
        }
        return ReadSideSleep.all(kernel).compactMap { try? $0.task.comm }
    }

    @Test(
        "Who sleeps in a read-side section of RCU is named, but not who is ready to run there or waits for a lock",
        arguments: LabDumps.present(["innocent-plain-rt", "innocent-fair-all-6.1", "innocent-fair-all-6.12"]))
    func readSide(dump: String) throws {
        let inside = (member: "rcu_read_lock_nesting", value: UInt64(1))
        #expect(try sleepers(dump, []).isEmpty)
        #expect(try sleepers(dump, [inside]) == ["kthreadd"])
        #expect(try sleepers(dump, [("rcu_read_lock_nesting", 0xffff_ffff)]).isEmpty)
        #expect(try sleepers(dump, [inside, ("on_rq", 1)]).isEmpty)
        // TASK_RTLOCK_WAIT
        #expect(try sleepers(dump, [inside, ("__state", 0x1000)]).isEmpty)
    }
}

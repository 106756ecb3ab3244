// Who has to end waits that nobody owns, from structures put together by hand.

import Bytes
import Capabilities
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

/// Rings of `list_head`s at any addresses.
private func link(_ builder: KernelBuilder, _ nodes: [VirtualAddress]) {
    for index in nodes.indices {
        let next = nodes[(index + 1) % nodes.count]
        builder.write(word: next.rawValue, at: nodes[index])
        builder.write(word: nodes[index].rawValue, at: next.advanced(by: UInt64(8)))
    }
}

@Suite struct TaskEndTests {
    private static let kernelThread: Int64 = 0x0020_0000

    private func types() -> TypeBuilder {
        var types = TypeBuilder()
        types.structure("completion") {
            $0.member("done", "unsigned int")
            $0.member("wait", "unsigned long", at: 8)
        }
        types.structure("kthread") {
            $0.member("flags", "unsigned long")
            $0.member("parked", "struct completion")
            $0.member("exited", "struct completion")
        }
        types.structure("task_struct") {
            $0.member("flags", "unsigned int")
            $0.member("vfork_done", "struct completion *", at: 8)
            $0.member("worker_private", "void *")
        }
        return types
    }

    @Test func aThreadsOwnCompletionsStandForItsEndAndItsParking() throws {
        let builder = KernelBuilder(types())
        let thread = builder.object("struct kthread")
        let exited = thread.advanced(by: UInt64(24))
        let task = builder.object(
            "struct task_struct",
            [
                ("flags", .number(UInt64(Self.kernelThread))), ("vfork_done", .address(exited)),
                ("worker_private", .address(thread)),
            ])
        let ends = TaskEnds(builder.target(), [task])
        #expect(ends.of(exited)?.task == task)
        #expect(ends.of(exited)?.because == "has to exit")
        #expect(ends.of(thread.advanced(by: UInt64(8)))?.because == "has to park")
        #expect(ends.of(thread) == nil)
    }

    @Test func whoWasMadeByVforkIsWaitedForByHisParent() throws {
        let builder = KernelBuilder(types())
        let done = builder.object("struct completion")
        let child = builder.object("struct task_struct", [("vfork_done", .address(done))])
        let other = builder.object("struct task_struct", [("worker_private", .address(done))])
        let ends = TaskEnds(builder.target(), [child, other])
        #expect(ends.of(done)?.task == child)
        #expect(ends.of(done)?.because == "has to exit or begin another program")
        // What is no thread of the kernel parks nowhere, whatever its words say.
        #expect(ends.of(done.advanced(by: UInt64(8))) == nil)
    }
}

@Suite struct FileSystemLockTests {
    /// Two superblocks on the list; the semaphores are 16 bytes each.
    private struct World {
        let builder: KernelBuilder
        let frozen: VirtualAddress
        let other: VirtualAddress

        init(state: Int64) {
            var types = WalkFixture.types()
            types.structure("percpu_rw_semaphore") {
                $0.member("block", "unsigned int")
                $0.member("rest", "unsigned long", at: 8)
            }
            types.structure("sb_writers") {
                $0.member("frozen", "int")
                $0.member("rw_sem", "struct percpu_rw_semaphore [3]", at: 8)
            }
            types.structure("super_block") {
                $0.member("s_list", "struct list_head")
                $0.member("s_writers", "struct sb_writers")
                $0.member("s_id", "char [32]")
            }
            builder = KernelBuilder(types)
            let head = builder.object("struct list_head")
            frozen = builder.object(
                "struct super_block", [("s_writers.frozen", .number(UInt64(state))), ("s_id", "loop0")])
            other = builder.object("struct super_block", [("s_id", "sda1")])
            link(builder, [head, frozen, other])
        }

        /// The semaphore of a level: behind the list's node and the state.
        func lock(_ level: UInt64, of block: VirtualAddress) -> FileSystemLock? {
            FileSystemLock(builder.target(), block.advanced(by: 24 + 16 * level))
        }
    }

    @Test func aFrozenFileSystemHoldsEachOfItsSemaphores() throws {
        let world = World(state: 4)
        for level in 0..<UInt64(3) {
            let lock = try #require(world.lock(level, of: world.frozen))
            #expect(lock.superblock == world.frozen)
            #expect(lock.level == level)
            #expect(lock.isFrozen)
            #expect(lock.device == "loop0")
        }
    }

    @Test func whileItIsBeingFrozenOnlyTheFirstAreHeld() throws {
        let world = World(state: 1)
        #expect(try #require(world.lock(0, of: world.frozen)).isFrozen)
        #expect(try !#require(world.lock(1, of: world.frozen)).isFrozen)
    }

    @Test func anotherFileSystemIsNotFrozenAndWhatIsOnNoListIsNone() throws {
        let world = World(state: 4)
        #expect(try !#require(world.lock(0, of: world.other)).isFrozen)
        let loose = world.builder.object("struct super_block", [("s_writers.frozen", 4)])
        #expect(world.lock(0, of: loose) == nil)
    }
}

@Suite struct SRCUReaderTests {
    /// Readers that began and ended on each of two CPUs, by index.
    private func readers(begun: [[Int64]], ended: [[Int64]], current: Int64, isNamed: Bool = true) -> SRCUReaders? {
        var types = WalkFixture.types()
        types.structure("srcu_data") {
            $0.member("srcu_lock_count", "unsigned long [2]")
            $0.member("srcu_unlock_count", "unsigned long [2]")
            $0.member("ssp", "void *")
        }
        types.structure("srcu_struct") {
            $0.member("srcu_idx", "unsigned int")
            $0.member("sda", "struct srcu_data *", at: 8)
        }
        let builder = KernelBuilder(types)
        let address = builder.object("struct srcu_struct", [("srcu_idx", .number(UInt64(current)))])
        builder.perCPUVariable(
            "the_data", "struct srcu_data", [0, 1].map { _ in isNamed ? [("ssp", .address(address))] : [] })
        let area = builder.address(of: "the_data")
        builder.set(address, "struct srcu_struct", [("sda", .address(area))])
        let offsets = builder.target().perCPU.offsets
        for cpu in 0..<2 {
            guard let offset = offsets[cpu] else { continue }
            for index in 0..<2 {
                let place = area.advanced(by: offset &+ UInt64(8 * index))
                builder.write(word: UInt64(begun[cpu][index]), at: place)
                builder.write(word: UInt64(ended[cpu][index]), at: place.advanced(by: UInt64(16)))
            }
        }
        return SRCUReaders(builder.target(), cpus: [0, 1], address)
    }

    @Test func readersAreThoseThatBeganAndDidNotEndOnWhateverCPU() throws {
        // One began on CPU 0 and ended on CPU 1; one on each index is still there.
        let found = try #require(self.readers(begun: [[5, 2], [1, 0]], ended: [[4, 1], [1, 0]], current: 0))
        #expect(found.all == 2)
        #expect(found.waitedFor == 1)
    }

    @Test func readersOfTheIndexThatNewOnesUseAreNotWaitedFor() throws {
        let found = try #require(self.readers(begun: [[5, 2], [1, 0]], ended: [[4, 2], [1, 0]], current: 0))
        #expect(found.all == 1)
        #expect(found.waitedFor == 0)
    }

    @Test func whatItsOwnPartsDoNotNameIsNone() {
        #expect(readers(begun: [[1, 0], [0, 0]], ended: [[0, 0], [0, 0]], current: 1, isNamed: false) == nil)
    }
}

@Suite struct WorkerTableTests {
    /// A pool with two workers: the first runs work of `queue`, the second of another one. Behind it the builder.
    private struct World {
        let builder: KernelBuilder
        let queue: VirtualAddress
        let poolQueue: VirtualAddress
        let pool: VirtualAddress
        let tasks: [VirtualAddress]
        let running: [VirtualAddress]
        let scheduled: [VirtualAddress]
        let function: VirtualAddress
        let barrier: VirtualAddress

        static func types() -> TypeBuilder {
            var types = WalkFixture.types()
            types.structure("atomic_long_t_") { $0.member("counter", "long") }
            types.structure("work_struct") {
                $0.member("data", "struct atomic_long_t_")
                $0.member("entry", "struct list_head")
                $0.member("func", "void *")
            }
            types.structure("completion") { $0.member("done", "unsigned long") }
            types.structure("wq_barrier") {
                $0.member("work", "struct work_struct")
                $0.member("done", "struct completion")
            }
            types.structure("wq_flusher") {
                $0.member("list", "struct list_head")
                $0.member("flush_color", "int")
                $0.member("done", "struct completion", at: 24)
            }
            types.structure("workqueue_struct") {
                $0.member("list", "struct list_head")
                $0.member("pwqs", "struct list_head")
                $0.member("first_flusher", "struct wq_flusher *")
                $0.member("flusher_queue", "struct list_head")
                $0.member("flusher_overflow", "struct list_head")
            }
            types.structure("pool_workqueue") {
                $0.member("pool", "struct worker_pool *")
                $0.member("wq", "struct workqueue_struct *")
                $0.member("pwqs_node", "struct list_head")
            }
            types.structure("worker_pool") { $0.member("workers", "struct list_head") }
            types.structure("worker") {
                $0.member("node", "struct list_head")
                $0.member("current_work", "struct work_struct *")
                $0.member("current_pwq", "struct pool_workqueue *")
                $0.member("current_color", "int")
                $0.member("scheduled", "struct list_head", at: 40)
                $0.member("task", "struct task_struct *")
            }
            types.structure("task_struct") {
                $0.member("__state", "unsigned int")
                $0.member("exit_state", "int")
            }
            return types
        }

        init(color: Int64 = 1) {
            let builder = KernelBuilder(Self.types())
            self.builder = builder
            function = builder.function("some_work")
            barrier = builder.function("wq_barrier_func")
            pool = builder.object("struct worker_pool")
            builder.variable("worker_pool_idr", "struct idr", [("idr_rt.xa_head", .address(pool))])
            let queues = builder.variable("workqueues", "struct list_head")
            var made: [(queue: VirtualAddress, own: VirtualAddress)] = []
            for _ in 0..<2 {
                let queue = builder.object("struct workqueue_struct")
                // Aligned to 512 bytes, as flags stand in the address.
                builder.nextPage()
                let own = builder.object(
                    "struct pool_workqueue", [("pool", .address(pool)), ("wq", .address(queue))])
                link(builder, [queue.advanced(by: UInt64(16)), own.advanced(by: UInt64(16))])
                for offset in [40, 56] as [UInt64] { link(builder, [queue.advanced(by: offset)]) }
                made.append((queue, own))
            }
            link(builder, [queues] + made.map(\.queue))
            queue = made[0].queue
            poolQueue = made[0].own
            var tasks: [VirtualAddress] = []
            var running: [VirtualAddress] = []
            var workers: [VirtualAddress] = []
            for own in made.map(\.own) {
                tasks.append(builder.object("struct task_struct", [("__state", 2)]))
                running.append(builder.object("struct work_struct", [("func", .address(function))]))
                let worker = builder.object(
                    "struct worker",
                    [
                        ("current_work", .address(running[running.count - 1])), ("current_pwq", .address(own)),
                        ("current_color", .number(UInt64(color))), ("task", .address(tasks[tasks.count - 1])),
                    ])
                link(builder, [worker.advanced(by: UInt64(40))])
                workers.append(worker)
            }
            link(builder, [pool] + workers)
            self.tasks = tasks
            self.running = running
            scheduled = workers.map { $0.advanced(by: UInt64(40)) }
        }

        /// A work item, or a barrier, to be put into a list at its `entry`.
        func work(_ function: VirtualAddress, data: UInt64 = 0) -> VirtualAddress {
            builder.object(
                "struct wq_barrier", [("work.func", .address(function)), ("work.data.counter", .number(data))])
        }

        func entry(_ work: VirtualAddress) -> VirtualAddress { work.advanced(by: UInt64(8)) }
        func done(_ barrier: VirtualAddress) -> VirtualAddress { barrier.advanced(by: UInt64(32)) }
    }

    @Test func aBarrierBehindRunningWorkLeadsToItsWorker() throws {
        let world = World()
        let barrier = world.work(world.barrier)
        link(world.builder, [world.scheduled[0], world.entry(barrier)])
        let table = WorkerTable(world.builder.target())
        let found = try #require(table.worker(ofBarrier: world.done(barrier)))
        #expect(found.task == world.tasks[0])
        #expect(found.work == world.running[0])
        // A completion of nobody's barrier.
        let loose = world.work(world.barrier)
        #expect(table.worker(ofBarrier: world.done(loose)) == nil)
    }

    @Test func aBarrierBehindWorkThatHasNotBegunLeadsToThatWork() throws {
        let world = World()
        let head = world.builder.object("struct list_head")
        let (first, second) = (world.work(world.function), world.work(world.function))
        let barriers = [world.work(world.barrier), world.work(world.barrier)]
        link(world.builder, [head] + ([first, second] + barriers).map { world.entry($0) })
        let table = WorkerTable(world.builder.target())
        let isText = { (address: VirtualAddress) in address == world.function || address == world.barrier }
        for barrier in barriers {
            #expect(table.pending(ofBarrier: world.done(barrier), isText: isText) == second)
            #expect(table.worker(ofBarrier: world.done(barrier)) == nil)
        }
        // Where only the list's head is before it there is no work.
        let alone = world.work(world.barrier)
        link(world.builder, [head, world.entry(alone)])
        #expect(WorkerTable(world.builder.target()).pending(ofBarrier: world.done(alone), isText: isText) == nil)
    }

    @Test func workThatItsQueueHoldsBackWaitsForTheWorkerOfThatQueue() {
        let world = World()
        // WORK_STRUCT_PENDING, WORK_STRUCT_INACTIVE, WORK_STRUCT_PWQ
        let held = world.work(world.function, data: world.poolQueue.rawValue | 7)
        let holders = WorkerTable(world.builder.target()).before(held)
        #expect(holders.map(\.task) == [world.tasks[0]])
        #expect(holders.map(\.grade) == [.derived])
        #expect(holders.map(\.relation) == [.obliged])
        // Only in the pool's way: workers that sleep do not keep it busy.
        let pending = world.work(world.function, data: world.poolQueue.rawValue | 5)
        #expect(WorkerTable(world.builder.target()).before(pending).isEmpty)
        world.builder.set(world.tasks[1], "struct task_struct", [("__state", 0)])
        let busy = WorkerTable(world.builder.target()).before(pending)
        #expect(busy.map(\.task) == [world.tasks[1]])
        #expect(busy.map(\.grade) == [.possible])
    }

    @Test func aFlusherLeadsToItsQueueAndTheWorkersOfItsColour() {
        for (color, expected) in [(1, 1), (2, 0)] as [(Int64, Int)] {
            let world = World(color: color)
            let flushers = (0..<3).map { _ in world.builder.object("struct wq_flusher", [("flush_color", 1)]) }
            world.builder.set(world.queue, "struct workqueue_struct", [("first_flusher", .address(flushers[0]))])
            link(world.builder, [world.queue.advanced(by: UInt64(40)), flushers[1]])
            link(world.builder, [flushers[0]])
            let table = WorkerTable(world.builder.target())
            #expect(table.queue(ofFlusher: flushers[0]) == world.queue)
            #expect(table.queue(ofFlusher: flushers[1]) == world.queue)
            #expect(table.queue(ofFlusher: flushers[2]) == nil)
            #expect(table.flushed(world.queue).map(\.task) == Array(world.tasks.prefix(expected)))
        }
    }
}

@Suite struct FirstWaiterTests {
    private func types() -> TypeBuilder {
        var types = TypeBuilder()
        types.structure("mutex") {
            $0.member("owner", "unsigned long")
            $0.member("wait_lock", "unsigned long")
            $0.member("first_waiter", "void *")
        }
        types.structure("mutex_waiter") {
            $0.member("next", "void *")
            $0.member("prev", "void *")
            $0.member("task", "void *")
        }
        return types
    }

    @Test("Of a ring of waiters without head the lock is the word that leads to a pointer at one of them")
    func found() {
        let builder = KernelBuilder(types())
        let waiters = (0..<3).map { _ in builder.object("struct mutex_waiter") }
        link(builder, waiters)
        let other = builder.object("struct mutex_waiter")
        let idle = builder.object("struct mutex")
        let foreign = builder.object("struct mutex", [("first_waiter", .address(other))])
        let lock = builder.object("struct mutex", [("first_waiter", .address(waiters[1]))])
        let space = builder.target().space
        func place(_ words: [UInt64], stacks: [ClosedRange<VirtualAddress>] = []) -> VirtualAddress? {
            FirstWaiterRing(waiters: Set(waiters), offset: 16, stacks: stacks).place(among: words, in: space)
        }
        #expect(place([0, 7, ~0, idle.rawValue, foreign.rawValue]) == nil)
        #expect(place([idle.rawValue, foreign.rawValue, lock.rawValue]) == lock.advanced(by: UInt64(16)))
        // A word on a stack from which the nodes' own links seem to be such a pointer.
        let decoy = waiters[0].rawValue - 16
        #expect(place([decoy]) == waiters[0])
        #expect(
            place([decoy, lock.rawValue], stacks: [VirtualAddress(decoy)...waiters[2]]) == lock.advanced(by: UInt64(16))
        )
    }
}

@Suite struct VMALockTests {
    @Test("An area's references are its own, and one of each reader, whether a writer waits or not")
    func readers() {
        #expect(VMALock.readers(0) == 0)
        #expect(VMALock.readers(1) == 0)
        #expect(VMALock.readers(3) == 2)
        #expect(VMALock.readers(0x4000_0002) == 1)
    }
}

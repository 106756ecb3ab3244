// Which futexes tasks wait for, and who has them.
//
// A task that waits for a futex has a `struct futex_q` on its stack that names it, and the futex's key: the process's memory
// and the address. With priority inheritance the kernel knows the owner. Otherwise the futex is what user space makes of it;
// two ways to say who has a lock are known: the owner's thread id in the futex itself, as the kernel's own interface for
// robust and inheriting locks has it (include/uapi/linux/futex.h), and the member `__owner` of glibc's pthread_mutex_t.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Target

/// All waits for futexes, found when the source is made: equal addresses of two processes have to be told apart.
final class FutexWaits: WaitSource {
    private let waits: [VirtualAddress: Wait]

    init(_ scene: WaitScene) {
        let search = FutexSearch(scene)
        let found = scene.tasks.compactMap { search?.futex(of: $0) }
        var spaces: [UInt64: Set<VirtualAddress>] = [:]
        for futex in found { spaces[futex.address, default: []].insert(futex.space) }
        var waits: [VirtualAddress: Wait] = [:]
        for futex in found {
            // Where several processes wait for the same address, or one for what it shares, the place in memory tells.
            let isUnique = spaces[futex.address]?.count == 1
            let lock = isUnique ? VirtualAddress(futex.address) : futex.place ?? VirtualAddress(futex.address)
            waits[futex.task.address] = Wait(
                task: futex.task, lockClass: .futex, lock: lock, mode: .wait,
                proof: .waiter(futex.queued, type: "futex_q", member: "task"),
                since: scene.clock.sinceLastRun(futex.task), holder: futex.holder,
                name: isUnique ? futex.process : "0x\(hex(futex.address)) \(futex.process)")
        }
        self.waits = waits
    }

    func wait(of task: Task) throws -> Wait? { waits[task.address] }
}

/// One task's futex.
private struct Futex {
    let task: Task
    /// The `struct futex_q`.
    let queued: VirtualAddress
    /// In user memory.
    let address: UInt64
    /// The `struct mm_struct`.
    let space: VirtualAddress
    /// Where the word is in the kernel's direct map; nil when its page cannot be found.
    let place: VirtualAddress?
    let holder: Holder?
    let process: String
}

private final class FutexSearch {
    private let scene: WaitScene
    private let taskOffset: UInt64
    private let registersSize: UInt64
    private let registersType: TypeID
    private let directMap: UInt64?
    private var spaces: [VirtualAddress: AddressSpace?] = [:]
    private var processes: [Int: Process] = [:]

    private struct Process {
        let name: String
        /// The threads by what `gettid` returns to them.
        let threads: [UInt64: Task]
    }

    /// `futex`, `futex_waitv`, `futex_wait`, `futex_requeue` of 64-bit programs; `futex`, `futex_time64`, `futex_waitv`
    /// and those of 32-bit ones (arch/x86/entry/syscalls).
    private static let calls: Set<UInt64> = [202, 449, 455, 456]
    private static let calls32: Set<UInt64> = [240, 422, 449, 455, 456]
    /// `FUTEX_TID_MASK`.
    private static let threadMask: UInt64 = 0x3fff_ffff
    private static let waiters: UInt64 = 0x8000_0000

    init?(_ scene: WaitScene) {
        let types = scene.kernel.model.types
        guard let queue = (try? types.lookup(.structure, "futex_q")).flatMap({ $0 }),
            let task = (try? types.offset(ofPath: "task", in: queue)).flatMap({ $0 }),
            let registers = (try? types.lookup(.structure, "pt_regs")).flatMap({ $0 }),
            let size = (try? types.size(registers)).flatMap({ $0 })
        else { return nil }
        self.scene = scene
        taskOffset = task
        registersType = registers
        registersSize = size
        directMap = try? Globals.word(scene.kernel.model, "page_offset_base")
    }

    func futex(of task: Task) -> Futex? {
        guard scene.running[task.address] == nil, let base = scene.stackBases[task.address], !base.isNull,
            let call = userCall(base), (try? task.state.letter) == "S", let memory = (try? task.memory).flatMap({ $0 }),
            let space = try? memory.pointer(),
            let found = queued(task, base).map({ FutexVector(queued: $0.0, value: $0.1) })
                ?? FutexVector(scene, task, isQueued: queued(at:))
        else { return nil }
        let (queued, value) = (found.queued, found.value)
        guard let key = try? value["key"], let offset = try? key.path("private", "offset").unsigned() else {
            return nil
        }
        // FUT_OFF_INODE: a file's page, whose key does not tell the address; the system call's first argument does.
        // FUT_OFF_MMSHARED is 2: that of memory by a number, the address is the process's all the same.
        let isFile = offset & 1 != 0
        var address = found.address ?? call.argument
        if !isFile {
            guard let start = try? key.path("private", "address").unsigned() else { return nil }
            if offset & 2 == 0, (try? key.path("private", "mm").pointer()) != space { return nil }
            address = start &+ (offset & ~3)
        }
        // Above the stack pointer, and near it: nobody else knows that word but by a pointer.
        let isOwnStack = address > call.stack && address - call.stack < 4096
        let user = self.space(space, memory)
        let place = user.flatMap { try? $0.translate(VirtualAddress(address)) }.flatMap { physical in
            directMap.map { VirtualAddress($0 &+ physical.rawValue) }
        }
        let group = (try? task.tgid) ?? 0
        // Any of several ends the wait: nobody has to.
        let holder =
            found.count > 1
            ? nil : inherited(value) ?? user.flatMap { owner(address, task, group, isShared: isFile, $0) }
        return Futex(
            task: task, queued: queued, address: address, space: space, place: place, holder: holder,
            process: "of process \(group) (\(process(group).name))" + (isOwnStack ? ", on the stack of its thread" : "")
                + (found.count > 1 ? ", the first of \(found.count) of which any will do" : ""))
    }

    /// The first argument of the system call that a task is in, when that is one that waits for futexes.
    private func userCall(_ base: VirtualAddress) -> (argument: UInt64, stack: UInt64)? {
        // The CPU's own frame stands above the registers with FRED (65c9cc9e2c14): 16 bytes.
        for above in [UInt64(0), 16] {
            let place = base.advanced(by: scene.stackSize &- registersSize &- above)
            let registers = Value(target: scene.kernel.model, type: registersType, place: .memory(place))
            // __USER_CS, __USER32_CS.
            guard let selector = try? registers["cs"].unsigned() & 0xffff, selector == 0x33 || selector == 0x23,
                let number = try? registers["orig_ax"].unsigned()
            else { continue }
            let calls = selector == 0x33 ? Self.calls : Self.calls32
            guard calls.contains(number) else { return nil }
            guard let argument = try? registers[selector == 0x33 ? "di" : "bx"].unsigned(),
                let stack = try? registers["sp"].unsigned()
            else { return nil }
            return (argument, stack)
        }
        return nil
    }

    /// The `struct futex_q` on the live part of a task's stack: it names the task, and is linked into a bucket.
    private func queued(_ task: Task, _ base: VirtualAddress) -> (VirtualAddress, Value)? {
        let kernel = scene.kernel
        let space = kernel.model.space
        guard
            let start = try? kernel.architecture.switchedOut(task).registers[
                kernel.model.machine.layout.stackPointer],
            VirtualAddress(start).distance(from: base) < scene.stackSize
        else { return nil }
        let count = Int(clamping: base.advanced(by: scene.stackSize).distance(from: VirtualAddress(start)))
        guard let bytes = try? space.read(VirtualAddress(start), count: count & ~7) else { return nil }
        for index in StackWaiters.places(of: task.address.rawValue, in: bytes) {
            let place = VirtualAddress(start).advanced(by: UInt64(index) &* 8).advanced(by: 0 &- taskOffset)
            if let value = queued(at: place) { return (place, value) }
        }
        return nil
    }

    /// The `struct futex_q` at `place`; nil when it is linked into no bucket.
    private func queued(at place: VirtualAddress) -> Value? {
        let model = scene.kernel.model
        guard let value = try? model.object(.structure, "futex_q", at: place),
            (try? value["lock_ptr"].pointer().isNull) == false,
            let node = try? value.path("list", "node_list", "next"), let own = try? node.address,
            let next = try? node.pointer(), next != own,
            (try? model.space.word(next.advanced(by: UInt64(8)))) == own.rawValue
        else { return nil }
        return value
    }

    /// Read once: a process can have very many threads, all of which wait.
    private func process(_ group: Int) -> Process {
        if let known = processes[group] { return known }
        var threads: [UInt64: Task] = [:]
        var name: String?
        for thread in scene.threads(of: group) {
            if let id = Self.ownID(thread) { threads[id] = thread }
            if (try? thread.pid) == group { name = try? thread.comm }
        }
        let made = Process(name: name ?? "?", threads: threads)
        processes[group] = made
        return made
    }

    // MARK: Owners

    /// Of a futex with priority inheritance the kernel has an rt_mutex.
    private func inherited(_ queued: Value) -> Holder? {
        guard let state = (try? queued["pi_state"].target()).flatMap({ $0 }) else { return nil }
        // `owner` of the rt_mutex, bit 0 of which says that there are waiters.
        let inner = (try? state["pi_mutex"]).flatMap { $0.has("rtmutex") ? try? $0["rtmutex"] : $0 }
        guard let word = try? inner?["owner"].unsigned(), word & ~1 != 0 else { return nil }
        let task = VirtualAddress(word & ~1)
        guard scene.stackBases[task] != nil else { return nil }
        return Holder(task: task, grade: .exact, because: "owner of the futex's rt_mutex")
    }

    private func space(_ address: VirtualAddress, _ memory: Value) -> AddressSpace? {
        if let known = spaces[address] { return known }
        let kernel = scene.kernel
        var made: AddressSpace?
        if let table = try? memory["pgd"].pointer(), let top = try? kernel.model.space.translate(table) {
            made = AddressSpace(
                memory: kernel.model.space.memory,
                translation: kernel.architecture.pageTable(
                    root: top, like: kernel.ground, memory: kernel.model.space.memory))
        }
        spaces[address] = .some(made)
        return made
    }

    /// What user memory says. Threads of the waiter's own process alone: ids of others may be of another namespace.
    private func owner(
        _ address: UInt64, _ task: Task, _ group: Int, isShared: Bool, _ user: AddressSpace
    ) -> Holder? {
        func word(_ offset: UInt64) -> UInt64? {
            try? user.unsigned(VirtualAddress(address &+ offset), size: 4)
        }
        guard !isShared, let value = word(0) else { return nil }
        func thread(_ id: UInt64) -> Task? {
            guard id != 0 else { return nil }
            return process(group).threads[id]
        }
        // FUTEX_WAITERS | thread id.
        if value & Self.waiters != 0, let owner = thread(value & Self.threadMask) {
            return Holder(task: owner.address, grade: .derived, because: "thread id in the futex")
        }
        // glibc's struct __pthread_mutex_s: __lock (2: waited for), __count, __owner, __nusers, __kind, of which bits 0 to
        // 8 are in use. Whatever else looks so has a number of a living thread of this process there by chance.
        guard value == 2, let id = word(8), let owner = thread(id), let users = word(12), users > 0, users < 1 << 22,
            let kind = word(16), kind < 0x200
        else { return nil }
        return Holder(task: owner.address, grade: .derived, because: "__owner of a pthread_mutex_t")
    }

    /// What `gettid` returns to the thread: its number in its own namespace of pids.
    private static func ownID(_ task: Task) -> UInt64? {
        guard let pid = (try? task.value["thread_pid"].target()).flatMap({ $0 }),
            let level = try? pid["level"].unsigned(), level < 32,
            let own = try? pid["numbers"].element(Int64(level))["nr"].unsigned()
        else { return (try? task.pid).map { UInt64(clamping: $0) } }
        return own
    }
}

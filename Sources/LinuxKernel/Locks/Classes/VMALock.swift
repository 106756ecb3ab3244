// The lock of one memory area, as a count of its readers (include/linux/mmap_lock.h, mm/mmap_lock.c, 6.15 and later; before
// that it was an rw_semaphore, and none before 6.4). Page faults read; whoever changes the area writes, with the process's
// mmap_lock held for writing: there is one writer at most, and `mm_struct.vma_writer_wait` names it while it waits.

internal import Bytes
internal import DebugModel
internal import Machine
internal import Memory
internal import Recovery
internal import Target
internal import Unwind

extension LockClass {
    package static let vma = LockClass(
        "vma lock", type: "vm_area_struct", .lock,
        machinery: ["__vma_start_", "__vma_exclude_readers", "__vma_enter_locked", "vma_mark_detached", "rcuwait"],
        read: { fields in
            guard let count = fields.word("vm_refcnt", "refs", "counter") else { return LockState() }
            let readers = VMALock.readers(count)
            return LockState(
                owner: readers > 0 ? .readers(readers) : .unknown, word: ("vm_refcnt.refs.counter", count),
                text: readers > 0 ? "read by \(readers)" : "read by nobody")
        })
}

enum VMALock {
    /// Of `vm_refcnt`: 1 while the area belongs to its process, 1 for each reader, bit 30 while a writer keeps new ones out.
    static func readers(_ count: UInt64) -> UInt64 {
        let references = count & 0x3fff_ffff
        return references > 0 ? references - 1 : 0
    }
}

/// Finds writers that wait for an area's readers.
struct VMAWriterWaits: WaitSource {
    private let scene: WaitScene
    private let writer: UInt64?
    /// `FAULT_FLAG_VMA_LOCK`: the fault has the area's lock and not the process's.
    private let faultFlag: UInt64?

    private static let waiting: Set<String> = ["__vma_start_write", "__vma_exclude_readers_for_detach"]

    init(_ scene: WaitScene) {
        self.scene = scene
        let model = scene.kernel.model
        writer = model.offset(of: "vma_writer_wait.task", in: "mm_struct")
        faultFlag = Globals.enumerators(model, "fault_flag").first { $0.name == "FAULT_FLAG_VMA_LOCK" }
            .flatMap { UInt64(exactly: $0.value) }
    }

    func wait(of task: Task) throws -> Wait? {
        guard let writer, (try? task.state.isUninterruptible) == true, scene.running[task.address] == nil,
            let memory = try? task.value["mm"].pointer(), !memory.isNull,
            (try? scene.kernel.model.space.word(memory.advanced(by: writer))) == task.address.rawValue,
            let area = scene.argument(0, of: Self.waiting, task),
            (try? scene.kernel.model.object(.structure, "vm_area_struct", at: area)["vm_mm"].pointer()) == memory
        else { return nil }
        let member = "((struct mm_struct*)0x\(hex(memory.rawValue)))->vma_writer_wait.task"
        return Wait(
            task: task, lockClass: .vma, lock: area, mode: .write,
            proof: .shown(command: "print -x (unsigned long)\(member)", text: hex(task.address.rawValue)),
            since: scene.clock.sinceLastRun(task), holder: reader(of: area, beside: task), name: name(area))
    }

    /// The thread of the process whose page fault reads the area, when there is one alone and the count has no other.
    private func reader(of area: VirtualAddress, beside task: Task) -> Holder? {
        guard let faultFlag, let group = try? task.tgid,
            let count = try? scene.kernel.model.object(.structure, "vm_area_struct", at: area)
                .path("vm_refcnt", "refs", "counter").unsigned()
        else { return nil }
        let found = scene.threads(of: group).filter { thread in
            thread.address != task.address && scene.argument(0, of: ["handle_mm_fault"], thread) == area
                && scene.argument(2, of: ["handle_mm_fault"], thread).map { $0.rawValue & faultFlag != 0 } ?? true
        }
        guard let only = found.first, found.count == 1 else { return nil }
        let isAll = VMALock.readers(count) == 1
        return Holder(
            task: only.address, isShared: true, grade: isAll ? .checked : .derived,
            because: isAll ? "its page fault is in the area; it is the only reader" : "its page fault is in the area")
    }

    private func name(_ area: VirtualAddress) -> String? {
        guard let value = try? scene.kernel.model.object(.structure, "vm_area_struct", at: area),
            let start = try? value["vm_start"].unsigned(), let end = try? value["vm_end"].unsigned()
        else { return nil }
        return "of 0x\(hex(start))-0x\(hex(end))"
    }
}

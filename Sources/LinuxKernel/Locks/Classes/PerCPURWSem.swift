// struct percpu_rw_semaphore (include/linux/percpu-rwsem.h, kernel/locking/percpu-rwsem.c since 5.7).
//
// Each CPU counts the readers that came and went on it: the sum is how many there are. Readers count without a call as long
// as no writer is there.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Recovery
internal import Target

extension LockClass {
    package static let percpuRWSem = LockClass(
        "percpu_rwsem", type: "percpu_rw_semaphore", .lock,
        calls: LockCalls(
            takes: ["percpu_down_write"], takesShared: ["__percpu_down_read"],
            // In 7.x the rarer way in which a reader gives it back is a call.
            releases: ["percpu_up_write", "__percpu_up_read"],
            signals: ["percpu_up_write", LockSignal("rcuwait_wake_up", member: "writer")],
            inline: [
                LockInline(effect: .addsPerCPU(1), action: .takes, isShared: true, member: "read_count"),
                LockInline(effect: .addsPerCPU(-1), action: .releases, isShared: true, member: "read_count"),
            ]),
        machinery: ["percpu_down_", "__percpu_down_", "percpu_rwsem_wait"],
        read: { fields in
            guard let block = fields.word("block", "counter") else { return LockState() }
            var state = LockState(owner: .unknown, word: ("block.counter", block), text: "")
            if let frozen = FileSystemLock(fields.model, fields.address), frozen.isFrozen {
                state.owner = .free
                state.text = "held by no task: \(frozen.text)"
                return state
            }
            let readers = readers(fields)
            switch readers {
            case .some(1...):
                state.owner = .readers(readers?.magnitude ?? 0)
                state.text = "read by \(readers ?? 0)" + (block & 0xffff_ffff != 0 ? ", wanted for writing" : "")
            case .some:
                state.owner = block & 0xffff_ffff != 0 ? .somebody : .free
                state.text = block & 0xffff_ffff != 0 ? "held for writing" : "free"
            case nil: state.text = "its readers' counters cannot be read"
            }
            return state
        },
        recognise: { site in
            guard site.wakeFunction == "percpu_rwsem_wake_function",
                let lock = site.container("percpu_rw_semaphore", "waiters.head")
            else { return nil }
            // WQ_FLAG_CUSTOM marks a reader: 4, and 8 while 4 was WQ_FLAG_BOOKMARK.
            let flags = site.fields("wait_queue_entry", site.waiter).word("flags")
            return WaitedFor(lock, (flags ?? 0) & 0xc != 0 ? .read : .write)
        })

    /// The sum of the CPUs' counters, each of which may be negative.
    private static func readers(_ fields: LockFields) -> Int64? {
        let model = fields.model
        guard let kernel = fields.kernel,
            let counter = try? model.object(.structure, "percpu_rw_semaphore", at: fields.address)["read_count"]
                .pointee()
        else { return nil }
        var sum: Int32 = 0
        for cpu in kernel.cpus.possible {
            guard let value = try? model.perCPUCopy(of: counter, cpu: cpu).unsigned() else { return nil }
            sum &+= Int32(truncatingIfNeeded: value)
        }
        return Int64(sum)
    }
}

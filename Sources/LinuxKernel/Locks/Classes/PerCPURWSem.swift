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
            releases: ["percpu_up_write"],
            signals: ["percpu_up_write", LockSignal("rcuwait_wake_up", member: "writer")],
            inline: [
                LockInline(effect: .addsPerCPU(1), action: .takes, isShared: true, member: "read_count"),
                LockInline(effect: .addsPerCPU(-1), action: .releases, isShared: true, member: "read_count"),
            ]),
        machinery: ["percpu_down_", "__percpu_down_", "percpu_rwsem_wait"],
        read: { fields in
            guard let block = fields.word("block", "counter") else { return LockState() }
            var state = LockState(owner: .unknown, word: ("block.counter", block), text: "")
            if let frozen = FrozenFileSystem(fields.kernel, lock: fields.address) {
                state.owner = .free
                state.text = "held by nobody: \(frozen.text)"
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
            // WQ_FLAG_CUSTOM marks a reader.
            let flags = site.fields("wait_queue_entry", site.waiter).word("flags")
            return WaitedFor(lock, (flags ?? 0) & 4 != 0 ? .read : .write)
        })

    /// The sum of the CPUs' counters, each of which may be negative.
    private static func readers(_ fields: LockFields) -> Int64? {
        let model = fields.kernel.model
        guard
            let counter = try? model.object(.structure, "percpu_rw_semaphore", at: fields.address)["read_count"]
                .pointee()
        else { return nil }
        var sum: Int32 = 0
        for cpu in fields.kernel.cpus.possible {
            guard let value = try? model.perCPUCopy(of: counter, cpu: cpu).unsigned() else { return nil }
            sum &+= Int32(truncatingIfNeeded: value)
        }
        return Int64(sum)
    }
}

/// A file system that was frozen (fs/super.c): its semaphores are held for writing, by no task.
struct FrozenFileSystem {
    let superblock: VirtualAddress
    /// The semaphore that is held: 0 keeps writers out, 1 page faults, 2 the file system's own.
    let level: UInt64
    /// `loop0`.
    let device: String
    /// `s_writers.frozen`, an `enum`: SB_UNFROZEN is 0, SB_FREEZE_COMPLETE 4.
    let state: UInt64

    /// Nil when the semaphore is no file system's, or the file system is not frozen that far.
    init?(_ kernel: LinuxKernel, lock: VirtualAddress) {
        let model = kernel.model
        guard let offset = model.offset(of: "s_writers.rw_sem", in: "super_block"),
            let type = (try? model.types.lookup(.structure, "percpu_rw_semaphore")).flatMap({ $0 }),
            let size = try? model.types.size(type), size > 0
        else { return nil }
        for level in 0..<UInt64(3) {
            let place = lock.advanced(by: 0 &- (offset &+ level &* size))
            guard let value = try? model.object(.structure, "super_block", at: place), Self.isLinked(value, model),
                let state = try? value.path("s_writers", "frozen").unsigned()
            else { continue }
            // freeze_super() takes the semaphores in their order, and says so before it does.
            guard state > level, state <= 4 else { return nil }
            superblock = place
            self.level = level
            self.state = state
            device = (try? value["s_id"].text()) ?? "?"
            return
        }
        return nil
    }

    /// The superblock's neighbours in the list of all point back at it.
    private static func isLinked(_ value: Value, _ model: Target) -> Bool {
        guard let link = try? value["s_list"], let place = try? link.address, let next = try? link["next"].pointer(),
            let back = try? link["prev"].pointer()
        else { return false }
        return next != place && (try? model.space.word(next.advanced(by: UInt64(8)))) == place.rawValue
            && (try? model.space.word(back)) == place.rawValue
    }

    var text: String {
        let how = state == 4 ? "is frozen" : "is being frozen"
        return "the file system on \(device) \(how) (freeze_super)"
    }
}

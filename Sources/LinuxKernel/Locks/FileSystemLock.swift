// The semaphores by which a file system is frozen (struct sb_writers, include/linux/fs.h; fs/super.c).

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// A semaphore of a superblock. When a file system is frozen, its semaphores are held for writing by no task: whoever
/// thaws it gives them back.
struct FileSystemLock {
    let superblock: VirtualAddress
    /// 0 keeps out who writes, 1 who faults pages in to write, 2 the file system's own work.
    let level: UInt64
    /// `loop0`.
    let device: String
    /// `s_writers.frozen`: SB_UNFROZEN is 0, SB_FREEZE_COMPLETE 4.
    let state: UInt64

    /// Nil when the semaphore is no superblock's: one is told by its neighbours in the list of all.
    init?(_ model: Target, _ lock: VirtualAddress) {
        guard let offset = model.offset(of: "s_writers.rw_sem", in: "super_block"),
            let type = (try? model.types.lookup(.structure, "percpu_rw_semaphore")).flatMap({ $0 }),
            let size = try? model.types.size(type), size > 0
        else { return nil }
        for level in 0..<UInt64(3) {
            let place = lock.advanced(by: 0 &- (offset &+ level &* size))
            guard let value = try? model.object(.structure, "super_block", at: place), Self.isLinked(value, model),
                let state = try? value.path("s_writers", "frozen").unsigned()
            else { continue }
            superblock = place
            self.level = level
            self.state = state
            device = (try? value["s_id"].text()) ?? "?"
            return
        }
        return nil
    }

    private static func isLinked(_ value: Value, _ model: Target) -> Bool {
        guard let link = try? value["s_list"], let place = try? link.address, let next = try? link["next"].pointer(),
            let back = try? link["prev"].pointer()
        else { return false }
        return next != place && (try? model.space.word(next.advanced(by: UInt64(8)))) == place.rawValue
            && (try? model.space.word(back)) == place.rawValue
    }

    /// freeze_super() takes the semaphores in their order, and says how far it is before it takes one.
    var isFrozen: Bool { state > level && state <= 4 }

    var text: String {
        "the file system on \(device) is \(state == 4 ? "frozen" : "being frozen") (freeze_super)"
    }
}

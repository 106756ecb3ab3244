// struct file_lock (include/linux/filelock.h): locks of files by processes: flock(2), fcntl(2), leases.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Target

extension LockClass {
    /// The lock is the one that stands in the way. Of several readers it is one: when it goes the next one is looked at.
    package static let fileLock = LockClass(
        "file lock", type: "file_lock", .user,
        machinery: ["locks_lock_inode_wait", "flock_lock_inode_wait", "posix_lock_inode_wait", "locks_lock_file_wait"],
        read: { fields in
            let members = FileLockMembers(fields.model)
            guard let type = fields.value(members.path("type")) else { return LockState() }
            // F_WRLCK is 1 (include/uapi/asm-generic/fcntl.h).
            let name = members.path("type").joined(separator: ".")
            return LockState(
                owner: .somebody, word: (name, type), text: type == 1 ? "held for writing" : "held for reading")
        },
        recognise: { $0.fileLock })
}

/// The members' names: `fl_pid`, or since 6.9 `c.flc_pid` of the `file_lock_core` within (a69ce85ec9af).
private struct FileLockMembers {
    let model: Target
    private let isCore: Bool

    init(_ model: Target) {
        self.model = model
        isCore = (try? model.types.lookup(.structure, "file_lock_core")).flatMap { $0 } != nil
    }

    func path(_ name: String) -> [String] { isCore ? ["c", "flc_" + name] : ["fl_" + name] }

    func member(_ lock: VirtualAddress, _ name: String) -> Value? {
        guard let value = try? model.object(.structure, "file_lock", at: lock) else { return nil }
        return try? path(name).reduce(value) { try $0.member($1) }
    }

    func pointer(_ lock: VirtualAddress, _ name: String) -> VirtualAddress? { try? member(lock, name)?.pointer() }
}

extension WaiterSite {
    /// Who waits for a file lock sleeps on the wait queue of his own `file_lock`, which is on the list of those that the
    /// lock in its way has blocked (fs/locks.c: `__locks_insert_block`).
    fileprivate var fileLock: WaitedFor? {
        guard shape.type == "wait_queue_entry" else { return nil }
        let model = scene.kernel.model
        let members = FileLockMembers(model)
        let queue = (members.path("wait") + ["head"]).joined(separator: ".")
        guard let own = container("file_lock", queue), let blocker = members.pointer(own, "blocker"), !blocker.isNull,
            let node = try? members.member(own, "blocked_member")?.address,
            let head = try? members.member(blocker, "blocked_requests")?.address, isOnList(node, head)
        else { return nil }
        let mode: WaitMode = (try? members.member(own, "type")?.unsigned()) == 1 ? .write : .read
        return WaitedFor(
            blocker, mode, holder: holder(of: blocker, members), name: Self.name(blocker, members))
    }

    /// Whether a node is on the list with that head: going back from it leads there. Of a list that is longer than anybody
    /// looks at, the function that waits must be one of file locks as well.
    private func isOnList(_ node: VirtualAddress, _ head: VirtualAddress) -> Bool {
        let space = scene.kernel.model.space
        var here = node
        for _ in 0..<1024 {
            guard let back = try? space.word(here.advanced(by: UInt64(8))),
                (try? space.word(VirtualAddress(back))) == here.rawValue
            else { return false }
            here = VirtualAddress(back)
            if here == head { return true }
            if here == node { return false }
        }
        return function.map { name in ["lock", "setlk", "lease"].contains { name.contains($0) } } ?? false
    }

    /// The process that took it: its only thread, else its leader, for any of them may give it back. Locks of open files
    /// (flock, F_OFD_SETLK) belong to whoever has the file: they may have been left to children, and a process can wait for
    /// one that it has itself by another opening.
    private func holder(of lock: VirtualAddress, _ members: FileLockMembers) -> Holder? {
        guard let pid = try? members.member(lock, "pid")?.signed() else { return nil }
        // FL_FLOCK is 2, FL_OFDLCK 1024 (include/linux/filelock.h).
        let flags = (try? members.member(lock, "flags")?.unsigned()) ?? 0
        let file = members.pointer(lock, "file")
        let isOfFile = flags & (2 | 1024) != 0
        if let (leader, isAlone) = scene.livingThread(of: Int(clamping: pid)) {
            let isOwn = (try? task.tgid) == Int(clamping: pid)
            let isSole = isAlone && !(isOfFile && file.map { isShared($0, members.model) } ?? true)
            return Holder(
                task: leader.address, grade: isOwn && isOfFile ? .possible : isSole ? .exact : .derived,
                because: isOwn && isOfFile
                    ? "its own process, by another opening of the file"
                    : isSole ? "process of the lock" : "process of the lock, not alone")
        }
        guard let file, let heir = scene.process(withFile: file) else { return nil }
        return Holder(task: heir.address, grade: .possible, because: "has the open file; who locked it has exited")
    }

    /// Whether an open file has more than one reference: `f_count`, since 6.13 `f_ref`, which counts from 0.
    private func isShared(_ file: VirtualAddress, _ model: Target) -> Bool {
        guard let value = try? model.object(.structure, "file", at: file) else { return true }
        if value.has("f_ref") { return (try? value.path("f_ref", "refcnt", "counter").unsigned()) != 0 }
        return (try? value.path("f_count", "counter").unsigned()) != 1
    }

    /// `flock of /data/db`, `POSIX lock of bytes 0 to 99 of /data/db`.
    private static func name(_ lock: VirtualAddress, _ members: FileLockMembers) -> String? {
        guard let file = try? members.member(lock, "file")?.target(), let path = try? FilePath.text(file["f_path"])
        else {
            return nil
        }
        // FL_POSIX, FL_FLOCK, FL_LEASE (include/linux/filelock.h).
        let flags = (try? members.member(lock, "flags")?.unsigned()) ?? 0
        if flags & 2 != 0 { return "flock of \(path)" }
        if flags & 32 != 0 { return "lease of \(path)" }
        guard flags & 1 != 0, let value = try? members.model.object(.structure, "file_lock", at: lock),
            let start = try? value["fl_start"].signed(), let end = try? value["fl_end"].signed()
        else { return "lock of \(path)" }
        return "POSIX lock of bytes \(start) to \(end == .max ? "the end" : "\(end)") of \(path)"
    }
}

// struct ww_mutex (include/linux/ww_mutex.h): a mutex, and the transaction that has it, for locks that are taken in any order.

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    /// Taken and released by functions that `mutex` knows: those of a ww_mutex without a transaction are a mutex's.
    package static let wwMutex = LockClass(
        "ww_mutex", type: "ww_mutex", .lock,
        read: { fields in
            fields.word("base", "owner", "counter").map { fields.mutex($0, "base.owner.counter") }
                ?? fields.rtMutex("base", "rtmutex") ?? LockState()
        },
        recognise: { site in
            guard
                let lock = site.sleepingLock(
                    "mutex", waiter: "mutex_waiter", isNamed: { $0.contains("mutex") }),
                let owner = site.fields("mutex", lock).word("owner", "counter"), owner & 1 != 0,
                // Without a transaction only the function tells.
                site.listFunction?.contains("ww_mutex") == true || site.hasTransaction(lock, owner: owner & ~7)
            else { return nil }
            return WaitedFor(lock, .write)
        })
}

extension WaiterSite {
    /// A `struct ww_acquire_ctx` names its task: that of the waiter, or that of the owner.
    fileprivate func hasTransaction(_ lock: VirtualAddress, owner: UInt64) -> Bool {
        func names(_ context: UInt64?, _ task: UInt64) -> Bool {
            guard let context, context != 0, task != 0 else { return false }
            return fields("ww_acquire_ctx", VirtualAddress(context)).word("task") == task
        }
        return names(fields("mutex_waiter", waiter).word("ww_ctx"), task.address.rawValue)
            || names(fields("ww_mutex", lock).word("ctx"), owner)
    }
}

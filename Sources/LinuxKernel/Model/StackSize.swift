// How large a kernel stack is.

internal import DebugModel
package import Target

extension Target {
    /// Bytes of a task's stack: the size of `union thread_union`; THREAD_SIZE of x86_64 where that type is not known.
    package var stackSize: UInt64 {
        let union = (try? types.lookup(.union, "thread_union")).flatMap { $0 }
        guard let union, let size = (try? types.size(union)).flatMap({ $0 }), size >= 4096 else { return 16384 }
        return size
    }
}

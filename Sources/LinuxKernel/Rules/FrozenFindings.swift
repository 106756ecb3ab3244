// Tasks that wait for a file system to be thawed: nobody who could be blamed holds it.

internal import Analysis
internal import Bytes
internal import DebugModel
internal import Target

struct FrozenFindings {
    let model: LockModel
    /// Nanoseconds after which the kernel itself calls a task hung.
    let limit: UInt64

    private static let named = 12

    /// One for each file system that is frozen and waited for.
    func all() -> [Finding] {
        var locks: [VirtualAddress: FileSystemLock] = [:]
        var waits: [VirtualAddress: [Wait]] = [:]
        var order: [VirtualAddress] = []
        for wait in model.waits where wait.lockClass == .percpuRWSem {
            guard let lock = locks[wait.lock] ?? FileSystemLock(model.kernel.model, wait.lock), lock.isFrozen else {
                continue
            }
            locks[wait.lock] = lock
            if waits[lock.superblock] == nil { order.append(lock.superblock) }
            waits[lock.superblock, default: []].append(wait)
        }
        return order.compactMap { place in
            guard let waiting = waits[place], let first = waiting.first, let lock = locks[first.lock] else {
                return nil
            }
            return finding(lock, waiting)
        }
    }

    private func finding(_ lock: FileSystemLock, _ waits: [Wait]) -> Finding {
        let longest = waits.compactMap(\.since).max() ?? 0
        let isHung = waits.contains {
            ($0.since ?? 0) >= limit && (try? $0.task.state.isUninterruptible) == true
        }
        let count = waits.count
        var parties = waits.prefix(Self.named).map { wait in
            "\(model.title(wait.task.address)) waits for \(model.name(wait.lockClass, wait.lock))"
                + (model.place(of: wait).map { " in \($0)" } ?? "")
        }
        if count > Self.named { parties.append("and \(count - Self.named) more") }
        let place = "((struct super_block*)0x\(hex(lock.superblock.rawValue)))"
        return Finding(
            rule: "frozen-file-system", confidence: .certain, isFault: isHung,
            summary:
                "\(lock.text): \(count) task\(count == 1 ? " waits" : "s wait") for it to be thawed, the longest for "
                + span(longest),
            parties: parties,
            evidence: [
                Evidence(
                    claim: lock.text, expected: .number(lock.state),
                    reproduce: "print (int)\(place)->s_writers.frozen",
                    reads: [lock.superblock..<lock.superblock.advanced(by: UInt64(8))])
            ] + LockEvidence(model: model).waiting(waits))
    }
}

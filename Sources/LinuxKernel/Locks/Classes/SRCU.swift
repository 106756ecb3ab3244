// struct srcu_struct (include/linux/srcutree.h, kernel/rcu/srcutree.c): who waits for its readers, and how many there are.

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    package static let srcu = LockClass(
        "srcu", type: "srcu_struct", .lock,
        calls: LockCalls(
            takesShared: ["__srcu_read_lock", "__srcu_read_lock_nmisafe"],
            releases: ["__srcu_read_unlock", "__srcu_read_unlock_nmisafe"]),
        machinery: ["__synchronize_srcu", "synchronize_srcu"],
        read: { fields in
            guard let kernel = fields.kernel,
                let readers = SRCUReaders(fields.model, cpus: kernel.cpus.possible, fields.address)
            else { return LockState() }
            return LockState(
                owner: readers.waitedFor > 0 ? .readers(readers.waitedFor) : .free,
                text: readers.all > 0 ? "read by \(readers.all)" : "no readers")
        },
        recognise: { site in
            guard site.completion != nil, site.callers.prefix(3).contains(where: { $0.contains("synchronize_srcu") }),
                let lock = site.argument(0, of: ["__synchronize_srcu", "synchronize_srcu"]),
                SRCUReaders(site.scene.kernel.model, cpus: site.scene.kernel.cpus.possible, lock) != nil
            else { return nil }
            return WaitedFor(lock, .write)
        })
}

/// The readers of an srcu_struct: each CPU counts those that began and those that ended on it.
struct SRCUReaders {
    let all: UInt64
    /// Those that a grace period waits for: of the index that new readers do not use.
    let waitedFor: UInt64

    /// Nil when the address is no srcu_struct's: each CPU's part names it.
    init?(_ model: Target, cpus: [Int], _ address: VirtualAddress) {
        guard let value = try? model.object(.structure, "srcu_struct", at: address),
            let area = try? value["sda"].pointee()
        else { return nil }
        var counts: [Int64] = [0, 0]
        for cpu in cpus {
            guard let own = try? model.perCPUCopy(of: area, cpu: cpu), (try? own["ssp"].pointer()) == address else {
                return nil
            }
            for index in 0..<2 {
                guard let begun = Self.count(own, "lock", index), let ended = Self.count(own, "unlock", index) else {
                    return nil
                }
                counts[index] &+= Int64(bitPattern: begun &- ended)
            }
        }
        guard counts.allSatisfy({ $0 >= 0 }) else { return nil }
        all = counts[0].magnitude &+ counts[1].magnitude
        let current = (try? value["srcu_idx"].unsigned()).map { Int($0 & 1) }
        waitedFor = current.map { counts[1 - $0].magnitude } ?? all
    }

    /// `srcu_lock_count[2]`, numbers or since 6.3 atomic ones; since 6.14 `srcu_ctrs[2].srcu_locks`.
    private static func count(_ area: Value, _ name: String, _ index: Int) -> UInt64? {
        let element: Value?
        if area.has("srcu_ctrs") {
            element = try? area["srcu_ctrs"].element(Int64(index)).member("srcu_\(name)s")
        } else {
            element = try? area["srcu_\(name)_count"].element(Int64(index))
        }
        guard let element else { return nil }
        return element.has("counter") ? try? element["counter"].unsigned() : try? element.unsigned()
    }
}

// The disks of a kernel: every `struct gendisk` of the class `block`.

package import Bytes
internal import DebugModel
internal import Memory
package import Target

/// A whole disk: partitions are parts of one.
package struct Disk: Sendable {
    /// The `struct gendisk`.
    package let value: Value
    package let address: VirtualAddress
    /// "sda", "loop0".
    package let name: String

    package init(_ value: Value) throws {
        self.value = value
        address = try value.address
        name = try value["disk_name"].text()
    }

    package var major: UInt64 { get throws { try value["major"].unsigned() } }
    package var firstMinor: UInt64 { get throws { try value["first_minor"].unsigned() } }
    /// The `struct request_queue`.
    package var queue: Value { get throws { try value["queue"].pointee() } }

    /// Whether its driver takes requests (blk-mq), or bios as they come, as device mapper and md do.
    package var takesRequests: Bool { get throws { try !queue["mq_ops"].pointer().isNull } }

    /// Bios in flight, reads and writes, as its statistics count them: `disk_stats.in_flight` summed over the CPUs. For
    /// disks that take no requests; the others count their requests.
    package var biosInFlight: (reads: UInt64, writes: UInt64) {
        get throws {
            let statistics = try Self.statistics(value)
            var sums: [Int64] = [0, 0]
            let type = try value.target.types.lookup(.structure, "disk_stats")
            guard let type else { throw ValueError.noType("struct disk_stats") }
            for offset in value.target.perCPU.offsets.compactMap({ $0 }) {
                let own = Value(
                    target: value.target, type: type, place: .memory(statistics.advanced(by: offset)))
                for index in 0..<2 {
                    sums[index] &+= try own["in_flight"].element(Int64(index)).path("a", "counter").signed()
                }
            }
            // One CPU begins what another ends: only the sum means something.
            return (UInt64(max(sums[0], 0)), UInt64(max(sums[1], 0)))
        }
    }

    /// `part0.bd_stats` since 5.11, before that `part0.dkstats` of the embedded `hd_struct`.
    private static func statistics(_ disk: Value) throws -> VirtualAddress {
        let whole = try disk["part0"]
        return try whole[whole.has("bd_stats") ? "bd_stats" : "dkstats"].pointer()
    }
}

/// The disks of a kernel, and how to tell which disk something is of.
package struct DiskTable: Sendable {
    /// In the order of the class's list, which is that of their registration.
    package let disks: [Disk]
    package let anomalies: [WalkAnomaly]
    private let byAddress: [VirtualAddress: Disk]
    private let byQueue: [VirtualAddress: Disk]

    /// Throws when the kernel has no class `block`, or when nothing leads to it.
    package init(_ target: Target) throws {
        var anomalies: [WalkAnomaly] = []
        var disks: [Disk] = []
        guard let members = try Self.members(ofClass: "block", target, { anomalies.append($0) }) else {
            throw ValueError.absent("the kernel has no block devices")
        }
        let diskType = target.symbols.symbol(named: "disk_type")?.address
        try ListWalk.entries(
            members, "device_private", "knode_class.n_node", anomaly: { anomalies.append($0) }
        ) { own in
            do {
                // KNODE_DEAD: removed, and somebody still walks over it (lib/klist.c).
                guard try own.path("knode_class", "n_klist").unsigned() & 1 == 0 else { return }
                let device = try own["device"].pointee()
                guard try diskType == nil || device["type"].pointer() == diskType else { return }
                let disk = try Self.disk(device)
                // Without the symbol partitions come along: they name a disk that is there already.
                if !disks.contains(where: { $0.address == disk.address }) { disks.append(disk) }
            } catch {
                anomalies.append(
                    .unreadable("a block device", error, at: (try? own.address) ?? VirtualAddress(0)))
            }
        }
        self.disks = disks
        self.anomalies = anomalies
        byAddress = Dictionary(disks.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
        byQueue = Dictionary(
            disks.compactMap { disk in (try? disk.queue.address).map { ($0, disk) } },
            uniquingKeysWith: { first, _ in first })
    }

    package func disk(at address: VirtualAddress) -> Disk? { byAddress[address] }
    package func disk(queue: VirtualAddress) -> Disk? { byQueue[queue] }

    /// The list of the devices of a class: `subsys_private.klist_devices.k_list`. The classes' `subsys_private` are in
    /// `class_kset` whether or not `class.p` leads to them (gone in 6.4, 2df418cf4b72).
    private static func members(
        ofClass name: String, _ target: Target, _ anomaly: (WalkAnomaly) -> Void
    ) throws -> Value? {
        let classes = try Globals.pointee(target, "class_kset", "kset")
        var found: Value?
        try ListWalk.entries(
            try classes["list"], "subsys_private", "subsys.kobj.entry", anomaly: anomaly
        ) { own in
            guard (try? own.path("subsys", "kobj", "name").text(limit: 64)) == name else { return }
            found = try own.path("klist_devices", "k_list")
        }
        return found
    }

    /// A disk's `struct device` is in its `block_device` since 5.11 (0d02129e76ed), before that in the `hd_struct` that
    /// the `gendisk` has for the whole of it.
    private static func disk(_ device: Value) throws -> Disk {
        if let type = try device.target.types.lookup(.structure, "block_device"),
            try device.target.types.offset(ofPath: "bd_device", in: type) != nil
        {
            return try Disk(device.container("block_device", "bd_device")["bd_disk"].pointee())
        }
        return try Disk(device.container("gendisk", "part0.__dev"))
    }
}

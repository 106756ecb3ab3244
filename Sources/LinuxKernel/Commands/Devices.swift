// dev: character and block devices by their numbers, and what the disks have not answered yet.

internal import Bytes
internal import DebugModel
internal import Memory
package import Pipeline
internal import Target

package struct Devices: Stage {
    package static let manual = Manual(
        name: "dev", synopsis: "[-d | -D] [NAME]...", summary: "character and block devices; I/O in flight",
        text: """
            Which driver has which device numbers: first the character devices, then the block devices, with what the \
            kernel calls for each. With -d each disk with the requests that its driver has and has not answered, how \
            many of them read and write, and for how long the oldest has been there; of disks that take no requests, as \
            device mapper's, the bios. With names each request of these disks: what it does where, how old it is, and \
            whether the driver has it or it is still queued.
            """,
        options: [.init("-d", "Disks, and how much is in flight"), .init("-D", "Only disks with something in flight")],
        examples: [.init("dev", "all device numbers"), .init("dev -d", "what the disks are busy with")],
        emits: [.subjects, .records])
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        guard arguments.operands.isEmpty || arguments.has("-d") || arguments.has("-D") else {
            throw UsageError("dev: names are those of disks, and want -d")
        }
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        if arguments.has("-d") || arguments.has("-D") { return try disks(kernel, context, emit) }
        let registered = CharacterDevices(kernel.model)
        try numbers(kernel, "chrdevs", "CHRDEV", emit) { character($0, registered) }
        var byMajor: [UInt64: Disk] = [:]
        if let table = try? DiskTable(kernel.model) {
            for disk in table.disks {
                if let major = try? disk.major, byMajor[major] == nil { byMajor[major] = disk }
            }
        }
        guard kernel.model.symbols.symbol(named: "major_names") != nil else {
            return try emit(.text("this kernel has no block devices"))
        }
        try numbers(kernel, "major_names", "BLKDEV", emit) { block($0, byMajor) }
    }

    // MARK: Numbers

    /// The entries of a hash table by major number, ascending.
    private func numbers(
        _ kernel: LinuxKernel, _ variable: String, _ title: String, _ emit: Emit, _ rest: (Value) -> [Field]
    ) throws {
        let table = try kernel.model.variable(variable)
        var rows: [(major: UInt64, record: Record)] = []
        for index in 0..<Int64(255) {
            var entry = try table.element(index).target()
            var seen: Set<VirtualAddress> = []
            while let own = entry, seen.insert(try own.address).inserted {
                let major = try own["major"].unsigned()
                let fields = [
                    Field("major", title, .unsigned(major)),
                    Field("name", "NAME", TaskContext.read { .text(try own["name"].text()) }),
                ]
                rows.append((major, Record("device_number", fields + rest(own), subject: own)))
                entry = try own["next"].target()
            }
        }
        // Of several with one major number the order of the chain, which is by minor number.
        for row in rows.enumerated().sorted(by: { ($0.element.major, $0.offset) < ($1.element.major, $1.offset) }) {
            try emit(.record(row.element.record))
        }
    }

    private func character(_ entry: Value, _ registered: CharacterDevices) -> [Field] {
        let device = (try? entry["cdev"].target()).flatMap { $0 } ?? registered.device(entry)
        return [
            Field("device", "CDEV", device.flatMap { try? $0.address }.map { .address($0.rawValue) } ?? .none),
            operations(device, "ops"),
        ]
    }

    private func block(_ entry: Value, _ disks: [UInt64: Disk]) -> [Field] {
        let disk = (try? entry["major"].unsigned()).flatMap { disks[$0] }
        return [
            Field("device", "GENDISK", disk.map { .address($0.address.rawValue) } ?? .none),
            operations(disk?.value, "fops"),
        ]
    }

    private func operations(_ device: Value?, _ member: String) -> Field {
        guard let device else { return Field("operations", "OPERATIONS", .none) }
        return Field(
            "operations", "OPERATIONS",
            TaskContext.read {
                let place = try device.member(member).pointer()
                return .text(device.target.symbols.describe(place) ?? "\(place)")
            })
    }

    // MARK: Disks

    private func disks(_ kernel: LinuxKernel, _ context: Context, _ emit: Emit) throws {
        guard kernel.model.symbols.symbol(named: "major_names") != nil else {
            return try emit(.text("this kernel has no block devices"))
        }
        let table = try DiskTable(kernel.model)
        let search = RequestSearch(kernel)
        for anomaly in table.anomalies { try emit(.record(WalkOutput.record(anomaly))) }
        let names = arguments.operands
        for name in names where !table.disks.contains(where: { $0.name == name }) {
            throw CommandError("dev: no disk is called \(Escaping.text(name))")
        }
        for disk in table.disks where names.isEmpty || names.contains(disk.name) {
            if context.isInterrupted() { throw Interrupted() }
            let (requests, anomalies) = search.requests(of: disk)
            for anomaly in anomalies { try emit(.record(WalkOutput.record(anomaly))) }
            if names.isEmpty {
                let row = try row(disk, requests, search)
                if row.isBusy || !arguments.has("-D") { try emit(.record(row.record)) }
            } else {
                for request in requests { try emit(.record(record(request, disk, search))) }
                if requests.isEmpty { try emit(.text("\(disk.name) has no request to answer")) }
            }
        }
    }

    private func row(
        _ disk: Disk, _ requests: [BlockRequest], _ search: RequestSearch
    ) throws -> (record: Record, isBusy: Bool) {
        let flying = requests.filter { $0.stage == .started }
        var reads = UInt64(flying.count { $0.operation == "read" })
        var writes = UInt64(flying.count) - reads
        var failure: String?
        if (try? disk.takesRequests) == false {
            do { (reads, writes) = try disk.biosInFlight } catch { failure = "\(error)" }
        }
        func count(_ value: UInt64) -> FieldValue { failure.map { .gap($0) } ?? .unsigned(value) }
        let oldest = flying.compactMap { search.age($0) }.max()
        let fields = [
            Field("major", "MAJOR", TaskContext.read { .unsigned(try disk.major) }),
            Field("disk", "GENDISK", .address(disk.address.rawValue)), Field("name", "NAME", .text(disk.name)),
            Field("queue", "REQUEST_QUEUE", TaskContext.read { .address(try disk.queue.address.rawValue) }),
            Field("total", "TOTAL", count(reads &+ writes)), Field("reads", "READ", count(reads)),
            Field("writes", "WRITE", count(writes)),
            Field("queued", "QUEUED", .unsigned(UInt64(requests.count { $0.stage == .queued }))),
            Field("oldest", "OLDEST", oldest.map { .text(elapsed($0)) } ?? .none),
            Field("oldest_ns", nil, oldest.map { .unsigned($0) } ?? .none),
        ]
        return (Record("disk", fields, subject: disk.value), reads &+ writes > 0 || !requests.isEmpty)
    }

    private func record(_ request: BlockRequest, _ disk: Disk, _ search: RequestSearch) -> Record {
        let age = search.age(request)
        return Record(
            "request",
            [
                Field("disk", "NAME", .text(disk.name)),
                Field("request", "REQUEST", .address(request.address.rawValue)),
                Field("operation", "OPERATION", .text(request.operation)),
                Field("sector", "SECTOR", request.sector.map { .unsigned($0) } ?? .none),
                Field("bytes", "BYTES", .unsigned(request.bytes)),
                Field("stage", "STAGE", .text(request.stage.rawValue)),
                Field("age", "AGE", age.map { .text(elapsed($0)) } ?? .none),
                Field("age_ns", nil, age.map { .unsigned($0) } ?? .none),
            ], subject: request.value)
    }
}

/// The `struct cdev` of ranges of device numbers: `cdev_map`, chains of `struct probe` by major number
/// (drivers/base/map.c).
private struct CharacterDevices {
    private struct Range {
        let numbers: Swift.Range<UInt64>
        let device: Value
    }
    private var ranges: [Range] = []

    init(_ target: Target) {
        guard let map = try? Globals.pointee(target, "cdev_map", "kobj_map"), let table = try? map["probes"] else {
            return
        }
        var seen: Set<VirtualAddress> = []
        for index in 0..<Int64(255) {
            var entry = (try? table.element(index).target()).flatMap { $0 }
            while let own = entry, let place = try? own.address, seen.insert(place).inserted {
                entry = (try? own["next"].target()).flatMap { $0 }
                guard let number = try? own["dev"].unsigned(), let count = try? own["range"].unsigned(),
                    let data = try? own["data"].pointer(), !data.isNull,
                    let device = try? target.object(.structure, "cdev", at: data)
                else { continue }
                let (end, overflow) = number.addingReportingOverflow(count)
                // The table's own last resort stands for all numbers.
                if !overflow, count < 1 << 32, (try? device["dev"].unsigned()) == number {
                    ranges.append(Range(numbers: number..<end, device: device))
                }
            }
        }
    }

    /// That of a `struct char_device_struct`; minor numbers have 20 bits.
    func device(_ entry: Value) -> Value? {
        guard let major = try? entry["major"].unsigned(), let minor = try? entry["baseminor"].unsigned(),
            let count = try? entry["minorct"].unsigned(), major < 1 << 32, minor < 1 << 20, count <= 1 << 20
        else { return nil }
        let first = major << 20 | minor
        return ranges.first { $0.numbers.overlaps(first..<first + max(count, 1)) }?.device
    }
}

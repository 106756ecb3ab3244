// I/O that does not end: a request that a disk has not answered for too long, and the tasks that wait for it.

internal import Analysis
internal import Capabilities
internal import Bytes
internal import DebugModel
internal import Target

/// Too long is what is too long for a task that waits uninterruptibly; what is younger is told, and nothing wrong. What
/// is younger than a second is the ordinary life of a disk.
enum IOWaitRule: Analysis {
    static let rule = "io-wait"
    static let question =
        "Does a disk leave a request unanswered, or a task waiting for I/O, beyond the kernel's limit?"

    /// Nanoseconds.
    private static let ordinary: UInt64 = 1_000_000_000

    static func run(_ kernel: any Kernel) -> AnalysisResult? {
        guard let kernel = kernel as? LinuxKernel else { return nil }
        guard kernel.model.symbols.symbol(named: "major_names") != nil else { return nil }
        let disks: DiskTable
        let tasks: [Task]
        do {
            disks = try DiskTable(kernel.model)
            tasks = try kernel.tasks().tasks
        } catch { return .undecided("the disks or tasks cannot be listed: \(error)") }
        let search = IOSearch(kernel, disks, tasks, least: ordinary)
        return .findings(search.findings().sorted { ($1.isFault ? 1 : 0) < ($0.isFault ? 1 : 0) })
    }
}

/// What goes on at one disk or file system.
private struct IOSearch {
    private struct Busy {
        let disk: Disk?
        /// The disk's name, or the file system's type.
        let name: String
        var requests: [BlockRequest] = []
        var waits: [IOWait] = []
    }

    private let kernel: LinuxKernel
    private let limit: (own: UInt64?, seconds: UInt64)
    private let requestSearch: RequestSearch
    private let waitSearch: IOWaitSearch
    private let places: IOPlaces
    private let tasks: [Task]
    private let groups: [Busy]
    private var unread: [String]

    /// Those that are named one by one.
    private static let named = 8

    init(_ kernel: LinuxKernel, _ disks: DiskTable, _ tasks: [Task], least: UInt64) {
        self.kernel = kernel
        self.tasks = tasks
        limit = KernelTime.hungTaskLimit(kernel)
        let requestSearch = RequestSearch(kernel)
        self.requestSearch = requestSearch
        places = IOPlaces(kernel, disks)
        waitSearch = IOWaitSearch(kernel, places)
        unread = disks.anomalies.map(\.description)
        var groups: [Busy] = []
        for disk in disks.disks {
            let (requests, anomalies) = requestSearch.requests(of: disk)
            unread += anomalies.map(\.description)
            let old = requests.filter { (requestSearch.age($0) ?? 0) >= least }
            if !old.isEmpty { groups.append(Busy(disk: disk, name: disk.name, requests: old)) }
        }
        let (waits, skipped) = waitSearch.waits(tasks, least: least)
        if skipped > 0 { unread.append("the stacks of \(skipped) more tasks that wait for I/O") }
        for wait in waits {
            let disk = wait.place?.disk
            let name = disk?.name ?? wait.place?.fileSystem ?? "an unknown device"
            if let place = groups.firstIndex(where: { $0.disk?.address == disk?.address && $0.name == name }) {
                groups[place].waits.append(wait)
            } else {
                groups.append(Busy(disk: disk, name: name, waits: [wait]))
            }
        }
        self.groups = groups
    }

    func findings() -> [Finding] {
        let workers = waitSearch.workers(tasks, marks: marks())
        return groups.map { finding($0, $0.disk.flatMap { workers[$0.address] } ?? []) }
    }

    /// By what a worker's stack shows that it works for a disk: a request, what the driver has behind each request
    /// (`blk_mq_rq_to_pdu`), what it has for the queue and the disk.
    private func marks() -> [UInt64: VirtualAddress] {
        var marks: [UInt64: VirtualAddress] = [:]
        let size = (try? kernel.model.types.lookup(.structure, "request")).flatMap { $0 }
            .flatMap { try? kernel.model.types.size($0) }
        for group in groups where !group.requests.isEmpty {
            guard let disk = group.disk else { continue }
            for request in group.requests {
                marks[request.address.rawValue] = disk.address
                if let size { marks[request.address.rawValue &+ size] = disk.address }
            }
            let own = [try? disk.value["private_data"].unsigned(), try? disk.queue["queuedata"].unsigned()]
            for case let place? in own where place != 0 { marks[place] = disk.address }
        }
        return marks
    }

    // MARK: Findings

    private func finding(_ group: Busy, _ workers: [IOWorker]) -> Finding {
        let oldest = group.requests.compactMap { requestSearch.age($0) }.max()
        let longest = group.waits.filter(\.isUnkillable).compactMap(\.since).max()
        let isFault = max(oldest ?? 0, longest ?? 0) >= limit.seconds &* 1_000_000_000
        var summary: String
        if let first = group.requests.first {
            let count = group.requests.count
            summary =
                "\(group.name) has not answered \(count == 1 ? "a request" : "\(count) requests"), the oldest "
                + "(\(text(first))) for \(seconds(oldest))"
        } else {
            let count = group.waits.count
            summary =
                "\(count == 1 ? "1 task waits" : "\(count) tasks wait") for I/O on \(group.name), the longest for "
                + seconds(group.waits.compactMap(\.since).max())
        }
        if !group.requests.isEmpty, !group.waits.isEmpty {
            summary += "; \(names(group.waits.map(\.task))) wait\(group.waits.count == 1 ? "s" : "") for it"
        }
        for worker in workers.prefix(2) {
            summary += "; \(name(worker.task)), which works on it, waits in \(worker.function ?? "?")"
            if let place = worker.place { summary += " for \(text(place))" }
        }
        var contradictions: [String] = []
        if group.requests.isEmpty, let disk = group.disk {
            contradictions.append(without(disk))
        }
        if (limit.own ?? 0) == 0 {
            contradictions.append("this kernel has no limit of its own; measured with \(limit.seconds) s")
        }
        var evidence = group.requests.prefix(Self.named).flatMap { self.evidence($0) }
        evidence += group.waits.prefix(Self.named).flatMap { self.evidence($0, group) }
        return Finding(
            rule: IOWaitRule.rule, confidence: group.requests.isEmpty ? .probable : .certain, isFault: isFault,
            summary: summary, parties: parties(group, workers), chronology: chronology(group), evidence: evidence,
            contradictions: contradictions, unread: unread)
    }

    /// Why there may be no request although somebody waits.
    private func without(_ disk: Disk) -> String {
        guard (try? disk.takesRequests) == false else {
            return "no request of \(disk.name) is in use: what they wait for was answered, or was never sent"
        }
        guard let bios = try? disk.biosInFlight else {
            return "\(disk.name) takes no requests, and keeps no list of bios"
        }
        return "\(disk.name) takes no requests; it counts \(bios.reads &+ bios.writes) bios in flight"
    }

    private func parties(_ group: Busy, _ workers: [IOWorker]) -> [String] {
        var list = group.requests.prefix(Self.named).map { request in
            "request \(request.address) of \(group.name): \(text(request)), \(request.stage.rawValue) for "
                + seconds(requestSearch.age(request))
        }
        if let disk = group.disk, let file = backing(disk) { list.append("\(disk.name) is the file \(file)") }
        for wait in group.waits.prefix(Self.named) {
            let function = wait.function.map { " in \($0)" } ?? ""
            let object = wait.place.map { " for \(text($0))" } ?? ""
            let request = request(of: wait, group.requests).map { ": request \($0.address)" } ?? ""
            list.append("\(name(wait.task)) waits\(object)\(function), since \(seconds(wait.since))\(request)")
        }
        if group.waits.count > Self.named { list.append("and \(group.waits.count - Self.named) more tasks") }
        for worker in workers.prefix(Self.named) {
            let place = worker.place.map { " for \(text($0))" } ?? ""
            list.append(
                "\(name(worker.task)) works on it, and waits in \(worker.function ?? "?")\(place), since "
                    + seconds(worker.since))
        }
        return list
    }

    /// The file that a loop device is made of (drivers/block/loop.c).
    private func backing(_ disk: Disk) -> String? {
        guard disk.name.hasPrefix("loop"), let own = try? disk.value["private_data"].pointer(), !own.isNull,
            let loop = try? kernel.model.object(.structure, "loop_device", at: own),
            (try? loop["lo_disk"].pointer()) == disk.address,
            let file = (try? loop["lo_backing_file"].target()).flatMap({ $0 }),
            let place = places.place("file", (try? file.address) ?? VirtualAddress(0))
        else { return nil }
        return text(place)
    }

    /// The request that a task waits for, when its bio or page is in one; else nothing: of the same disk others may be.
    private func request(of wait: IOWait, _ requests: [BlockRequest]) -> BlockRequest? {
        guard let place = wait.place else { return nil }
        if let bio = place.bio, let found = requests.first(where: { $0.bios.contains(bio) }) { return found }
        guard let page = place.page else { return nil }
        return requests.first { request in
            request.bios.contains { bio in
                BlockRequest.pieces(ofBio: bio, kernel.model).contains { piece in
                    // A piece goes on over the pages that follow its first.
                    let size = UInt64(64)
                    let pages = (piece.bytes &+ 4095) / 4096
                    return page.distance(from: piece.page) < max(pages, 1) &* size
                }
            }
        }
    }

    private func chronology(_ group: Busy) -> [String] {
        let requests = group.requests.prefix(Self.named).compactMap { request in
            requestSearch.age(request).map { ($0, "request \(request.address) was made: \(text(request))") }
        }
        let waits = group.waits.prefix(Self.named).compactMap { wait in
            wait.since.map { ($0, "\(name(wait.task)) began to wait") }
        }
        return (requests + waits).sorted { $1.0 < $0.0 }.map { "\(span($0.0)) before the dump: \($0.1)" }
    }

    // MARK: Evidence

    private func evidence(_ request: BlockRequest) -> [Evidence] {
        let place = "((struct request *)0x\(hex(request.address.rawValue)))"
        let reads = [request.address..<request.address.advanced(by: UInt64(64))]
        var list: [Evidence] = []
        if let state = try? request.value["state"].unsigned() {
            list.append(
                Evidence(
                    claim: "request \(request.address) is \(request.stage.rawValue)", expected: .number(state),
                    reproduce: "print (int)\(place)->state", reads: reads))
        }
        if let since = request.since, (try? request.value["start_time_ns"].unsigned()) == since {
            list.append(
                Evidence(
                    claim: "it was made \(since / 1_000_000_000) s after the kernel started", expected: .number(since),
                    reproduce: "print \(place)->start_time_ns", reads: reads))
        }
        return list
    }

    private func evidence(_ wait: IOWait, _ group: Busy) -> [Evidence] {
        let place = "((struct task_struct *)0x\(hex(wait.task.address.rawValue)))"
        var list = [
            Evidence(
                claim: "\(name(wait.task)) sleeps until I/O is done", expected: .number(1),
                reproduce: "print \(place)->in_iowait")
        ]
        if let request = request(of: wait, group.requests), let bio = wait.place?.bio,
            request.bios.first == bio
        {
            list.append(
                Evidence(
                    claim: "the bio that it waits for is in that request", expected: .number(bio.rawValue),
                    reproduce: "print -x (unsigned long)((struct request *)0x\(hex(request.address.rawValue)))->bio"))
        }
        return list
    }

    // MARK: Words

    private func text(_ request: BlockRequest) -> String {
        let place = request.sector.map { " at sector \($0)" } ?? ""
        return "\(request.operation)\(request.bytes > 0 ? " of \(request.bytes) bytes" : "")\(place)"
    }

    private func text(_ place: IOPlace) -> String {
        let system = place.fileSystem.map { " on \($0)" } ?? ""
        guard let disk = place.disk, !place.object.hasSuffix(disk.name) else { return place.object + system }
        return place.object + system + (place.fileSystem == nil ? " of \(disk.name)" : " (\(disk.name))")
    }

    private func seconds(_ nanoseconds: UInt64?) -> String {
        nanoseconds.map { span($0) } ?? "an unknown time"
    }

    private func name(_ task: Task) -> String {
        "\((try? task.comm) ?? "?") (\((try? task.pid).map { "\($0)" } ?? "?"))"
    }

    private func names(_ tasks: [Task]) -> String {
        tasks.prefix(3).map(name).joined(separator: ", ") + (tasks.count > 3 ? " and \(tasks.count - 3) more" : "")
    }
}

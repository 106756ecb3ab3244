// I/O that does not end: the requests of disks, who waits for them, who is at work on them.

import Analysis
import Bytes
import DebugModel
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: LabDumps.arePresent, LabDumps.comment))
struct IOWaitTests {
    /// Three loop devices, each with one request to a file that never answers, and one task that waits for it.
    static let hanging = LabDumps.present(["hang-disk-6.1", "hang-disk-6.12"])
    static let innocent = LabDumps.present(
        ["6.1", "6.12"].flatMap { release in
            ["innocent-waiters-\(release)"] + (1...10).map { "innocent-load-\(release)-\($0)" }
        })

    private func findings(_ kernel: LinuxKernel) throws -> [Finding] {
        guard case .findings(let list)? = IOWaitRule.run(kernel) else { return [] }
        return list
    }

    @Test("Each disk has the one request that its driver has not answered", arguments: hanging)
    func requests(dump: String) throws {
        let kernel = try LabDumps.open(dump)
        let search = RequestSearch(kernel)
        var busy: [String: [BlockRequest]] = [:]
        for disk in try DiskTable(kernel.model).disks {
            let (requests, anomalies) = search.requests(of: disk)
            #expect(anomalies.isEmpty)
            if !requests.isEmpty { busy[disk.name] = requests }
        }
        #expect(busy.keys.sorted() == ["loop4", "loop5", "loop6"])
        #expect(busy.mapValues(\.count).values.allSatisfy { $0 == 1 })
        #expect(busy["loop4"]?.first?.operation == "read" && busy["loop6"]?.first?.operation == "write")
        #expect(busy.values.joined().allSatisfy { $0.stage == .started && $0.sector == 0 })
        // A second or two before the dump was asked for, and not before the guest's last program began.
        #expect(busy.values.joined().allSatisfy { (5_000_000_000..<10_000_000_000).contains(search.age($0) ?? 0) })
    }

    @Test(
        "The task that waits for a request is told by its bio or page, the worker by what it has in hand",
        arguments: hanging)
    func parties(dump: String) throws {
        let found = try findings(LabDumps.open(dump))
        #expect(found.map(\.isFault) == [false, false, false])
        for (disk, task) in [("loop4", "w_disk_read"), ("loop5", "w_disk_direct"), ("loop6", "w_disk_sync")] {
            let finding = try #require(found.first { $0.summary.hasPrefix(disk) })
            #expect(finding.summary.contains("; \(task) ("))
            let waiter = try #require(finding.parties.first { $0.hasPrefix(task) })
            #expect(waiter.contains(": request 0x"), "it is known which request")
            #expect(
                finding.parties.contains {
                    $0.hasPrefix("\(disk) is the file /mnt/") && $0.hasSuffix("/slow on waitfs")
                })
            let worker = try #require(finding.parties.first { $0.hasPrefix("kworker/") })
            #expect(worker.contains("works on it") && worker.contains("/slow on waitfs"))
            #expect(!finding.parties.contains { $0.contains("waits_holder") || $0.contains("waits_deaf") })
        }
    }

    @Test("Beyond the kernel's own limit it is a fault", arguments: hanging)
    func limit(dump: String) throws {
        let kernel = try LabDumps.open(dump) { kernel, memory in
            let place = try #require(kernel.model.symbols.symbol(named: "sysctl_hung_task_timeout_secs")?.address)
            try memory.write(5, at: kernel.target.space.translate(place))
        }
        let found = try findings(kernel)
        #expect(found.map(\.isFault) == [true, true, true])
        #expect(found.allSatisfy { $0.confidence == .certain })
    }

    @Test("A guest that is busy with its disks has no fault of any kind", arguments: innocent)
    func innocents(dump: String) throws {
        #expect(Examination(try LabDumps.open(dump)).faults.map(\.summary).isEmpty)
    }
}

@Suite(.enabled(if: RealDumps.names.contains("plain.elf"), Comment(rawValue: RealDumps.comment)))
struct NoBlockLayerTests {
    @Test func aKernelWithoutBlockDevicesIsNotAskedForThem() throws {
        #expect(IOWaitRule.run(try RealKernels.open("plain.elf")) == nil)
        #expect(throws: ValueError.self) { try DiskTable(RealKernels.open("plain.elf").model) }
    }
}

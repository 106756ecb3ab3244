import Bytes
import FixtureKit
import Testing

@testable import LinuxKernel

@Suite(.enabled(if: RealDumps.arePresent, Comment(rawValue: RealDumps.comment)))
struct RealLogTests {
    @Test("the log is what the guest printed on its console, line by line", arguments: RealDumps.names)
    func matchesConsole(_ name: String) throws {
        let log = try KernelLog(RealKernels.open(name).target)
        #expect(log.anomalies.isEmpty)
        #expect(log.records.count > 100)
        for (index, record) in log.records.enumerated() {
            #expect(record.sequence == log.records[0].sequence + UInt64(index))
        }
        // The console repeats the prefix on every line of a record.
        let style = LogStyle(levels: false, timestamps: true, callers: false, boot: nil)
        let expected = log.records.flatMap { record in
            record.lines.map { style.prefix(record) + logText($0) }
        }
        let console = Set(try RealKernels.console(name))
        let missing = expected.filter { !console.contains($0) }
        #expect(missing.isEmpty, "\(missing.prefix(5))")
        // And nothing that the console has is missing from the log.
        let known = Set(expected)
        let printed = console.filter { $0.hasPrefix("[ ") && $0.dropFirst(13).hasPrefix("] ") }
        let unknown = printed.filter { !known.contains($0) }
        #expect(unknown.isEmpty, "\(unknown.prefix(5))")
    }
}

// A machine whose every byte is known, and a session of ddb on it.

import Bytes
import Capabilities
import Commands
import DebugModel
import FixtureKit
import Memory
import Pipeline
import Synchronization
import Target

@testable import DDB

/// Keeps what a line emits.
final class Collector: Outlet {
    private(set) var lines: [String] = []
    private(set) var records: [Record] = []
    private(set) var destinations: [Destination] = []

    func deliver(to destination: Destination, as form: OutputForm, _ body: (Emit) throws -> Void) throws {
        destinations.append(destination)
        try body { datum in
            guard case .record(let record) = datum else { return }
            self.records.append(record)
            if case .block(let block) = record.presentation { self.lines += block }
        }
    }
}

/// Lines of ddb one after another, on one kernel.
final class DDBSession {
    let context: Context
    let dialect = DDB()

    init(_ kernel: any Kernel, _ lists: [[any Stage.Type]] = [Commands.all]) {
        context = Context(
            kernel: kernel, catalog: Catalog(lists), gaps: Gaps(), journal: Journal(),
            session: SessionState(dialects: [dialect], dialect: "ddb"))
    }

    func run(_ line: String) -> Collector {
        let collector = Collector()
        do { try dialect.run(line, context, collector) } catch {
            return failed(collector, "\(error)")
        }
        return collector
    }

    /// The block lines, and the sentence of a failure behind them.
    func lines(_ line: String) -> [String] {
        let collector = Collector()
        do { try dialect.run(line, context, collector) } catch {
            return collector.lines + ["failed: \(error)"]
        }
        return collector.lines
    }

    private func failed(_ collector: Collector, _ why: String) -> Collector { collector }
}

/// `words` at 0xffffffff81800000 (64 bytes), `text` behind it, `panic` and `schedule` at 0xffffffff81000000 and 64 bytes
/// further, a per-CPU `counter`.
enum KnownMachine {
    static let words = LinearMap.image + 0x80_0000
    static let panic = LinearMap.image

    static func kernel() -> BuiltKernel {
        var types = TypeBuilder()
        types.structure("pair") {
            $0.member("first", "unsigned int")
            $0.member("second", "unsigned int")
        }
        let builder = KernelBuilder(types)
        builder.function("panic")
        builder.function("schedule")
        let words = builder.symbol("words", size: 64)
        let values: [UInt64] = [
            0x1122_3344_5566_7788, 0xffff_ffff_ffff_fffe, 0x8000_0000_0000_0001, panic + 0x10, 0, 1, 2, 3,
        ]
        for (index, value) in values.enumerated() {
            builder.write(word: value, at: words.advanced(by: UInt64(8 * index)))
        }
        let text = builder.symbol("text", size: 32)
        builder.write(Array("Hello\n\u{1}world\0".utf8), at: text)
        builder.perCPUVariable("counter", "unsigned long", [[], []])
        let target = builder.target()
        for cpu in 0..<2 {
            guard let base = target.perCPU.offsets[cpu] else { continue }
            builder.write(word: UInt64(0xc0 + cpu), at: VirtualAddress(base + 0x100))
        }
        return builder.kernel()
    }
}

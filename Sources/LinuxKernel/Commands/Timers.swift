// timer: what waits for a time.

internal import Bytes
internal import DebugModel
package import Pipeline
internal import Target

package struct Timers: Stage {
    package static let manual = Manual(
        name: "timer", synopsis: "[-r] [-C CPU]", summary: "timers that wait, by when they expire",
        text: """
            The timers of the timer wheel by CPU: when each expires in jiffies, how long that was from the dump (less \
            than nothing: it is late), and its function. With -r the high-resolution timers, whose times are nanoseconds \
            of their clock.
            """,
        options: [
            .init("-r", "The high-resolution timers"), .init("-C", "CPU", "Those of this CPU alone"),
        ],
        examples: [
            .init("timer", "the timer wheel"), .init("timer -r -C 0", "the first CPU's high-resolution timers"),
        ],
        emits: .subjects)
    private let arguments: Arguments
    private let cpu: UInt64?

    package init(_ arguments: Arguments) throws {
        self.arguments = arguments
        cpu = try arguments.value("-C").map { word in
            guard let number = UInt64(word) else { throw UsageError("timer: \(Escaping.text(word)) is not a CPU") }
            return number
        }
        guard arguments.operands.isEmpty else { throw UsageError("timer: see: help timer") }
    }

    /// A timer as it is sorted: by CPU, then by time.
    private struct Row {
        let cpu: UInt64
        let expires: Int64
        let record: Record
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let kernel = try linux(context)
        var rows: [Row] = []
        var remarks: [Record] = []
        let isPrecise = arguments.has("-r")
        let jiffies = isPrecise ? 0 : try kernel.model.variable("jiffies").unsigned()
        let walk: any NamedWalk.Type = isPrecise ? HRTimerWalk.self : TimerWalk.self
        try walk.walk(nil, [], context) { step in
            if case .anomaly(let anomaly) = step { return remarks.append(WalkOutput.record(anomaly)) }
            guard let timer = step.value, let number = step.index?.first, number == cpu ?? number else { return }
            rows.append(isPrecise ? precise(timer, number) : plain(timer, number, jiffies))
        }
        if !isPrecise {
            let fields = [Field("jiffies", nil, .unsigned(jiffies))]
            try emit(.record(Record("jiffies", fields, presentation: .block(["JIFFIES: \(jiffies)"]))))
        }
        for row in rows.sorted(by: { ($0.cpu, $0.expires) < ($1.cpu, $1.expires) }) { try emit(.record(row.record)) }
        for remark in remarks { try emit(.record(remark)) }
    }

    private func plain(_ timer: Value, _ cpu: UInt64, _ jiffies: UInt64) -> Row {
        let expires = try? timer.member("expires").unsigned()
        let left = expires.map { Int64(bitPattern: $0 &- jiffies) }
        let fields = [
            Field("cpu", "CPU", .unsigned(cpu)),
            Field("expires", "EXPIRES", TaskContext.read { .unsigned(try timer.member("expires").unsigned()) }),
            Field("left", "TTE", left.map { .signed($0) } ?? .none),
            Field("timer", "TIMER_LIST", TaskContext.read { .address(try timer.address.rawValue) }),
        ]
        let record = Record("timer", fields + function(timer), subject: timer)
        return Row(cpu: cpu, expires: left ?? .max, record: record)
    }

    private func precise(_ timer: Value, _ cpu: UInt64) -> Row {
        let expires = try? timer.path("node", "expires").signed()
        let fields = [
            Field("cpu", "CPU", .unsigned(cpu)),
            Field("clock", "CLOCK", TaskContext.read { .signed(try timer.path("base", "clockid").signed()) }),
            Field(
                "soft_expires", "SOFTEXPIRES", TaskContext.read { .signed(try timer.member("_softexpires").signed()) }),
            Field("expires", "EXPIRES", TaskContext.read { .signed(try timer.path("node", "expires").signed()) }),
            Field("timer", "HRTIMER", TaskContext.read { .address(try timer.address.rawValue) }),
        ]
        let record = Record("hrtimer", fields + function(timer), subject: timer)
        return Row(cpu: cpu, expires: expires ?? .max, record: record)
    }

    private func function(_ timer: Value) -> [Field] {
        let address = try? timer.member("function").pointer()
        let name = address.flatMap { timer.target.symbols.describe($0) }
        return [
            Field("function", nil, TaskContext.read { .address(try timer.member("function").unsigned()) }),
            Field("function_name", "FUNCTION", name.map { .text($0) } ?? .none),
        ]
    }
}

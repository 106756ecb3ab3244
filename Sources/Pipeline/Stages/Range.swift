// range: numbers, for a command to be run with each.

package struct RangeStage: Stage {
    package static let manual = Manual(
        name: "range", synopsis: "[FIRST] COUNT", summary: "numbers, one after another",
        text: "COUNT numbers from FIRST on, or from 0. For commands that want one number after another: CPUs, indices.",
        examples: [
            .init("range 2 | foreach print per_cpu(runqueues, $it).nr_running", "of each of two CPUs"),
            .init("range 10 5 | sum", "10 + 11 + 12 + 13 + 14"),
        ], emits: .numbers)
    private let first: UInt64
    private let count: UInt64

    package init(_ arguments: Arguments) throws {
        let numbers = try arguments.operands.map { word -> UInt64 in
            let value = word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : UInt64(word)
            guard let value else { throw UsageError("range: \(Escaping.text(word)) is not a number") }
            return value
        }
        guard let last = numbers.last, numbers.count <= 2 else { throw UsageError("range: [FIRST] COUNT is expected") }
        first = numbers.count == 2 ? numbers[0] : 0
        count = last
    }

    package func finish(_ context: Context, _ emit: Emit) throws {
        var offset: UInt64 = 0
        while offset < count {
            try emit(.number(first &+ offset))
            offset += 1
        }
    }
}

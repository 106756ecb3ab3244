// Feeds a parser every truncation of a small input, and thousands of seeded mutations of it.

package import Bytes

/// What a parser must survive. It may throw or succeed; a trap ends the test run, a hang its time limit.
package enum BoundsHarness {
    /// Calls `body` with every prefix of `fixture` (all of them up to 4 KiB, then 4096 spread over the rest), then
    /// with `mutations` copies in each of which one to four places were changed to what parsers trip over. Errors of
    /// `body` are what is expected, and dropped. The same seed makes the same inputs.
    package static func run(
        fixture: [UInt8], mutations: Int = 10_000, seed: UInt64 = 1, _ body: (ByteSlice) throws -> Void
    ) {
        let step = max(1, fixture.count / 4096)
        for length in Array(0..<min(fixture.count, 4096)) + Array(stride(from: 4096, to: fixture.count, by: step)) {
            try? body(ByteSlice(Array(fixture.prefix(length)), name: "prefix of \(length) bytes"))
        }
        var numbers = SeededNumbers(seed: seed)
        for number in 0..<mutations {
            try? body(ByteSlice(mutate(fixture, &numbers), name: "mutation \(number) of seed \(seed)"))
        }
    }

    private static func mutate(_ fixture: [UInt8], _ numbers: inout SeededNumbers) -> [UInt8] {
        var bytes = fixture
        guard !bytes.isEmpty else { return bytes }
        for _ in 0...Int(numbers.next() & 3) {
            // Headers stand first, and decide the most: half of all changes go to the first 512 bytes.
            let reach = numbers.next() & 1 == 0 ? min(bytes.count, 512) : bytes.count
            let at = Int(numbers.next() % UInt64(reach))
            switch numbers.next() % 6 {
            case 0: bytes[at] ^= 1 << UInt8(numbers.next() & 7)
            case 1: bytes[at] = UInt8(truncatingIfNeeded: numbers.next())
            case 2: put(&bytes, at & ~7, [UInt8](repeating: 0xff, count: 8))
            case 3: put(&bytes, at & ~3, [0xff, 0xff, 0xff, 0x7f])
            case 4: put(&bytes, at & ~7, [0, 0, 0, 0, 0, 0, 0, UInt8(truncatingIfNeeded: numbers.next())])
            default: put(&bytes, at & ~3, [0, 0, 0, 0])
            }
        }
        if numbers.next() & 15 == 0 { bytes.removeLast(Int(numbers.next() % UInt64(bytes.count))) }
        return bytes
    }

    private static func put(_ bytes: inout [UInt8], _ at: Int, _ new: [UInt8]) {
        for (index, byte) in new.enumerated() where at + index < bytes.count { bytes[at + index] = byte }
    }
}

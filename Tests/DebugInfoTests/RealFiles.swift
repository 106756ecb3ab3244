// Where the real kernels and the oracles are: tests that need them are skipped, visibly, without them.

import Bytes
import DebugInfo
import FixtureKit
import Testing

enum RealFiles {
    static let unpacked = RealDumps.symbols
    static let shared = RealDumps.shared
    static let hint = Comment(rawValue: RealDumps.symbolsComment)

    static var vmlinux: String { unpacked + "/vmlinux" }
    static let hasKernel = Directory.kind(of: unpacked + "/vmlinux") == .file
    static let hasOracle = hasKernel && Directory.kind(of: shared + "/drgn/abba.json") == .file

    static func module(_ name: String) -> String { "\(unpacked)/modules/\(name).ko" }

    /// The lines that a program prints; nil when it is not installed.
    static func lines(_ arguments: [String], limit: Int = 512 << 20) -> [Substring]? {
        guard let result = Subprocess.run(arguments, limit: limit), result.status == 0 else { return nil }
        return String(decoding: result.output, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    static func has(_ program: String) -> Bool { Subprocess.run([program, "--version"]) != nil }
}

/// A number generator that gives the same numbers every time: failures must be repeatable.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

/// Calls `parse` with every truncation of `bytes` (or, of many, with 4096 of them spread evenly) and with 10 000
/// mutations of one to four bytes. It passes when nothing traps or hangs; what `parse` throws is its business.
func checkBounds(_ bytes: [UInt8], mutations: Int = 10_000, _ parse: (ByteSlice) throws -> Void) {
    for length in stride(from: 0, to: bytes.count, by: max(bytes.count / 4096, 1)) {
        do { try parse(ByteSlice(Array(bytes.prefix(length)), name: "truncated")) } catch {}
    }
    var random = Seeded(42)
    guard !bytes.isEmpty else { return }
    for _ in 0..<mutations {
        var copy = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            copy[Int.random(in: 0..<copy.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        do { try parse(ByteSlice(copy, name: "mutated")) } catch {}
    }
}

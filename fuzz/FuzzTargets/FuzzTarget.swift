// The entry points of libFuzzer, and the list of what is fuzzed.

import Bytes
import FixtureKit
import Glibc

/// One parser entry. To add one: a value like those in the other files here, and its name in `all`.
struct FuzzTarget: Sendable {
    /// By which `fuzz/run` calls it.
    let name: String
    /// Small valid inputs to begin with, made when they are asked for.
    let seeds: @Sendable () -> [[UInt8]]
    /// Parses and reads everything. What it throws is expected; a trap, a hang or too much memory is a finding.
    let run: @Sendable (ByteSlice) throws -> Void

    static let all =
        codecs + [
            elf, elfCore, kdump, flattened, lines, callFrames, orc, dwarf, btf, kallsyms,
        ]
}

/// The target that INQUEST_FUZZ_TARGET names; set once, in LLVMFuzzerInitialize, before the first input.
nonisolated(unsafe) private var chosen = FuzzTarget.all[0]

private func variable(_ name: String) -> String? {
    // Safe: the result is copied at once, and nothing here changes the environment.
    unsafe getenv(name).map { unsafe String(cString: $0) }
}

/// Lists the targets, or writes the seeds of one, or chooses it, as the environment says.
@_cdecl("LLVMFuzzerInitialize")
func initialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    guard let name = variable("INQUEST_FUZZ_TARGET") else {
        for target in FuzzTarget.all { print(target.name) }
        exit(0)
    }
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("there is no fuzz target \(name)")
        exit(64)
    }
    unsafe chosen = target
    if let folder = variable("INQUEST_FUZZ_SEEDS") {
        for (index, seed) in target.seeds().enumerated() {
            do {
                try TemporaryFile.write(seed, to: "\(folder)/\(name)-\(index)")
            } catch {
                print("\(error)")
                exit(1)
            }
        }
        exit(0)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // Safe: libFuzzer says how many bytes there are, and they are copied before this returns.
    let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    try? unsafe chosen.run(ByteSlice(bytes, name: "input"))
    return 0
}

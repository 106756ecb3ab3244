// Dumps of stock kernels that hang in ways that no dump of the repository shows: too large for it, made by lab/run.

import Dump
import Foundation
import FixtureKit
import Memory
import Target
import Testing

@testable import LinuxKernel

/// The dumps `NAME.elf` or `NAME.makedumpfile-zlib` in the folder that $INQUEST_LABDATA names.
enum LabDumps {
    static let comment: Comment = "needs dumps made by lab/run: name their folder in INQUEST_LABDATA"

    private static let folder = ProcessInfo.processInfo.environment["INQUEST_LABDATA"]

    static let arePresent = folder != nil

    /// Those of `names` that are there, so that a test runs for each.
    static func present(_ names: [String]) -> [String] { names.filter { path($0) != nil } }

    private static func path(_ name: String) -> String? {
        guard let folder else { return nil }
        return ["\(folder)/\(name).elf", "\(folder)/\(name).makedumpfile-zlib"].first {
            FileManager.default.fileExists(atPath: $0)
        }
    }

    /// The kernel of a dump with nothing but what its own memory says; `changing` changes words of it.
    static func open(_ name: String, changing: (LinuxKernel, inout PatchedMemory) throws -> Void = { _, _ in }) throws
        -> LinuxKernel
    {
        let file = try #require(Self.path(name), "\(name) is not in $INQUEST_LABDATA")
        let dump = try Dump.open(paths: [file])
        let whole = try LinuxKernel(
            opening: Specimen(memory: dump.memory, facts: dump.facts, files: NoSymbolFiles()), journal: Journal())
        var memory = PatchedMemory(dump.memory)
        try changing(whole, &memory)
        return try LinuxKernel(
            opening: Specimen(memory: memory, facts: dump.facts, files: NoSymbolFiles()), journal: Journal())
    }
}

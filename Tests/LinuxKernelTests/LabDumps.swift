// Dumps of stock kernels that hang in ways that no dump of the repository shows: too large for it, made by lab/run.

import Bytes
import DebugModel
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

extension PatchedMemory {
    /// Takes the kernel's log out: its descriptors and its text.
    mutating func zeroLog(of kernel: LinuxKernel) throws {
        let ring = try Globals.pointee(kernel.model, "prb", "printk_ringbuffer")
        let count = UInt64(1) << (try ring.path("desc_ring", "count_bits").unsigned())
        func size(_ type: String) throws -> UInt64 {
            let id = try #require(try kernel.model.types.lookup(.structure, type))
            return try #require(try kernel.model.types.size(id))
        }
        let parts = [
            (try ring.path("desc_ring", "descs"), count * (try size("prb_desc"))),
            (try ring.path("desc_ring", "infos"), count * (try size("printk_info"))),
            (
                try ring.path("text_data_ring", "data"),
                1 << (try ring.path("text_data_ring", "size_bits").unsigned())
            ),
        ]
        for (pointer, size) in parts {
            let start = try pointer.pointer()
            for offset in stride(from: UInt64(0), to: size & ~7, by: 8) {
                try write(0, at: try kernel.target.space.translate(start.advanced(by: offset)))
            }
        }
    }
}

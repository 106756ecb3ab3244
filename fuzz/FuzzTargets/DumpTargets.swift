// Dumps: opened, and every page read that they promise.

import Bytes
import Dump
import FixtureKit
import Memory

extension FuzzTarget {
    static let elfCore = FuzzTarget(
        name: "elf-core",
        seeds: {
            [false, true].map { isOdd in
                var numbers = SeededNumbers(seed: 2)
                var writer = ELFCoreWriter(loads: [
                    .init(physical: 0x1000, numbers.page(0xc00)), .init(physical: 0x1800, numbers.page(0x900)),
                    .init(physical: 0x10_0000, numbers.page(64), memorySize: 0x1_0000),
                ])
                writer.isQEMU = isOdd
                writer.usesExtendedCount = !isOdd
                writer.notes = [noteBytes("CORE", 1, [UInt8](repeating: 0, count: 336))]
                writer.vmcoreinfo = "OSRELEASE=6.1.0\n"
                return writer.build()
            }
        },
        run: readAll)

    static let kdump = FuzzTarget(
        name: "kdump", seeds: { Encoder.allCases.map { kdump($0).build() } }, run: readAll)

    static let flattened = FuzzTarget(
        name: "flattened",
        seeds: {
            var writer = FlattenedWriter()
            writer.recordSize = 6000
            writer.seed = 1
            writer.overwrites = true
            return [writer.flatten(kdump(.lzo).build()), writer.flatten(elfCore.seeds()[0])]
        },
        run: readAll)

    private static func kdump(_ encoder: Encoder) -> KdumpWriter {
        var numbers = SeededNumbers(seed: 3)
        var writer = KdumpWriter()
        writer.encoder = encoder
        for page: UInt64 in [0, 1, 70] { writer.pages[page] = numbers.page() }
        writer.filtered = [2, 3]
        writer.notes = noteBytes("CORE", 1, [UInt8](repeating: 0, count: 336))
        writer.vmcoreinfo = "OSRELEASE=6.1.0\n"
        return writer
    }

    /// Opens the dump and reads up to 1000 of its pages, and some that it may not have.
    @Sendable private static func readAll(_ bytes: ByteSlice) throws {
        let dump = try Dump.open(DumpFiles(DumpFile(path: "input", bytes: bytes)))
        for page: UInt64 in [0, 1, 2, 70, 1 << 40, 0xf_ffff_ffff_ffff] {
            _ = try? dump.memory.page(containing: PhysicalAddress(page << 12)).bytes.array
        }
        var pages = 0
        var address = PhysicalAddress(0)
        while pages < 1000, let run = dump.memory.nextSaved(from: address) {
            address = run.lowerBound
            while address < run.upperBound, pages < 1000 {
                _ = try? dump.memory.page(containing: address).bytes.array
                pages += 1
                address = address.pageStart(dump.memory.pageSize).advanced(by: UInt64(dump.memory.pageSize))
                // The last page of the address space: the next address is 0.
                if address.rawValue == 0 { return }
            }
        }
    }
}

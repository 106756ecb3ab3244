// ELF files: headers, sections with their contents, symbols, notes.

import Bytes
import ELF
import FixtureKit

extension FuzzTarget {
    static let elf = FuzzTarget(
        name: "elf",
        seeds: {
            var seeds: [[UInt8]] = []
            for (is64, order) in [(true, ByteOrder.little), (false, .big)] {
                var builder = ELFBuilder()
                builder.is64 = is64
                builder.order = order
                builder.section(".text", flags: 6, address: 0x1000, [0x90, 0xc3])
                builder.compressedSection(".debug_info", [UInt8](repeating: 7, count: 100), .zlib)
                builder.compressedSection(".debug_str", [UInt8](repeating: 8, count: 100), .zstd)
                builder.zdebugSection(".zdebug_line", [UInt8](repeating: 9, count: 100))
                builder.note("GNU", type: 3, [UInt8](repeating: 0xab, count: 20))
                builder.symbol("main", 0x1000, size: 2)
                builder.segment(virtual: 0x1000, physical: 0x1000, [0x90, 0xc3])
                seeds.append(builder.build())
            }
            return seeds
        },
        run: { bytes in
            var limits = Limits()
            limits.sectionBytes = 16 << 20
            let file = try ELFFile(bytes, limits: limits)
            for section in file.sections.prefix(100) { _ = try? section.contents(limits: limits).array }
            _ = file.notes().map(\.description.array)
            _ = file.buildID
            if let symbols = try file.symbols() {
                for index in 0..<min(symbols.count, 1000) { _ = symbols[index].map(symbols.name) }
            }
        })
}

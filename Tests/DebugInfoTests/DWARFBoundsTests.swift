// Broken DWARF of every kind: it may say less, and must not trap, hang or take the machine's memory.

import Bytes
import DebugInfo
import DebugModel
import FixtureKit
import Testing

@Suite("DWARF bounds")
struct DWARFBoundsTests {
    private static func sections(_ version: UInt16) -> [String: [UInt8]] {
        var builder = DWARFBuilder(version: version)
        builder.unit([
            .base("int", size: 4), .pointer(to: "s", label: "s *"), .array(of: "int", [3, nil], label: "array"),
            .structure(
                "s", size: 64,
                [
                    .member("next", "s *", at: 0), .member("a", "array", at: 8),
                    .member("b", "int", at: 20, [(0x0d, .data(3, size: 1)), (0x6b, .data(7, size: 1))]),
                ]),
            .enumeration("e", [("A", .data(1, size: 1)), ("B", .signed(-1))]), .typedef("t", "s"),
            .declaration("far", label: "far"), .variable("v", "s", at: 0x1000),
            .function("f", "int", at: 0x10, [.parameter("p", "s *")]),
            DWARFNode(0x34, [(0x03, .indexed("jiffies")), (0x49, .signature(7)), (0x02, .expression([0xa1, 0]))]),
        ])
        builder.typeUnit(
            signature: 7, type: "u",
            [.base("int", size: 4), .structure("u", size: 4, tag: 0x17, [.member("x", "int", at: 0)])])
        return builder.build()
    }

    @Test("Every truncation and 10 000 mutations are survived", arguments: [4, 5] as [UInt16])
    func mutations(version: UInt16) throws {
        let whole = Self.sections(version)
        try Described(DWARFFile(sections: whole)).askAll()
        for (section, mutations) in [
            (".debug_info", 10_000), (".debug_abbrev", 10_000), (".debug_types", 1000), (".debug_str_offsets", 1000),
            (".debug_str", 1000), (".debug_addr", 1000),
        ] {
            BoundsHarness.run(fixture: whole[section] ?? [], mutations: mutations) { broken in
                var sections = whole
                sections[section] = broken.array
                try Described(DWARFFile(sections: sections)).askAll()
            }
        }
    }

    @Test("Units that share one long table a byte apart do not cost their product", .timeLimit(.minutes(1)))
    func overlappingTables() throws {
        // Codes 1 to n, each with one attribute, never ending before the section does: read from every byte.
        var table = Output(.little)
        for code in 1...40_000 {
            table.uleb128(UInt64(code))
            table.append([0x34, 0, 3, 8, 0, 0])
        }
        table.u8(0)
        var info = Output(.little)
        for unit in 0..<20_000 {
            info.u32(8)
            info.u16(5)
            info.append([1, 8])
            info.u32(UInt32(unit * 7))
        }
        let described = Described(DWARFFile(sections: [".debug_info": info.bytes, ".debug_abbrev": table.bytes]))
        #expect(try described.types.names(.structure).isEmpty)
    }
}

// DWARF units: the index over them, and every type that it names.

import Bytes
import DebugInfo
import DebugModel
import ELF
import FixtureKit

extension FuzzTarget {
    /// An ELF file, so that one input can break all sections of debug information.
    static let dwarf = FuzzTarget(
        name: "dwarf",
        seeds: { [4, 5].map { seed(version: $0) } },
        run: { bytes in
            var limits = Limits()
            limits.sectionBytes = 16 << 20
            let elf = try ELFFile(bytes, limits: limits)
            let limited = limits
            let file = DWARFFile(elf) { (_, section) throws(ParseFault) in try section.contents(limits: limited) }
            let types = DWARFTypes(file)
            let graph = TypeGraph()
            graph.add(types)
            for kind in TypeKind.allCases {
                for name in try types.names(kind).prefix(100) {
                    for id in try graph.lookupAll(kind, name).prefix(4) {
                        guard case .aggregate(let aggregate)? = try? graph.type(id) else { continue }
                        for member in aggregate.members.prefix(50) { _ = try? graph.size(member.type) }
                    }
                }
            }
            for name in ["v", "f", "A"] {
                _ = try? types.variables(named: name)
                _ = try? types.functions(named: name)
                _ = try? types.enumerations(defining: name)
            }
        })

    private static func seed(version: UInt16) -> [UInt8] {
        var builder = DWARFBuilder(version: version)
        builder.unit([
            .base("int", size: 4), .pointer(to: "s", label: "s *"), .array(of: "int", [3, nil], label: "array"),
            .structure("s", size: 64, [.member("next", "s *", at: 0), .member("a", "array", at: 8)]),
            .enumeration("e", [("A", .data(1, size: 1)), ("B", .signed(-1))]), .typedef("t", "s"),
            .declaration("far", label: "far"), .variable("v", "s", at: 0x1000),
            .function("f", "int", at: 0x10, [.parameter("p", "s *")]),
            DWARFNode(0x34, [(0x03, .indexed("x")), (0x49, .signature(7)), (0x02, .expression([0xa1, 0]))]),
        ])
        builder.typeUnit(
            signature: 7, type: "u",
            [.base("int", size: 4), .structure("u", size: 4, tag: 0x17, [.member("x", "int", at: 0)])])
        var elf = ELFBuilder()
        for (name, bytes) in builder.build().sorted(by: { $0.key < $1.key }) { elf.section(name, bytes) }
        return elf.build()
    }
}

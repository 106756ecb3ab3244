// What the index finds, and what it survives.

import Bytes
import DebugInfo
import DebugModel
import FixtureKit
import Testing

@Suite("DWARF index")
struct DWARFIndexTests {
    private static func structure(_ name: String, _ member: String, at line: UInt64 = 1, size: UInt64 = 4) -> DWARFNode
    {
        .structure(name, size: size, at: line, [.member(member, "int", at: 0)])
    }

    @Test("The same definition in many units is one; others of its name are kept, the most common first")
    func alternatives() throws {
        var builder = DWARFBuilder()
        builder.unit("a.c", [.base("int", size: 4), Self.structure("s", "rare", at: 9)])
        for name in ["b.c", "c.c", "d.c"] {
            builder.unit(name, [.base("int", size: 4), Self.structure("s", "common")])
        }
        let described = Described(DWARFFile(builder))
        let all = try described.graph.lookupAll(.structure, "s")
        let members = try all.map { id -> [String] in
            guard case .aggregate(let aggregate) = try described.graph.type(id) else { return [] }
            return aggregate.members.map(\.name)
        }
        #expect(members == [["common"], ["rare"]])
        #expect(try described.types.find(.ordinary, "int").count == 1)
    }

    @Test("Types of one name, line and size in two files are two", arguments: [4, 5] as [UInt16])
    func files(version: UInt16) throws {
        var builder = DWARFBuilder(version: version)
        builder.line = Self.lineProgram(version: version, ["x.h", "y.h"])
        builder.unit("a.c", [.base("int", size: 4), Self.structure("s", "x")])
        builder.unit("b.c", [.base("int", size: 4), .structure("s", size: 4, file: 2, [.member("y", "int", at: 0)])])
        builder.unit("c.c", [.base("int", size: 4), Self.structure("s", "x")])
        #expect(try Described(DWARFFile(builder)).types.find(.structure, "s").count == 2)
    }

    /// The head of a line program with these files, numbered from 1 on.
    private static func lineProgram(version: UInt16, _ files: [String]) -> [UInt8] {
        var body = Output(.little)
        body.u16(version)
        if version >= 5 { body.append([8, 0]) }
        body.u32(0)
        body.append([1, 1, 1, 0xfb, 14, 1])
        if version >= 5 {
            body.append([1, 1, 8, 1])
            body.cString("/src")
            body.append([2, 1, 8, 2, 0x0b, UInt8(files.count + 1)])
            for file in ["a.c"] + files {
                body.cString(file)
                body.u8(0)
            }
        } else {
            body.u8(0)
            for file in files {
                body.cString(file)
                body.append([0, 0, 0])
            }
            body.u8(0)
        }
        var whole = Output(.little)
        whole.u32(UInt32(body.count))
        whole.append(body.bytes)
        return whole.bytes
    }

    @Test("Names are found in namespaces, behind indexes, in line as well as shared")
    func names() throws {
        let described = Described([
            .base("int", size: 4),
            DWARFNode(
                0x39, [(0x03, .text("outer"))],
                [
                    DWARFNode(0x39, [(0x03, .text("inner"))], [Self.structure("deep", "x")]),
                    Self.structure("shallow", "x"),
                ]),
            DWARFNode(0x13, [(0x03, .inline("short")), (0x0b, .data(0, size: 1))]),
            DWARFNode(0x13, [(0x03, .indexed("numbered")), (0x0b, .data(0, size: 1))]),
            DWARFNode(0x13, [(0x03, .lineText("lined")), (0x0b, .data(0, size: 1))]),
            DWARFNode(0x02, [(0x03, .text("klass")), (0x0b, .data(0, size: 1))]),
        ])
        let names = try described.types.names(.structure)
        #expect(Set(names) == ["deep", "shallow", "short", "numbered", "lined", "klass"])
        for name in names { #expect(try described.aggregate(name) != nil, "\(name)") }
        #expect(try described.types.find(.structure, "").isEmpty)
        #expect(try described.types.find(.union, "deep").isEmpty)
    }

    @Test("Children without a sibling attribute are passed over one by one")
    func withoutSiblings() throws {
        var function = DWARFNode.function(
            "f", nil, at: 0x10, [DWARFNode(0x0b, [], [Self.structure("local", "x")]), .parameter("p", "int")])
        function.hasSibling = false
        var outer = Self.structure("before", "x")
        outer.hasSibling = false
        let described = Described([.base("int", size: 4), outer, function, Self.structure("after", "x")])
        #expect(Set(try described.types.names(.structure)) == ["before", "after"])
        #expect(try described.members("before") == ["int x @0+4"])
    }

    @Test("64-bit DWARF and big-endian files are read like the others")
    func formats() throws {
        for (is64, order) in [(true, ByteOrder.little), (false, .big), (true, .big)] {
            var builder = DWARFBuilder(order: order)
            builder.is64 = is64
            builder.unit(
                "a.c",
                [.base("int", size: 4), .structure("s", size: 8, [.member("x", "far", at: 4)]), .typedef("far", "int")])
            let described = Described(DWARFFile(builder))
            #expect(try described.members("s") == ["far x @4+4"])
            #expect(described.types.remarks.isEmpty)
        }
    }

    @Test("A broken unit loses only itself, and is named")
    func brokenUnit() throws {
        var builder = DWARFBuilder()
        builder.unit("a.c", [.base("int", size: 4), Self.structure("first", "x")])
        builder.unit("b.c", [DWARFNode(0x13, [(0x03, .text("lost")), (0x0b, .raw(form: 0x7777, [1, 2]))])])
        builder.unit("c.c", [.base("int", size: 4), Self.structure("last", "x")])
        let described = Described(DWARFFile(builder))
        #expect(Set(try described.types.names(.structure)) == ["first", "last"])
        #expect(described.types.remarks.count == 1)
    }

    @Test("A unit without its abbreviations, of another version or beyond the end is a remark")
    func headers() throws {
        var builder = DWARFBuilder()
        builder.unit("a.c", [.base("int", size: 4), Self.structure("first", "x")])
        let good = builder.build()
        var sections = good
        sections[".debug_abbrev"] = nil
        #expect(try Described(DWARFFile(sections: sections)).types.names(.structure).isEmpty)
        let info = try #require(good[".debug_info"])
        sections = good
        // A version that is not known; then the good unit; then one that promises more than there is.
        sections[".debug_info"] = [3, 0, 0, 0, 9, 0, 0] + info + [0xff, 0, 0, 0, 5, 0]
        let described = Described(DWARFFile(sections: sections))
        #expect(try described.types.names(.structure).isEmpty == false)
        #expect(described.types.remarks.count == 2)
    }
}

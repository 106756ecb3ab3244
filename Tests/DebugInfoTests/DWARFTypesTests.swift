// What DIEs mean in C.

import Bytes
import DebugInfo
import DebugModel
import FixtureKit
import Testing

@Suite("DWARF types")
struct DWARFTypesTests {
    private static let integers: [DWARFNode] = [
        .base("int", size: 4), .base("char", size: 1, encoding: 6), .base("unsigned int", size: 4, encoding: 7),
        .base("_Bool", size: 1, encoding: 2), .base("double", size: 8, encoding: 4),
        .base("char16_t", size: 2, encoding: 0x10),
    ]

    @Test("Base types keep their size and encoding", arguments: [2, 3, 4, 5] as [UInt16])
    func bases(version: UInt16) throws {
        let described = Described(version: version, Self.integers)
        func integer(_ name: String) throws -> IntegerType? {
            guard let id = try described.graph.lookup(.ordinary, name),
                case .integer(let integer) = try described.graph.type(id)
            else { return nil }
            return integer
        }
        #expect(try integer("int") == IntegerType(name: "int", size: 4, encoding: .signed))
        #expect(try integer("char")?.encoding == .signedCharacter)
        #expect(try integer("unsigned int")?.encoding == .unsigned)
        #expect(try integer("_Bool")?.encoding == .boolean)
        #expect(try integer("char16_t") == IntegerType(name: "char16_t", size: 2, encoding: .unsigned))
        let double = try #require(try described.graph.lookup(.ordinary, "double"))
        guard case .float(let name, let size) = try described.graph.type(double) else {
            Issue.record("double is no float")
            return
        }
        #expect(name == "double" && size == 8)
    }

    @Test("Members have their offsets, also where DWARF 2 wrote an expression")
    func members() throws {
        let described = Described(
            Self.integers + [
                .structure(
                    "s", size: 400,
                    [
                        .member("a", "int", at: 0), .member("far", "int", at: 200),
                        DWARFNode(
                            0x0d, [(0x03, .text("old")), (0x49, .reference("int")), (0x38, .block([0x23, 0x84, 2]))]),
                        .member("", "inner", at: 8), .member("tail", "open", at: 16),
                    ]),
                .structure(
                    "", size: 8, tag: 0x17, label: "inner", [.member("x", "int", at: 0), .member("y", "int", at: 0)]),
                .array(of: "char", [nil], label: "open"),
            ])
        let members = try described.members("s")
        #expect(
            members == ["int a @0+4", "int far @200+4", "int old @260+4", "union {...} @8+8", "char tail[] @16+0"])
        let s = try #require(try described.graph.lookup(.structure, "s"))
        #expect(try described.graph.member("y", of: s)?.bitOffset == 64)
    }

    @Test("Bit-fields are where each version of DWARF says", arguments: [ByteOrder.little, .big])
    func bitFields(order: ByteOrder) throws {
        let described = Described(
            order: order,
            Self.integers + [
                .structure(
                    "s", size: 8,
                    [
                        DWARFNode(
                            0x0d,
                            [
                                (0x03, .inline("new")), (0x49, .reference("int")), (0x0d, .data(3, size: 1)),
                                (0x6b, .data(35, size: 1)),
                            ]),
                        .member(
                            "old", "int", at: 4,
                            [(0x0b, .data(4, size: 1)), (0x0d, .data(5, size: 1)), (0x0c, .data(20, size: 1))]),
                        .member("short", "int", at: 4, [(0x0d, .data(5, size: 1)), (0x0c, .data(27, size: 1))]),
                    ])
            ])
        let little = ["int new:3 @35", "int old:5 @39", "int short:5 @32"]
        let big = ["int new:3 @35", "int old:5 @52", "int short:5 @59"]
        #expect(try described.members("s") == (order == .little ? little : big))
    }

    @Test("Declarations are read as C writes them")
    func declarations() throws {
        let described = Described(
            Self.integers + [
                .pointer(to: nil, label: "void *"), .pointer(to: "const char", label: "const char *"),
                DWARFNode(0x26, label: "const char", [(0x49, .reference("char"))]),
                .array(of: "int", [2, 255, nil], label: "cube"),
                DWARFNode(
                    0x15, label: "fn", [(0x49, .reference("int"))],
                    [DWARFNode(0x05, [(0x49, .reference("void *"))]), DWARFNode(0x18)]),
                .pointer(to: "fn", label: "fn *"),
                DWARFNode(0x35, label: "volatile int", [(0x49, .reference("int"))]),
                .array(of: "int", [0xffff_ffff], label: "none"),
                .typedef("t1", "void *"), .typedef("t2", "const char *"), .typedef("t3", "cube"),
                .typedef("t4", "fn *"),
                .typedef("t5", "volatile int"), .typedef("t6", "t1"),
            ])
        #expect(try described.declaration("t1") == "void *it")
        #expect(try described.declaration("t2") == "const char *it")
        #expect(try described.declaration("t3") == "int it[3][256][]")
        #expect(try described.declaration("t4") == "int (*it)(void *, ...)")
        #expect(try described.declaration("t5") == "volatile int it")
        #expect(try described.declaration("t6") == "t1 it")
    }

    @Test("Enumerators have the values that were written, in every form")
    func enumerations() throws {
        let described = Described(
            Self.integers + [
                .enumeration(
                    "e",
                    [
                        ("A", .data(200, size: 1)), ("B", .signed(-3)), ("C", .unsigned(1 << 40)), ("D", .implicit(-7)),
                        ("E", .indirect(9)),
                    ]),
                .enumeration("u", type: "unsigned int", at: 2, [("F", .data(0xffff_ffff, size: 4))]),
                .enumeration("", at: 3, label: "nameless1", [("G", .data(1, size: 1))]),
                .enumeration("", at: 3, label: "nameless2", [("H", .data(2, size: 1))]),
            ])
        let e = try #require(try described.enumeration("e"))
        #expect(e.isSigned)
        #expect(e.enumerators.map(\.value) == [200, -3, 1 << 40, -7, 9])
        let u = try #require(try described.enumeration("u"))
        #expect(!u.isSigned)
        #expect(u.enumerators == [Enumerator(name: "F", value: 0xffff_ffff)])
        // Two without a name on one line, as macros make them.
        for name in ["G", "H"] { #expect(try described.types.enumerations(defining: name).count == 1) }
        #expect(try described.types.enumerations(defining: "Z").isEmpty)
    }

    @Test("A type that contains itself ends every question")
    func cycles() throws {
        let described = Described([
            .typedef("t", "t"), .structure("s", size: 8, [.member("s", "s", at: 0), .member("", "s", at: 0)]),
            .array(of: "a", [1], label: "a"), .typedef("ta", "a"),
            DWARFNode(0x26, label: "c", [(0x49, .reference("c"))]),
            .typedef("tc", "c"),
        ])
        try described.askAll()
        let s = try #require(try described.graph.lookup(.structure, "s"))
        #expect(try described.graph.member("absent", of: s) == nil)
        for name in ["t", "ta", "tc"] {
            let id = try #require(try described.graph.lookup(.ordinary, name))
            #expect(try described.graph.size(id) == nil)
        }
    }

    @Test("A declaration becomes the definition of another unit")
    func incomplete() throws {
        var builder = DWARFBuilder()
        builder.unit(
            "a.c",
            [
                .declaration("far", label: "far"), .declaration("nowhere", label: "nowhere"),
                .pointer(to: "far", label: "p"), .pointer(to: "nowhere", label: "q"),
                .structure("s", size: 16, [.member("p", "p", at: 0), .member("q", "q", at: 8)]),
            ])
        builder.unit("b.c", [.base("int", size: 4), .structure("far", size: 4, [.member("x", "int", at: 0)])])
        let described = Described(DWARFFile(builder))
        let s = try #require(try described.graph.lookup(.structure, "s"))
        func target(_ member: String) throws -> CType {
            let type = try #require(try described.graph.member(member, of: s)).type
            guard case .pointer(let target, _) = try described.graph.type(type) else { return .void }
            return try described.graph.type(target)
        }
        guard case .aggregate(let far) = try target("p"), case .incomplete(.structure, "nowhere") = try target("q")
        else {
            Issue.record("not followed to the definition")
            return
        }
        #expect(far.members.map(\.name) == ["x"])
    }

    @Test("Types of type units are found by signature and by name", arguments: [4, 5] as [UInt16])
    func typeUnits(version: UInt16) throws {
        var builder = DWARFBuilder(version: version)
        builder.unit([
            DWARFNode(0x13, label: "s", [(0x03, .text("s")), (0x3c, .flag), (0x69, .signature(0x1234))]),
            .typedef("by_name", "s"), DWARFNode(0x16, [(0x03, .text("by_signature")), (0x49, .signature(0x1234))]),
        ])
        builder.typeUnit(
            signature: 0x1234, type: "s",
            [.base("int", size: 4), .structure("s", size: 4, [.member("x", "int", at: 0)])])
        let described = Described(DWARFFile(builder))
        for name in ["by_name", "by_signature"] {
            let id = try #require(try described.graph.lookup(.ordinary, name))
            #expect(try described.graph.size(id) == 4)
        }
        #expect(try described.members("s") == ["int x @0+4"])
    }

    @Test("What dwz took out is found in the other file", arguments: [4, 5] as [UInt16])
    func supplementary(version: UInt16) throws {
        var common = DWARFBuilder(version: version)
        common.unit(
            "common", kind: 0x3c,
            [.base("int", size: 4), .structure("common_s", size: 4, [.member("x", "int", at: 0)])])
        let other = DWARFFile(common, isSupplementary: true)
        let place = try #require(try other.directory().starts.first)
        let unit = try other.unit(.info, at: place)
        let root = try #require(try unit.root())
        var children = try root.children()
        var structure: DIE?
        while let die = try children.sibling() { if die.tag == .structureType { structure = die } }
        var main = DWARFBuilder(version: version)
        main.unit([
            DWARFNode(
                0x16,
                [(0x03, .text("t")), (0x49, .supplementaryReference(try #require(structure).offset))]),
            DWARFNode(
                0x24, [(0x03, .supplementaryText(offset: 1)), (0x0b, .data(2, size: 1)), (0x3e, .data(5, size: 1))]),
        ])
        let described = Described(DWARFFile(main, supplementary: other))
        let t = try #require(try described.graph.lookup(.ordinary, "t"))
        #expect(try described.graph.size(t) == 4)
        #expect(try described.members("common_s") == ["int x @0+4"])
        // The first text of the other file's strings is its unit's name.
        let borrowed = try #require(try described.graph.lookup(.ordinary, "common"))
        #expect(try described.graph.size(borrowed) == 2)
        // Without the other file the rest is there.
        let alone = Described(DWARFFile(main))
        let lost = try #require(try alone.graph.lookup(.ordinary, "t"))
        #expect(throws: ParseFault.self) { try alone.graph.size(lost) }
    }

    @Test("Variables have type and address; static ones of several units are all there")
    func variables() throws {
        var builder = DWARFBuilder()
        builder.unit(
            "a.c",
            [
                .base("int", size: 4), .variable("twice", "int", at: 0x1000),
                DWARFNode(0x34, label: "d", [(0x03, .text("declared")), (0x49, .reference("int")), (0x3c, .flag)]),
                DWARFNode(0x34, [(0x47, .reference("d")), (0x02, .expression([3, 0, 0x20, 0, 0, 0, 0, 0, 0]))]),
                DWARFNode(
                    0x34, [(0x03, .indexed("indexed")), (0x49, .reference("int")), (0x02, .expression([0xa1, 0]))]),
                DWARFNode(0x34, [(0x03, .text("unused")), (0x3f, .indexedAddress(0x7000))]),
                DWARFNode(0x34, [(0x03, .text("jiffies")), (0x49, .reference("int")), (0x3c, .flag)]),
            ])
        builder.unit("b.c", [.base("int", size: 4), .variable("twice", "int", at: 0x1100)])
        let types = DWARFTypes(
            DWARFFile(builder), placement: DWARFPlacement(offset: 0x10_0000, fixed: 0x1100..<0x1200))
        #expect(
            try types.variables(named: "twice").map(\.address) == [VirtualAddress(0x10_1000), VirtualAddress(0x1100)])
        #expect(try types.variables(named: "declared").map(\.address) == [VirtualAddress(0x10_2000)])
        #expect(try types.variables(named: "indexed").map(\.address) == [VirtualAddress(0x10_7000)])
        // Defined by the linker: the type is known, the address is the symbol table's.
        #expect(try types.variables(named: "jiffies").map(\.address) == [nil])
        #expect(try types.variables(named: "unused").isEmpty)
    }

    @Test("Functions have parameters and a result")
    func functions() throws {
        let described = Described(
            Self.integers + [.function("f", "int", at: 0x500, [.parameter("count", "unsigned int"), DWARFNode(0x18)])])
        let f = try #require(try described.types.functions(named: "f").first)
        #expect(f.address == VirtualAddress(0x500))
        let id = described.graph.number(of: f.type, source: 0)
        #expect(try described.graph.declaration(of: "f", type: id) == "int f(unsigned int, ...)")
    }
}

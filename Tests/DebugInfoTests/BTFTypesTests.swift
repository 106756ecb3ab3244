import Bytes
import DebugModel
import FixtureKit
import Testing

@testable import DebugInfo

private func types(_ builder: BTFBuilder) throws -> BTFTypes {
    try BTFTypes(ByteSlice(builder.build(), name: "btf"))
}

/// A graph over one blob, asked in C's words.
private struct Asked {
    let graph = TypeGraph()
    let source: Int

    init(_ types: BTFTypes) { source = graph.add(types) }

    func type(_ id: UInt32) throws -> CType {
        try graph.type(graph.number(of: TypeReference(UInt64(id)), source: source))
    }

    func spelling(_ id: UInt32) throws -> String {
        try graph.spelling(graph.number(of: TypeReference(UInt64(id)), source: source))
    }

    func members(_ id: UInt32) throws -> [Member] {
        guard case .aggregate(let aggregate) = try type(id) else { return [] }
        return aggregate.members
    }
}

/// A blob with every kind, and the ids of those that are asked for by number.
private struct EveryKind {
    var builder: BTFBuilder
    let int: UInt32
    let pair: UInt32
    let color: UInt32
    let big: UInt32
    let call: UInt32
    let tagged: UInt32
    let function: UInt32
    let flexible: UInt32

    init(_ order: ByteOrder = .little) {
        var b = BTFBuilder(order: order)
        int = b.integer("int", size: 4, encoding: 1)  // 1 INT
        let char = b.integer("char", size: 1, encoding: 1)
        let bool = b.integer("_Bool", size: 1, encoding: 4)
        let pointer = b.pointer(char)  // 2 PTR
        let name = b.array(char, index: int, 16)  // 3 ARRAY
        flexible = b.array(int, index: int, 0)
        let inner = b.structure("", size: 4, isUnion: true, [.init("low", int), .init("high", int)])
        pair = b.structure(  // 4 STRUCT, 5 UNION
            "pair", size: 32, [.init("", inner), .init("text", pointer, at: 64), .init("name", name, at: 128)])
        color = b.enumeration("color", isSigned: true, [.init("RED", value: -1), .init("BLUE", value: 7)])  // 6 ENUM
        let declared = b.declaration("elsewhere")  // 7 FWD
        _ = b.declaration("either", isUnion: true)
        let constant = b.add(10, "", int)  // 10 CONST
        let volatile = b.add(9, "", constant)  // 9 VOLATILE
        _ = b.typedef("number_t", volatile)  // 8 TYPEDEF
        let restricted = b.add(11, "", pointer)  // 11 RESTRICT
        call = b.prototype(bool, [.init("text", restricted), .init("where", b.pointer(declared)), .init("", 0)])
        function = b.add(12, "work", count: 1, call)  // 12 FUNC over 13 FUNC_PROTO
        let variable = b.add(14, "counter", int, [1])  // 14 VAR
        _ = b.section(".data..percpu", [(variable, 0x40, 4)])  // 15 DATASEC
        _ = b.add(16, "double", 8)  // 16 FLOAT
        _ = b.add(17, "note", pair, [UInt32.max])  // 17 DECL_TAG
        let tag = b.add(18, "user", char)  // 18 TYPE_TAG
        tagged = b.pointer(b.add(18, "rcu", tag))
        big = b.enumeration64("big", [.init("HUGE", value: 1 << 40), .init("ALL", value: -1)])  // 19 ENUM64
        builder = b
    }
}

@Suite struct BTFTypesTests {
    @Test("every kind says what it says, in both byte orders", arguments: [ByteOrder.little, .big])
    func kinds(_ order: ByteOrder) throws {
        let every = EveryKind(order)
        let types = try types(every.builder)
        #expect(types.remarks.isEmpty)
        let asked = Asked(types)
        #expect(try asked.spelling(every.int) == "int")
        let pair = try #require(try asked.graph.lookup(.structure, "pair"))
        #expect(try asked.graph.size(pair) == 32)
        #expect(try asked.graph.member("high", of: pair)?.bitOffset == 0)
        let name = try #require(try asked.graph.member("name", of: pair))
        #expect(name.bitOffset == 128)
        #expect(try asked.graph.declaration(of: "name", type: name.type) == "char name[16]")
        guard case .enumeration(let color) = try asked.type(every.color) else { Issue.record("color"); return }
        #expect(color.isSigned && color.enumerators.map(\.value) == [-1, 7])
        guard case .enumeration(let big) = try asked.type(every.big) else { Issue.record("big"); return }
        #expect(big.size == 8 && big.enumerators.map(\.value) == [1 << 40, -1])
        #expect(try asked.spelling(every.call) == "_Bool (char *restrict, struct elsewhere *, ...)")
        #expect(try asked.spelling(every.tagged) == "char *")
        let number = try #require(try asked.graph.lookup(.ordinary, "number_t"))
        #expect(try asked.graph.size(number) == 4)
        #expect(try asked.graph.size(#require(try asked.graph.lookup(.ordinary, "double"))) == 8)
        #expect(types.function(named: "work") == TypeReference(UInt64(every.call)))
        let counter = try #require(types.perCPUVariable(named: "counter"))
        #expect(counter.offset == 0x40 && counter.type == TypeReference(UInt64(every.int)))
        guard
            case .incomplete(.union, "either") = try asked.graph.type(
                #require(
                    try asked.graph.lookup(.union, "either")))
        else { Issue.record("either"); return }
        #expect(try types.names(.structure).sorted() == ["pair"])
        #expect(try types.names(.ordinary).sorted() == ["_Bool", "char", "double", "int", "number_t"])
    }

    @Test func bitFieldsAreSaidByTheFlagOrHideInTheirIntegers() throws {
        var b = BTFBuilder()
        let int = b.integer("unsigned int", size: 4)
        let three = b.integer("unsigned int", size: 4, bits: 3, offset: 2)
        let alias = b.typedef("u3", three)
        let flagged = b.structure(
            "flagged", size: 8, flag: true,
            [.init("a", int, at: 1, bits: 5), .init("b", int, at: 6, bits: 26), .init("c", int, at: 32)])
        let plain = b.structure(
            "plain", size: 4, [.init("a", three, at: 8), .init("b", alias, at: 16), .init("c", int)])
        let asked = Asked(try types(b))
        #expect(try asked.members(flagged).map(\.bitOffset) == [1, 6, 32])
        #expect(try asked.members(flagged).map(\.bitSize) == [5, 26, nil])
        #expect(try asked.members(plain).map(\.bitOffset) == [10, 18, 0])
        #expect(try asked.members(plain).map(\.bitSize) == [3, 3, nil])
    }

    @Test func aDefinitionIsBetterThanADeclarationBeforeIt() throws {
        var b = BTFBuilder()
        let int = b.integer("int", size: 4, encoding: 1)
        _ = b.declaration("s")
        let full = b.structure("s", size: 4, [.init("a", int)])
        #expect(try types(b).find(.structure, "s") == [TypeReference(UInt64(full))])
    }

    @Test func aModulesTypesGoOnFromTheKernelsAndShareThem() throws {
        var kernel = BTFBuilder()
        let int = kernel.integer("int", size: 4, encoding: 1)
        let task = kernel.structure("task_struct", size: 4, [.init("pid", int)])
        var module = BTFBuilder(over: kernel)
        let pointer = module.pointer(task)
        let own = module.structure("own", size: 16, [.init("owner", pointer), .init("count", int, at: 64)])
        let base = try types(kernel)
        let split = try BTFTypes(ByteSlice(module.build(), name: "module"), base: base)
        #expect(own == base.endID + 1 && split.remarks.isEmpty && split.count == 2)
        let graph = TypeGraph()
        let first = graph.add(base)
        graph.add(split, over: first)
        let ownType = try #require(try graph.lookup(.structure, "own"))
        let owner = try #require(try graph.member("owner", of: ownType))
        guard case .pointer(let target, _) = try graph.type(owner.type) else { Issue.record("owner"); return }
        #expect(try target == graph.lookup(.structure, "task_struct"))
        #expect(try graph.member("count", of: ownType)?.type == graph.lookup(.ordinary, "int"))
        // On its own, the split blob still knows the types below it.
        let alone = Asked(split)
        let ownAlone = try #require(try alone.graph.lookup(.structure, "own"))
        let ownerAlone = try #require(try alone.graph.member("owner", of: ownAlone))
        #expect(try alone.graph.spelling(ownerAlone.type) == "struct task_struct *")
    }

    @Test func theKernelSaysWhereAModulesNumbersBeginEvenIfItsOwnAreCutShort() throws {
        var kernel = BTFBuilder()
        let int = kernel.integer("int", size: 4, encoding: 1)
        _ = kernel.structure("late", size: 4, [.init("x", int)])
        var module = BTFBuilder(over: kernel)
        let start = BTFTypes.Start(id: module.nextID, string: module.nextString)
        _ = module.structure("own", size: 4, [.init("value", int)])
        var bytes = kernel.build()
        bytes[24 + 16 + 7] = 0x1f  // The kind of `late`.
        let base = try BTFTypes(ByteSlice(bytes, name: "btf"))
        #expect(base.count == 1 && base.remarks.count == 1)
        let split = try BTFTypes(ByteSlice(module.build(), name: "module"), base: base, start: start)
        let graph = TypeGraph()
        graph.add(split, over: graph.add(base))
        let own = try #require(try graph.lookup(.structure, "own"))
        #expect(try graph.member("value", of: own)?.type == graph.lookup(.ordinary, "int"))
    }

    @Test func whatIsDamagedIsLostAndSaid() throws {
        var b = BTFBuilder()
        let int = b.integer("int", size: 4, encoding: 1)
        let good = b.structure("good", size: 8, [.init("a", int), .init("b", int, at: 32)])
        let place = 24 + 16
        // The name of member b lies outside the strings, the type of member a is not there.
        var bytes = b.build()
        bytes[place + 12 + 12 + 2] = 0x7f
        bytes[place + 12 + 4] = 0x99
        let damaged = try BTFTypes(ByteSlice(bytes, name: "btf"))
        #expect(damaged.remarks.count == 2, "\(damaged.remarks)")
        let asked = Asked(damaged)
        let members = try asked.members(good)
        #expect(members.map(\.name) == ["a", "?"] && members.map(\.bitOffset) == [0, 32])
        #expect(throws: ParseFault.self) { try asked.graph.size(members[0].type) }
        #expect(try asked.graph.size(members[1].type) == 4)
        // A blob that ends within its strings: the types that are named before are found.
        bytes = b.build()
        let cut = try BTFTypes(ByteSlice(Array(bytes.prefix(bytes.count - 4)), name: "btf"))
        #expect(cut.remarks.first?.contains("cut short") == true)
        #expect(try cut.find(.ordinary, "int").count == 1)
        #expect(try cut.find(.structure, "good").isEmpty)
        // Type offsets beyond the blob leave no types, but no error either.
        bytes[11] = 0x7f
        let empty = try BTFTypes(ByteSlice(bytes, name: "btf"))
        #expect(empty.count == 0 && !empty.remarks.isEmpty)
        // A number of a size that no machine has.
        var odd = BTFBuilder()
        let wide = odd.integer("int", size: 1 << 20)
        #expect(throws: ParseFault.self) { try Asked(try types(odd)).type(wide) }
    }

    @Test func typesThatHoldThemselvesEnd() throws {
        var b = BTFBuilder()
        let first = b.typedef("a", b.nextID + 1)
        _ = b.typedef("b", first)
        let tag = b.add(18, "tag", b.nextID)
        let itself = b.structure("knot", size: 4, [.init("", b.nextID), .init("", b.nextID), .init("", tag)])
        let function = b.prototype(0, [.init("", b.nextID), .init("", b.nextID)])
        let asked = Asked(try types(b))
        #expect(try asked.graph.size(asked.graph.number(of: TypeReference(UInt64(first)), source: 0)) == nil)
        let knot = asked.graph.number(of: TypeReference(UInt64(itself)), source: 0)
        #expect(try asked.graph.member("nothing", of: knot) == nil)
        #expect(try asked.spelling(function).contains("..."))
    }

    @Test func manyTypesOfOneNameCostNoMoreThanOthers() throws {
        var b = BTFBuilder()
        let int = b.integer("int", size: 4, encoding: 1)
        let name = b.nextString
        _ = b.typedef("same", int)
        for _ in 0..<200_000 { b.add(8, "", int) }
        var bytes = b.build()
        for index in 0..<200_000 {
            let at = 24 + 16 + 12 + 12 * index
            for byte in 0..<4 { bytes[at + byte] = UInt8(truncatingIfNeeded: name >> UInt32(8 * byte)) }
        }
        let clock = ContinuousClock()
        let spent = try clock.measure {
            let types = try BTFTypes(ByteSlice(bytes, name: "btf"))
            #expect(try types.find(.ordinary, "same").count == 200_001)
            #expect(try types.find(.ordinary, "other").isEmpty)
        }
        #expect(spent < .seconds(10))
    }

    @Test func anyBytesGiveTypesOrAnError() {
        func read(_ types: BTFTypes) {
            let graph = TypeGraph()
            let source = graph.add(types)
            for id in 0..<min(types.endID, 64) {
                let number = graph.number(of: TypeReference(UInt64(id)), source: source)
                _ = try? graph.spelling(number)
                _ = try? graph.size(number)
                _ = try? graph.member("count", of: number)
            }
            for kind in TypeKind.allCases { _ = try? types.names(kind) }
            _ = types.perCPUVariable(named: "counter")
            _ = types.function(named: "work")
            _ = try? types.find(.structure, "pair")
        }
        for order in [ByteOrder.little, .big] {
            BoundsHarness.run(fixture: EveryKind(order).builder.build(), mutations: 10_000) {
                read(try BTFTypes($0))
            }
        }
        let every = EveryKind()
        var module = BTFBuilder(over: every.builder)
        _ = module.structure("own", size: 16, [.init("pair", every.pair), .init("work", every.call, at: 64)])
        let base = try? types(every.builder)
        BoundsHarness.run(fixture: module.build(), mutations: 5000) { read(try BTFTypes($0, base: base)) }
        let split = ByteSlice(module.build(), name: "module")
        BoundsHarness.run(fixture: every.builder.build(), mutations: 5000, seed: 2) {
            read(try BTFTypes(split, base: try BTFTypes($0)))
        }
    }
}

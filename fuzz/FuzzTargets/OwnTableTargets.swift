// The kernel's own tables, as a dump's memory holds them: BTF, kallsyms.

import Bytes
import DebugInfo
import DebugModel
import FixtureKit

extension FuzzTarget {
    private static func types(_ order: ByteOrder) -> BTFBuilder {
        var b = BTFBuilder(order: order)
        let int = b.integer("int", size: 4, encoding: 1)
        let text = b.pointer(b.integer("char", size: 1, encoding: 1))
        let inner = b.structure("", size: 4, isUnion: true, [.init("low", int), .init("high", int)])
        let list = b.array(inner, index: int, 4)
        _ = b.structure("pair", size: 32, flag: true, [.init("", inner), .init("bits", int, at: 32, bits: 5)])
        _ = b.structure("s", size: 32, [.init("text", text), .init("list", list, at: 64)])
        _ = b.enumeration("color", isSigned: true, [.init("RED", value: -1)])
        _ = b.enumeration64("big", [.init("HUGE", value: 1 << 40)])
        _ = b.typedef("alias", b.add(18, "tag", b.add(10, "", b.declaration("elsewhere"))))
        let call = b.prototype(int, [.init("text", text), .init("", 0)])
        _ = b.add(12, "work", count: 1, call)
        _ = b.section(".data..percpu", [(b.add(14, "counter", int, [1]), 0x40, 4)])
        return b
    }

    private static func read(_ types: BTFTypes) {
        let graph = TypeGraph()
        let source = graph.add(types)
        for id in 0..<min(types.endID, 200) {
            let number = graph.number(of: TypeReference(UInt64(id)), source: source)
            _ = try? graph.spelling(number)
            _ = try? graph.size(number)
            _ = try? graph.member("nothing", of: number)
        }
        for kind in TypeKind.allCases { _ = try? types.names(kind).map { try types.find(kind, $0) } }
        _ = types.perCPUVariable(named: "counter")
        _ = types.function(named: "work")
    }

    /// The input is a kernel's blob, and a module's on top of a sound one.
    static let btf = FuzzTarget(
        name: "btf",
        seeds: {
            var module = BTFBuilder(over: types(.little))
            _ = module.structure("own", size: 8, [.init("pair", 5)])
            return [types(.little).build(), types(.big).build(), module.build()]
        },
        run: { bytes in
            if let own = try? BTFTypes(bytes) { read(own) }
            let base = try BTFTypes(ByteSlice(baseTypes, name: "base"))
            read(try BTFTypes(bytes, base: base))
            // The same with a part that could not be read, wherever its last bytes say.
            let (start, size) = (Int(bytes[bytes.count - 1] ?? 0) * 4, Int(bytes[bytes.count - 2] ?? 0))
            read(try BTFTypes(bytes, holes: Holes([start..<start + size + 1])))
        })

    private static func names() -> KallsymsBuilder {
        var builder = KallsymsBuilder()
        builder.add("D", "runqueues", 0x1a40)
        builder.add("T", "_stext", 0xffff_ffff_8100_0000)
        for index in 0..<40 { builder.add("t", "sys_number\(index)_call", 0xffff_ffff_8100_0040 + UInt64(index) * 16) }
        return builder
    }

    /// Built once: what is fuzzed are the tables, not their builder.
    private static let builtNames = names().build()
    private static let baseTypes = types(.little).build()

    /// The input is all tables as they lie in memory, the labels where the seed has them.
    static let kallsyms = FuzzTarget(
        name: "kallsyms",
        seeds: { [names().build().bytes] },
        run: { bytes in
            let built = builtNames
            func part(_ label: String, _ size: Int) -> ByteSlice { bytes.clamped(UInt64(built[label]), UInt64(size)) }
            let symbols = try Kallsyms(
                KallsymsTables(
                    count: 42, names: part("names", built["token_table"] - built["names"]),
                    tokens: part("token_table", built["token_index"] - built["token_table"]),
                    tokenIndex: part("token_index", 512), offsets: part("offsets", 42 * 4),
                    relativeBase: 0xffff_ffff_8100_0000))
            var all: [Symbol] = []
            symbols.forEach { all.append($0) }
            for symbol in all {
                _ = symbols.symbols(named: symbol.name)
                _ = symbols.symbol(covering: symbol.address)
            }
        })
}
